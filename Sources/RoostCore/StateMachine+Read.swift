/// Looking without changing.
extension StateMachine {
  mutating func read(_ job: JobRef, _ viewer: ViewerRef, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    step.answer(ticket, .job(image(slot, &step)))
  }

  func image(_ slot: Slot, _ step: inout Step) -> JobImage {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    let cell = existingLeaseCell(slot)?.pointee
    return JobImage(
      id: id(slot), state: state, priority: row.pointee.priority, attempts: row.pointee.attempts,
      maxAttempts: row.pointee.maxAttempts, cancelRequested: row.pointee.flags & RowFlags.cancelRequested != 0,
      deadline: foreseen(slot), leasedAt: cell?.leasedAt ?? 0,
      endedAt: state.isFinished ? cell?.endedAt ?? 0 : 0,
      worker: cell.map { step.copy(workerNames.bytes($0.worker)) } ?? .empty,
      base: LogPosition(rawValue: row.pointee.base), recordBytes: jobs.cold(slot).pointee.recordBytes,
      history: LogPosition(rawValue: cell?.history ?? 0), historyBytes: cell?.historyBytes ?? 0,
      report: LogPosition(rawValue: cell?.report ?? 0), reportBytes: cell?.reportBytes ?? 0)
  }

  /// A slice of a list, newest first: all jobs by number, or dead letters by the order of dying.
  mutating func handle(_ command: Command.List, _ ticket: UInt64, _ step: inout Step) {
    var page = Page(
      first: step.jobs.count, limit: Int(command.limit), masks: max(Page.leastMasks, Int(command.examine)))
    let filter = filter(of: command, step)
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

  /// What the sets do not tell: whether the viewer is one of some queues, and this is one of them.
  private mutating func mayShow(
    _ slot: Slot, _ command: Command.List, _ page: inout Page, _ step: borrowing Step
  ) -> Bool {
    page.masks -= 1
    return mayView(slot, command.viewer, step)
  }

  /// What a queue holds; no queue in the answer when there is none. O(levels of priority).
  mutating func readQueue(_ name: ByteRange, _ ticket: UInt64, _ step: inout Step) {
    let first = Int32(step.queues.count)
    let queue = queueNames.find(step.bytes(name))
    if queue != .none, queues[Int(queue)].exists {
      var image = image(ofQueue: queue)
      image.pauseReason = step.copy(pauseReason(queue))
      step.queues.append(image)
    }
    step.answer(ticket, .queues(first: first, count: Int32(step.queues.count) - first))
  }

  private func image(ofQueue queue: UInt32) -> QueueImage {
    let row = queues[Int(queue)]
    let setup = setup(queue)?.pointee
    return QueueImage(
      id: queue, life: row.life, exists: row.exists, counts: row.counts, totals: row.totals, activity: row.activity,
      readySince: readySince(queue), waitingBytes: row.waitingBytes, settings: setup?.settings ?? QueueSettings(),
      hold: hold(queue), isPaused: setup?.isPaused ?? false, pausedAt: setup?.pausedAt ?? 0,
      pausedUntil: setup?.pausedUntil ?? 0, pauseReason: .empty)
  }

  /// Why a queue is paused, as whoever paused it said; empty while it is not.
  private func pauseReason(_ queue: UInt32) -> UnsafeRawBufferPointer {
    guard let setup = setup(queue), setup.pointee.isPaused else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return reasons.bytes(setup.pointee.reason)
  }

  // MARK: Telling what changed

  mutating func noteChange(_ queue: UInt32) {
    guard !queues[Int(queue)].hasChanged else { return }
    queues[Int(queue)].hasChanged = true
    changedQueues.append(queue)
  }

  /// Tells of every queue of which something changed since this was asked last: a copy kept by these is what the queues
  /// are, and costs no more than the changes did. Its name comes with each.
  package mutating func tellChanges(
    _ tell: (QueueImage, _ name: UnsafeRawBufferPointer, _ pauseReason: UnsafeRawBufferPointer) -> Void
  ) {
    for queue in changedQueues {
      queues[Int(queue)].hasChanged = false
      let image = image(ofQueue: queue)
      let name = image.exists ? queueNames.bytes(queue) : UnsafeRawBufferPointer(start: nil, count: 0)
      tell(image, name, pauseReason(queue))
    }
    changedQueues.removeAll(keepingCapacity: true)
  }

  package var hasQueueChanges: Bool { !changedQueues.isEmpty }
}
