extension Command {
  /// A job that waits for others runs although one of them was not ACKED: all of them have ended, and it is held.
  package struct Unblock: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef

    package init(job: JobRef, viewer: ViewerRef) {
      self.job = job
      self.viewer = viewer
    }
  }
}

extension Command.Unblock: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.unblock(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func unblock(_ command: Command.Unblock, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    guard isHeld(slot) else { return step.answer(ticket, .refused(.wrongState)) }
    if conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    unblock(slot, &step)
    step.answer(ticket, changed(slot))
  }

  /// Whether a job is BLOCKED although all that it waits for has ended.
  func isHeld(_ slot: Slot) -> Bool {
    guard jobs.hot(slot).pointee.state == JobState.blocked.rawValue else { return false }
    var isHeld = true
    graph.forEachEdge(of: slot) { _, edge in
      let job = graph.nodes.pointer(edge.node).pointee.job
      isHeld = job == .none || JobState(rawValue: jobs.hot(job).pointee.state)!.isFinished
      return isHeld
    }
    return isHeld
  }
}
