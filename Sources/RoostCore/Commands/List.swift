extension Command {
  /// A slice of a list, newest first: all jobs by number, or dead letters by the order of dying.
  package struct List: Sendable, BitwiseCopyable {
    package var viewer: ViewerRef
    /// A queue's name; empty: all.
    package var queue: ByteRange
    /// Jobs of groups of this name; `_`: those that say none; empty: all.
    package var group = ByteRange.empty
    /// A bit for each state's raw value; 0: all.
    package var states: UInt16
    /// Whose jobs; empty: all. The list narrows the viewer's, it never widens it.
    package var owner = ByteRange.empty
    /// Empty: all.
    package var type = ByteRange.empty
    /// Wall milliseconds: only jobs submitted, or dead letters that died, from then on and before then.
    package var since = Int64.min
    package var until = Int64.max
    /// Dead letters in the order of dying instead of all jobs by number.
    package var isDeadLetters: Bool
    package var limit: Int32
    /// Rows looked at in this slice at most.
    package var examine: Int32
    /// Where to go on (exclusive), a job's number or order; 0: at the newest.
    package var cursor: UInt64

    /// - Parameter state: 0: all.
    package init(
      viewer: ViewerRef, queue: ByteRange, state: UInt8, isDeadLetters: Bool, limit: Int, examine: Int, cursor: UInt64
    ) {
      self.viewer = viewer
      self.queue = queue
      states = state == 0 ? 0 : 1 << UInt16(state)
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
    if !command.group.isEmpty { page.group = groupNamed(step.bytes(command.group)) }
    if command.group.isEmpty || page.group != nil, let wanted = wanted(by: command, step) {
      if command.isDeadLetters {
        listDead(command, wanted, &page, &step)
      } else {
        listByNumber(command, wanted, &page, &step)
      }
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

  /// What a list shows.
  private struct Wanted {
    /// Numbers that all sets of one of these have in common: one for each state that is named.
    var filters: [NumberSets.Intersection]
    /// `.none`: any.
    var type = UInt32.none
  }

  /// Nil where there is surely nothing.
  private mutating func wanted(by command: Command.List, _ step: borrowing Step) -> Wanted? {
    guard let filter = filter(of: command, step) else { return nil }
    var wanted = Wanted(filters: [filter])
    if command.states != 0, !command.isDeadLetters {
      wanted.filters = JobState.allCases.filter { command.states & 1 << UInt16($0.rawValue) != 0 }.map {
        var ofState = filter
        ofState.add(Listed.state($0.rawValue))
        return ofState
      }
      if defects.contains(.otherStatesUnlisted) { wanted.filters = Array(wanted.filters.prefix(1)) }
    }
    guard !command.type.isEmpty else { return wanted }
    wanted.type = typeNames.find(step.bytes(command.type))
    return wanted.type == .none ? nil : wanted
  }

  /// The sets whose common numbers a list shows, whatever the state; nil where one of them surely has none.
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
    if !command.owner.isEmpty {
      let owner = ownerNames.find(step.bytes(command.owner))
      guard owner != .none else { return nil }
      narrow(isDead ? Listed.dead(owner: owner) : Listed.owner(owner))
    }
    if !command.queue.isEmpty {
      let queue = queueNames.find(step.bytes(command.queue))
      guard queue != .none else { return nil }
      narrow(isDead ? Listed.dead(queue: queue) : Listed.queue(queue))
    }
    return filter ?? NumberSets.Intersection(isDead ? Listed.dead : Listed.all)
  }

  private mutating func listByNumber(
    _ command: Command.List, _ wanted: Wanted, _ page: inout Page, _ step: inout Step
  ) {
    var bound = command.cursor == 0 ? nextNumber : min(command.cursor, nextNumber)
    while true {
      switch last(below: bound, in: wanted.filters, masks: &page.masks) {
      case .none: return
      case .stopped(let at): return page.next = at
      case .number(let number):
        bound = number
        let slot = jobs.find(number)
        guard mayShow(slot, command, wanted, &page, step) else { continue }
        // There is a further one: the next page begins with it.
        if page.isFull(step) { return page.next = number + 1 }
        step.jobs.append(image(slot, &step))
      }
    }
  }

  /// The largest number below `bound` that one of the filters finds. Each may look at as many masks as the others, so that
  /// a search that stops has always come further.
  private func last(
    below bound: UInt64, in filters: [NumberSets.Intersection], masks: inout Int
  ) -> NumberSets.Finding {
    if masks <= 0 { return .stopped(at: bound) }
    if filters.count == 1 { return sets.last(below: bound, in: filters[0], masks: &masks) }
    let share = max(Page.leastMasks, masks / max(1, filters.count))
    var (found, stopped): (UInt64?, UInt64?) = (nil, nil)
    for filter in filters {
      var left = share
      switch sets.last(below: bound, in: filter, masks: &left) {
      case .none: break
      case .number(let number): found = max(found ?? 0, number)
      case .stopped(let at): stopped = max(stopped ?? 0, at)
      }
      masks -= share - left
    }
    if let found, found >= stopped ?? 0 { return .number(found) }
    return stopped.map { .stopped(at: $0) } ?? .none
  }

  /// The cursor is above an order number: it counts also when its job has left.
  private mutating func listDead(
    _ command: Command.List, _ wanted: Wanted, _ page: inout Page, _ step: inout Step
  ) {
    if command.states != 0, command.states & 1 << UInt16(JobState.dead.rawValue) == 0 { return }
    var bound = command.cursor == 0 ? dead.end : deadPlace(below: command.cursor)
    while true {
      switch sets.last(below: bound, in: wanted.filters[0], masks: &page.masks) {
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
        guard mayShow(slot, command, wanted, &page, step) else { continue }
        if page.isFull(step) { return page.next = jobs.hot(slot).pointee.order + 1 }
        step.jobs.append(image(slot, &step))
      }
    }
  }

  /// What the sets do not tell: whether the job is of the group, the viewer is one of some queues, and this is one of them;
  /// type and time.
  private mutating func mayShow(
    _ slot: Slot, _ command: Command.List, _ wanted: Wanted, _ page: inout Page, _ step: borrowing Step
  ) -> Bool {
    page.masks -= 1
    if let group = page.group, groups[jobs.hot(slot).pointee.group].pointee.name != group { return false }
    guard wanted.type == .none || jobs.cold(slot).pointee.type == wanted.type else { return false }
    let time =
      command.isDeadLetters ? existingLeaseCell(slot)?.pointee.endedAt ?? 0 : jobs.cold(slot).pointee.created
    return command.since <= time && time < command.until && mayView(slot, command.viewer, step)
  }
}
