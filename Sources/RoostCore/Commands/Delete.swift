extension Command {
  /// Removes a job that has ended, as its retention would in time.
  package struct Delete: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var onlyDead: Bool

    package init(job: JobRef, viewer: ViewerRef, onlyDead: Bool) {
      self.job = job
      self.viewer = viewer
      self.onlyDead = onlyDead
    }
  }
}

extension Command.Delete: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.delete(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func delete(_ command: Command.Delete, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    // What is left of the reserve belongs to the jobs that are running.
    if conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    let mayGo =
      (command.onlyDead ? state == .dead : state.isFinished) || state == .retry && defects.contains(.deletesWaiting)
    guard mayGo else { return step.answer(ticket, .refused(.wrongState)) }
    if isKept(slot) { return step.answer(ticket, .refused(.hasDependents)) }
    purge(slot, &step)
    step.answer(ticket, .changed(state: state, deadline: 0, cancelRequested: false))
  }
}
