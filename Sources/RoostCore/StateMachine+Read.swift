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
    let first = Int32(step.jobs.count)
    var page = Page(limit: Int(command.limit), examine: Int(command.examine))
    var queue: UInt32?
    if !command.queue.isEmpty {
      let found = queueNames.find(step.bytes(command.queue))
      guard found != .none else { return step.answer(ticket, .page(first: first, count: 0, next: 0, isFull: false)) }
      queue = found
    }
    if command.isDeadLetters {
      listDead(command, queue, &page, &step)
    } else {
      listByNumber(command, queue, &page, &step)
    }
    step.answer(
      ticket, .page(first: first, count: Int32(page.taken), next: page.next, isFull: page.taken == page.limit))
  }

  private struct Page {
    let limit: Int
    var examine: Int
    var taken = 0
    /// 0: the list is at its end.
    var next: UInt64 = 0

    init(limit: Int, examine: Int) {
      self.limit = limit
      self.examine = examine
    }

    var isOver: Bool { taken >= limit || examine <= 0 }
  }

  private mutating func listByNumber(
    _ command: Command.List, _ queue: UInt32?, _ page: inout Page, _ step: inout Step
  ) {
    var number = command.cursor == 0 ? nextNumber : min(command.cursor, nextNumber)
    while number > 1 {
      if page.isOver {
        page.next = number
        return
      }
      number -= 1
      page.examine -= 1
      let slot = jobs.find(number)
      if slot != .none { take(slot, command, queue, &page, &step) }
    }
  }

  /// The cursor is an order number. Where its job has left the list, the walk starts at the newest again and
  /// passes over what was shown.
  private mutating func listDead(_ command: Command.List, _ queue: UInt32?, _ page: inout Page, _ step: inout Step) {
    var slot = dead.tail
    while slot != .none {
      let row = jobs.hot(slot)
      if command.cursor == 0 || row.pointee.order < command.cursor {
        if page.isOver {
          page.next = row.pointee.order + 1
          return
        }
        page.examine -= 1
        take(slot, command, queue, &page, &step)
      }
      slot = row.pointee.previous
    }
  }

  private mutating func take(
    _ slot: Slot, _ command: Command.List, _ queue: UInt32?, _ page: inout Page, _ step: inout Step
  ) {
    let row = jobs.hot(slot)
    guard queue == nil || row.pointee.queue == queue, command.state == 0 || row.pointee.state == command.state,
      mayView(slot, command.viewer, step)
    else { return }
    step.jobs.append(image(slot, &step))
    page.taken += 1
  }

  /// Every queue that the viewer may know of.
  mutating func listQueues(_ viewer: ViewerRef, _ ticket: UInt64, _ step: inout Step) {
    let first = Int32(step.queues.count)
    for id in queues.indices where queues[id].exists {
      let name = queueNames.bytes(UInt32(id))
      if viewer.kind == .queues, !matchesAny(name, step.bytes(viewer.text)) { continue }
      step.queues.append(
        QueueImage(
          name: step.copy(name), counts: queues[id].counts, totals: queues[id].totals,
          activity: queues[id].activity, oldestReady: oldestReady(UInt32(id))))
    }
    step.answer(ticket, .queues(first: first, count: Int32(step.queues.count) - first))
  }
}
