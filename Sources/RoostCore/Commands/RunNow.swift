extension Command {
  /// A job that waits becomes READY at once; one that is DEAD or CANCELLED begins anew.
  package struct RunNow: Sendable, BitwiseCopyable {
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

extension Command.RunNow: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.runNow(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func runNow(_ command: Command.RunNow, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    switch JobState(rawValue: jobs.hot(slot).pointee.state)! {
    case .dead where rival(of: slot) != .none, .cancelled where !command.onlyDead && rival(of: slot) != .none:
      return step.answer(ticket, .notUnique(id(ofUnique: rival(of: slot))))
    case .dead: ready(slot, isReplay: true, &step)
    case .cancelled where !command.onlyDead: ready(slot, isReplay: true, &step)
    case .scheduled where !command.onlyDead, .retry where !command.onlyDead: ready(slot, isReplay: false, &step)
    case .scheduled, .retry, .cancelled, .ready, .running, .acked, .blocked:
      return step.answer(ticket, .refused(.wrongState))
    }
    step.answer(ticket, changed(slot))
  }
}
