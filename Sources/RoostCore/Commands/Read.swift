extension Command {
  /// What a job is now.
  package struct Read: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef

    package init(job: JobRef, viewer: ViewerRef) {
      self.job = job
      self.viewer = viewer
    }
  }
}

extension Command.Read: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.read(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func read(_ command: Command.Read, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
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
      deadline: foreseen(slot), attemptEnds: attemptEnd(slot), leasedAt: cell?.leasedAt ?? 0,
      endedAt: state.isFinished ? cell?.endedAt ?? 0 : 0,
      worker: cell.map { step.copy(workerNames.bytes($0.worker)) } ?? .empty,
      base: LogPosition(rawValue: row.pointee.base), recordBytes: jobs.cold(slot).pointee.recordBytes,
      history: LogPosition(rawValue: cell?.history ?? 0), historyBytes: cell?.historyBytes ?? 0,
      report: LogPosition(rawValue: cell?.report ?? 0), reportBytes: UInt32(cell?.reportBytes ?? 0),
      queue: queueOfMoved(slot), order: row.pointee.order, expires: expiry(slot),
      expiries: cell?.expiries ?? 0, interruptions: cell?.interruptions ?? 0,
      maxExpiries: policy(jobs.cold(slot).pointee.policy).maxExpiries)
  }
}
