extension Command {
  /// A job that waits is put among the dead letters by hand.
  package struct Bury: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var reason: ByteRange
    /// CRC32C of `reason`.
    package var checksum: UInt32

    package init(job: JobRef, viewer: ViewerRef, reason: ByteRange, checksum: UInt32) {
      self.job = job
      self.viewer = viewer
      self.reason = reason
      self.checksum = checksum
    }
  }
}

extension Command.Bury: StateCommand {
  var mostBytes: Int { Int(reason.count) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    // What is left of the reserve belongs to the jobs that are running.
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    guard JobState(rawValue: state.jobs.hot(slot).pointee.state)!.isWaiting else {
      return step.answer(ticket, .refused(.wrongState))
    }
    state.end(slot, .buried, .dead, text: reason, checksum, &step)
    step.answer(ticket, state.changed(slot))
  }
}
