extension Command {
  /// A job that waits is CANCELLED; the worker of one that runs is asked to stop.
  package struct Cancel: Sendable, BitwiseCopyable {
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

extension Command.Cancel: StateCommand {
  var mostBytes: Int { Int(reason.count) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.cancel(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func cancel(_ command: Command.Cancel, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    // What is left of the reserve belongs to the jobs that are running.
    if conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let row = jobs.hot(slot)
    switch JobState(rawValue: row.pointee.state)! {
    case .acked, .dead: return step.answer(ticket, .refused(.jobFinished))
    case .cancelled: break
    case .running:
      if row.pointee.flags & RowFlags.cancelRequested == 0 {
        end(slot, .cancelRequested, .running, text: command.reason, command.checksum, &step)
      }
    case .ready, .scheduled, .retry, .blocked:
      end(slot, .cancelled, .cancelled, text: command.reason, command.checksum, &step)
    }
    step.answer(ticket, changed(slot))
  }
}
