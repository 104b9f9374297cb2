extension Command {
  /// Says something else of a job that waits.
  package struct Change: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    /// Nil: as it is.
    package var priority: Int8?
    /// Nil: as they are. Those that are spent stay spent: one attempt is left at least.
    package var maxRetries: UInt16?
    package var due: Due?
    /// Where it goes; empty: it stays in its queue.
    package var queue: ByteRange
    /// What it carries from here on, read ahead with what it carried.
    package var rewrite: Carry?
    /// Of a new payload, as limits count it; 0: it stays.
    package var payloadBytes: UInt32 = 0

    /// When a job is to be due.
    package enum Due: Sendable, BitwiseCopyable {
      /// Milliseconds from now; 0: at once.
      case delay(Int64)
      /// Wall time, milliseconds.
      case runAt(Int64)
    }

    package init(job: JobRef, viewer: ViewerRef, queue: ByteRange = .empty) {
      self.job = job
      self.viewer = viewer
      self.queue = queue
    }
  }
}

extension Command.Change: StateCommand {
  var mostBytes: Int { 1_024 + Moved.mostBytes + Int(UInt8.max) + (rewrite?.mostBytes ?? 0) }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.change(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func change(_ command: Command.Change, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    guard JobState(rawValue: jobs.hot(slot).pointee.state)!.isWaiting else {
      return step.answer(ticket, .refused(.wrongState))
    }
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    let name = step.bytes(command.queue)
    let isMove = !name.isEmpty && queueNames.find(name) != queue(of: slot)
    if let refusal = whyNotChanged(slot, command, isMove ? name : nil, &step) {
      return step.answer(ticket, .refused(refusal))
    }
    if let rewrite = command.rewrite, !self.rewrite(slot, rewrite, &step) {
      return step.answer(ticket, .carried(false))
    }
    let old = jobs.hot(slot).pointee
    var row = old
    if let priority = command.priority { row.priority = priority }
    if let retries = command.maxRetries { row.maxAttempts = max(retries + 1, row.attempts + 1) }
    if let due = command.due { set(due, &row) }
    let event = Changed(row: row)
    if event != Changed(row: old) {
      if !defects.contains(.changeNotLogged) { event.encode(into: &step.records) }
      event.apply(to: slot, in: &self)
    }
    if isMove { move(slot, to: name, beginsAnew: false, &step) }
    step.answer(ticket, changed(slot))
  }

  /// - Parameter queue: Where it is to go, if it is.
  private mutating func whyNotChanged(
    _ slot: Slot, _ command: Command.Change, _ queue: UnsafeRawBufferPointer?, _ step: inout Step
  ) -> Refusal? {
    let target = queue.map { queueNames.find($0) } ?? self.queue(of: slot)
    let isOrdered = target != .none && setup(target)?.pointee.settings[.groupOrdered] != nil
    let priority = command.priority ?? (queue == nil ? 0 : jobs.hot(slot).pointee.priority)
    if isOrdered, priority != 0 { return .priorityInOrder }
    if isOrdered, queue != nil, !originOfGroup(jobs.hot(slot).pointee.group).isEmpty { return .callbackInOrder }
    if command.payloadBytes > 0, target != .none, let most = setup(target)?.pointee.settings[.maxPayloadBytes],
      Int64(command.payloadBytes) > most
    {
      return .payloadTooLarge
    }
    guard let queue else { return nil }
    return whyNotTaken(by: queue, &step)
  }

  private func set(_ due: Command.Change.Due, _ row: inout HotRow) {
    let wasReady = row.state == JobState.ready.rawValue
    row.flags &= ~RowFlags.wall
    guard row.state != JobState.blocked.rawValue else {
      // A delay begins when it is unblocked.
      switch due {
      case .delay(let milliseconds): row.deadline = milliseconds.nanoseconds
      case .runAt(let time):
        row.flags |= RowFlags.wall
        row.deadline = time.nanoseconds
      }
      return
    }
    switch due {
    case .delay(let milliseconds) where milliseconds > 0:
      row.state = JobState.scheduled.rawValue
      row.deadline = now.log + milliseconds.nanoseconds
      row.foreseen = now.wall + milliseconds
    case .runAt(let time) where time > now.dueWall:
      row.state = JobState.scheduled.rawValue
      row.flags |= RowFlags.wall
      row.deadline = time.nanoseconds
      row.foreseen = time
    case .delay, .runAt:
      row.state = JobState.ready.rawValue
      if !wasReady { row.order = nextOrder }
    }
  }
}
