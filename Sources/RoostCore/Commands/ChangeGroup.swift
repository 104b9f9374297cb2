extension Command {
  /// Changes what holds for one group: its settings, or a pause. Neither the queue nor the group need have had a job.
  package struct ChangeGroup: Sendable, BitwiseCopyable {
    package enum Change: Sendable, BitwiseCopyable {
      /// `QueueSettings.bytes` of those that get a value, and a bit for each that returns to what its queue says.
      case settings(ByteRange, cleared: UInt64)
      /// Why, at most 255 bytes; wall time, milliseconds, 0: until it is resumed.
      case pause(reason: ByteRange, until: Int64)
      /// Ends a pause, and a wait that a worker asked for.
      case resume
    }

    package var queue: ByteRange
    package var owner: ByteRange
    /// Empty: the owner's jobs that say no group.
    package var group: ByteRange
    package var change: Change

    package init(queue: ByteRange, owner: ByteRange, group: ByteRange, change: Change) {
      self.queue = queue
      self.owner = owner
      self.group = group
      self.change = change
    }
  }
}

extension Command.ChangeGroup: StateCommand {
  var mostBytes: Int { GroupSet.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let found = state.findGroup(
      queue: state.queueNames.find(step.bytes(queue)), owner: state.ownerNames.find(step.bytes(owner)),
      name: step.bytes(group))
    let record = wanted(found, in: &state, step)
    if let record {
      if case .resume = change {
        if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
      } else if state.conditions.isMemoryLow, found == .none || state.setup(ofGroup: found)?.pointee.isTold != true {
        return step.answer(ticket, .refused(.memoryLow))
      } else if !state.mayChange(queue: queue, ticket, &step) {
        return
      }
      state.tell(record, &step)
    }
    state.readGroup(queue, owner, group, wasTold: record != nil, ticket, &step)
  }

  /// What is to be written; nil where all is as it should be.
  private func wanted(_ found: Slot, in state: inout StateMachine, _ step: borrowing Step) -> GroupSet? {
    var record =
      found == .none
      ? GroupSet(
        queue: step.bytes(queue), owner: state.owner(ofGroupIn: step.bytes(queue), step.bytes(owner)),
        group: step.bytes(group))
      : state.record(ofGroup: found)
    switch change {
    case .settings(let settings, let cleared):
      let new = QueueSettingsChange(step.bytes(settings), cleared: cleared).applied(to: record.settings)
      guard new != record.settings else { return nil }
      if new.rate != record.settings.rate {
        let ofQueue = state.queueNames.find(step.bytes(queue))
        let ofEach = ofQueue == .none ? nil : state.setup(ofQueue)?.pointee.settings
        record.rate = state.fitted(record.rate, to: LeaseRate(new) ?? ofEach.flatMap { LeaseRate(ofEachGroup: $0) })
      }
      record.settings = new
    case .pause(let reason, let until):
      (record.isPaused, record.pausedAt, record.pausedUntil) = (true, state.now.wall, until)
      record.reason = step.bytes(reason)
    case .resume:
      guard record.isPaused || record.heldUntil > 0 else { return nil }
      record.endPause()
      record.heldUntil = 0
    }
    return record
  }
}

extension GroupSet {
  mutating func endPause() {
    (isPaused, pausedAt, pausedUntil) = (false, 0, 0)
    reason = UnsafeRawBufferPointer(start: nil, count: 0)
  }
}
