extension Command {
  /// A slice of a list, newest first: all jobs by number, or dead letters by the order of dying.
  package struct List: Sendable, BitwiseCopyable {
    package var viewer: ViewerRef
    /// A queue's name; empty: all.
    package var queue: ByteRange
    /// Jobs of groups of this name; `_`: those that say none; empty: all.
    package var group = ByteRange.empty
    /// 0: all, else a `JobState`.
    package var state: UInt8
    /// Dead letters in the order of dying instead of all jobs by number.
    package var isDeadLetters: Bool
    package var limit: Int32
    /// Rows looked at in this slice at most.
    package var examine: Int32
    /// Where to go on (exclusive); 0: at the newest.
    package var cursor: UInt64

    package init(
      viewer: ViewerRef, queue: ByteRange, state: UInt8, isDeadLetters: Bool, limit: Int, examine: Int, cursor: UInt64
    ) {
      self.viewer = viewer
      self.queue = queue
      self.state = state
      self.isDeadLetters = isDeadLetters
      self.limit = Int32(limit)
      self.examine = Int32(examine)
      self.cursor = cursor
    }
  }
}

extension Command.List: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.list(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func list(_ command: Command.List, _ ticket: UInt64, _ step: inout Step) {
    var page = Page(
      first: step.jobs.count, limit: Int(command.limit), masks: max(Page.leastMasks, Int(command.examine)))
    var filter = filter(of: command, step)
    if !command.group.isEmpty {
      page.group = groupNamed(step.bytes(command.group))
      if page.group == nil { filter = nil }
    }
    if let filter, command.isDeadLetters {
      listDead(command, filter, &page, &step)
    } else if let filter {
      listByNumber(command, filter, &page, &step)
    }
    let taken = step.jobs.count - page.first
    step.answer(
      ticket,
      .page(first: Int32(page.first), count: Int32(taken), next: page.next, isFull: taken == page.limit))
  }

  private struct Page {
    let first: Int
    let limit: Int
    /// Masks of sets, and rows of whoever sees some queues, that may still be looked at.
    var masks: Int
    /// The name of the groups whose jobs are shown; nil: all.
    var group: UInt32?
    /// 0: the list is at its end.
    var next: UInt64 = 0

    /// Enough to find one job, or to come past some: a slice always goes on.
    static let leastMasks = 64

    func isFull(_ step: borrowing Step) -> Bool { step.jobs.count - first >= limit }
  }

  /// The sets whose common numbers a list shows; nil where one of them surely has none.
  private mutating func filter(of command: Command.List, _ step: borrowing Step) -> NumberSets.Intersection? {
    let isDead = command.isDeadLetters
    var filter: NumberSets.Intersection?
    func narrow(_ set: NumberSets.ID) {
      if filter == nil { filter = NumberSets.Intersection(set) } else { filter?.add(set) }
    }
    if command.viewer.kind == .owner {
      let owner = ownerNames.find(step.bytes(command.viewer.text))
      guard owner != .none else { return nil }
      narrow(isDead ? Listed.dead(owner: owner) : Listed.owner(owner))
    }
    if !command.queue.isEmpty {
      let queue = queueNames.find(step.bytes(command.queue))
      guard queue != .none else { return nil }
      narrow(isDead ? Listed.dead(queue: queue) : Listed.queue(queue))
    }
    if command.state != 0, !isDead { narrow(Listed.state(command.state)) }
    return filter ?? NumberSets.Intersection(isDead ? Listed.dead : Listed.all)
  }

  private mutating func listByNumber(
    _ command: Command.List, _ filter: NumberSets.Intersection, _ page: inout Page, _ step: inout Step
  ) {
    var bound = command.cursor == 0 ? nextNumber : min(command.cursor, nextNumber)
    while true {
      switch sets.last(below: bound, in: filter, masks: &page.masks) {
      case .none: return
      case .stopped(let at): return page.next = at
      case .number(let number):
        bound = number
        let slot = jobs.find(number)
        guard mayShow(slot, command, &page, step) else { continue }
        // There is a further one: the next page begins with it.
        if page.isFull(step) { return page.next = number + 1 }
        step.jobs.append(image(slot, &step))
      }
    }
  }

  /// The cursor is above an order number: it counts also when its job has left.
  private mutating func listDead(
    _ command: Command.List, _ filter: NumberSets.Intersection, _ page: inout Page, _ step: inout Step
  ) {
    if command.state != 0, command.state != JobState.dead.rawValue { return }
    var bound = command.cursor == 0 ? dead.end : deadPlace(below: command.cursor)
    while true {
      switch sets.last(below: bound, in: filter, masks: &page.masks) {
      case .none: return
      case .stopped(let at):
        var masks = Int.max
        if case .number(let place) = sets.last(
          below: at, in: NumberSets.Intersection(Listed.dead), masks: &masks)
        {
          page.next = jobs.hot(dead.slot(at: place)).pointee.order + 1
        }
        return
      case .number(let place):
        bound = place
        let slot = dead.slot(at: place)
        guard mayShow(slot, command, &page, step) else { continue }
        if page.isFull(step) { return page.next = jobs.hot(slot).pointee.order + 1 }
        step.jobs.append(image(slot, &step))
      }
    }
  }

  /// What the sets do not tell: whether the job is of the group, the viewer is one of some queues, and this is one of them.
  private mutating func mayShow(
    _ slot: Slot, _ command: Command.List, _ page: inout Page, _ step: borrowing Step
  ) -> Bool {
    page.masks -= 1
    if let group = page.group, groups[jobs.hot(slot).pointee.group].pointee.name != group { return false }
    return mayView(slot, command.viewer, step)
  }
}
