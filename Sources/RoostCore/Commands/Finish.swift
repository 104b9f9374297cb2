extension Command {
  /// The end of an attempt, as its worker tells it.
  package struct Finish: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var lease: LeaseID
    /// False for a plain acknowledgement, which counts under the same API key.
    package var hasLease: Bool
    package var keyID: ByteRange
    package var outcome: Outcome
    /// Failure: may it be tried again?
    package var isRetryable: Bool
    /// Failure: milliseconds until the retry, −1: by policy. Release: milliseconds until it is due, 0: at once.
    package var delayMilliseconds: Int64
    /// The job's group gives no job for so many milliseconds; 0: it goes on.
    package var holdGroupMilliseconds: Int64 = 0
    /// The result or the error.
    package var text: ByteRange
    /// CRC32C of `text`.
    package var textChecksum: UInt32

    package init(job: JobRef, viewer: ViewerRef, lease: LeaseID?, keyID: ByteRange, outcome: Outcome) {
      self.job = job
      self.viewer = viewer
      self.lease = lease ?? LeaseID(epoch: 0, number: 0)
      hasLease = lease != nil
      self.keyID = keyID
      self.outcome = outcome
      isRetryable = true
      delayMilliseconds = outcome == .failed ? -1 : 0
      text = .empty
      textChecksum = 0
    }
  }
}

extension Command.Finish: StateCommand {
  var mostBytes: Int {
    Int(text.count) + 2_304 + Moved.mostBytes
      + (holdGroupMilliseconds > 0 ? GroupSet.mostBytes : 0)
  }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.finish(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func finish(_ command: Command.Finish, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return answerLate(command, ticket, &step) }
    if let refusal = whyNotHeld(slot, command, step) { return answerLate(command, slot, refusal, ticket, &step) }
    if Int(command.text.count) > limits.smallResultBytes {
      // A long record may leave as much of a segment unused as it takes of the next.
      let cost = 2 * Int(command.text.count)
      guard cost <= conditions.largeResultBytes else { return step.answer(ticket, .refused(.diskLow)) }
      conditions.largeResultBytes -= cost
    }
    // It is no part of what the reserve is kept for. First: the job may leave its group.
    if command.holdGroupMilliseconds > 0, conditions.diskLevel == 0 {
      hold(group: jobs.hot(slot).pointee.group, command, &step)
    }
    if jobs.hot(slot).pointee.flags & RowFlags.pushed != 0 {
      let isFailure = command.outcome == .failed && command.isRetryable
      if isFailure || command.outcome.isToldByWorker && command.outcome != .released {
        noteDelivery(slot, answered: !isFailure)
      }
    }
    switch command.outcome {
    case .acked: end(slot, .acked, .acked, text: command.text, command.textChecksum, &step)
    case .failed: fail(slot, command, &step)
    case .released, .undelivered: release(slot, command, &step)
    case .expired, .timedOut, .cancelled, .cancelRequested, .tooLate, .buried:
      preconditionFailure("a worker cannot end an attempt this way")
    }
    hasJustFinished = true
    step.answer(ticket, changed(slot))
  }

  /// Nil when the job is RUNNING in the hands of whoever sent the command.
  private mutating func whyNotHeld(
    _ slot: Slot, _ command: Command.Finish, _ step: borrowing Step
  ) -> Refusal? {
    let isRunning = jobs.hot(slot).pointee.state == JobState.running.rawValue
    if command.hasLease {
      guard isRunning, let cell = existingLeaseCell(slot),
        cell.pointee.id == command.lease || defects.contains(.noTokenCheck)
      else { return .leaseLost }
      return nil
    }
    if limits.requiresLeaseID { return .leaseRequired }
    guard isRunning, let cell = existingLeaseCell(slot) else { return .notRunning }
    return keyNames.find(step.bytes(command.keyID)) == cell.pointee.keyID ? nil : .leaseLost
  }

  private mutating func fail(_ slot: Slot, _ command: Command.Finish, _ step: inout Step) {
    let row = jobs.hot(slot)
    if row.pointee.flags & RowFlags.cancelRequested != 0 {
      return end(slot, .failed, .cancelled, text: command.text, command.textChecksum, &step)
    }
    guard command.isRetryable, row.pointee.attempts < row.pointee.maxAttempts else {
      return endFailed(slot, .failed, .dead, text: command.text, command.textChecksum, &step)
    }
    let pause = command.delayMilliseconds >= 0 ? command.delayMilliseconds : nextPause(slot)
    endFailed(slot, .failed, .retry, text: command.text, command.textChecksum, pause: pause, &step)
  }

  /// A longer wait is not shortened.
  private mutating func hold(group: Slot, _ command: Command.Finish, _ step: inout Step) {
    var record = record(ofGroup: group)
    record.heldUntil = max(record.heldUntil, now.log + command.holdGroupMilliseconds.nanoseconds)
    tell(record, &step)
  }

  private mutating func release(_ slot: Slot, _ command: Command.Finish, _ step: inout Step) {
    let isCancelled = jobs.hot(slot).pointee.flags & RowFlags.cancelRequested != 0
    let next: JobState = isCancelled ? .cancelled : command.delayMilliseconds > 0 ? .scheduled : .ready
    end(slot, command.outcome, next, text: command.text, command.textChecksum, pause: command.delayMilliseconds, &step)
  }
}
