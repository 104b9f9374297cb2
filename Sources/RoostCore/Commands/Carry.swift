extension Command {
  /// A job's bytes, read ahead, to be written again at the end of the log.
  package struct Carry: Sendable, BitwiseCopyable {
    package var number: UInt64
    /// What the row must still say when the copy is written; otherwise the copy is stale.
    package var base: LogPosition
    package var outcome: LogPosition
    package var body: ByteRange
    /// `HistoryEntry` after `HistoryEntry`, newest first.
    package var history: ByteRange
    /// `KeyFields`, empty where there are none.
    package var keyFields = ByteRange.empty
    /// `DependencyList`, empty where there is none.
    package var dependencies = ByteRange.empty
    /// Where the worker's last report stood when the bytes were read, and what it said.
    package var reportedAt = LogPosition.none
    package var progress = ByteRange.empty
    /// Sealed.
    package var progressChecksum: UInt32 = 0

    package init(number: UInt64, base: LogPosition, outcome: LogPosition, body: ByteRange, history: ByteRange) {
      self.number = number
      self.base = base
      self.outcome = outcome
      self.body = body
      self.history = history
    }
  }
}

extension Command.Carry: StateCommand {
  var mostBytes: Int { Int(body.count) + Int(history.count) + Int(progress.count) + Int(dependencies.count) + 1_024 }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.carry(self, ticket, &step)
  }
}

extension StateMachine {
  /// Writes a job again, with its row as it is now and bytes that were read ahead. Answers false when the job has
  /// changed since: the bytes are stale.
  fileprivate mutating func carry(_ command: Command.Carry, _ ticket: UInt64, _ step: inout Step) {
    let slot = jobs.find(command.number)
    // A purged job may have left a stub with the same base: the record is looked at again.
    guard slot != .none else { return step.answer(ticket, .carried(false)) }
    guard jobs.hot(slot).pointee.base == command.base.rawValue else { return step.answer(ticket, .carried(true)) }
    let cell = existingLeaseCell(slot)?.pointee
    let isFresh =
      cell?.history ?? 0 == command.outcome.rawValue && cell?.report ?? 0 == command.reportedAt.rawValue
    guard isFresh || defects.contains(.staleCarry) else {
      return step.answer(ticket, .carried(false))
    }
    let event = copy(of: slot, command, step)
    let place = event.encode(into: &step.records)
    Carried.apply(to: slot, at: place, in: &self)
    if !command.progress.isEmpty { report(slot, step.bytes(command.progress), command.progressChecksum, &step) }
    step.answer(ticket, .carried(true))
  }

  /// Writes a waiting job again with another body. Returns false when the job has changed since it was read.
  mutating func rewrite(_ slot: Slot, _ command: Command.Carry, _ step: inout Step) -> Bool {
    guard jobs.hot(slot).pointee.base == command.base.rawValue,
      existingLeaseCell(slot)?.pointee.history ?? 0 == command.outcome.rawValue
    else { return false }
    var event = copy(of: slot, command, step)
    event.isRewritten = true
    let place = event.encode(into: &step.records)
    let group = JobBodyLayout(event.body)!.group
    if !nameOfGroup(jobs.hot(slot).pointee.group).elementsEqual(group) { regroup(slot, group) }
    Carried.apply(to: slot, at: place, in: &self)
    return true
  }

  /// A job stands in another group of its queue, in its state and at its place.
  private mutating func regroup(_ slot: Slot, _ name: UnsafeRawBufferPointer) {
    let row = jobs.hot(slot)
    let (old, foreseen, state) = (row.pointee.group, row.pointee.foreseen, JobState(rawValue: row.pointee.state)!)
    // Copied: making a group may move what is looked at.
    let origin = [UInt8](originOfGroup(old))
    leave(slot)
    row.pointee.group = origin.withUnsafeBytes {
      groupForJob(queue: groups[old].pointee.queue, owner: jobs.cold(slot).pointee.owner, name: name, origin: $0)
    }
    lostJob(ofGroup: old)
    if state.hasDeadline { row.pointee.foreseen = foreseen }
    enter(slot, state)
  }

  /// A job as it is now, with bytes that were read ahead.
  private func copy(of slot: Slot, _ command: Command.Carry, _ step: borrowing Step) -> Carried {
    let cold = jobs.cold(slot)
    let cell = existingLeaseCell(slot)?.pointee
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    var event = Carried(
      row: jobs.hot(slot).pointee, cold: cold.pointee, policy: policy(cold.pointee.policy),
      key: keyEntry(of: slot) == .none ? nil : keys.entry(keyEntry(of: slot)).pointee, unique: uniqueState(of: slot),
      lease: cell,
      worker: cell.map { workerNames.bytes($0.worker) } ?? none, keyID: cell.map { keyNames.bytes($0.keyID) } ?? none,
      keyFields: step.bytes(command.keyFields), body: step.bytes(command.body),
      queue: jobs.hot(slot).pointee.flags & RowFlags.moved == 0 ? none : queueNames.bytes(queue(of: slot)),
      dependencies: step.bytes(command.dependencies), history: step.bytes(command.history))
    if !defects.isEmpty { spoil(&event) }
    return event
  }

  private func spoil(_ event: inout Carried) {
    if defects.contains(.orderLostInCarry) { event.order = nextOrder }
    if defects.contains(.queueLostInCarry) {
      event.queue = UnsafeRawBufferPointer(start: nil, count: 0)
      event.flags &= ~RowFlags.moved
    }
    if defects.contains(.timeLostInCarry) { event.foreseen = 0 }
    if defects.contains(.dependenciesLostInCarry), event.state != .blocked {
      event.dependencies = UnsafeRawBufferPointer(start: nil, count: 0)
    }
    if defects.contains(.keyLostInCarry) { event.hasKey = false }
    if defects.contains(.countersLostInCarry) { (event.lease.expiries, event.lease.interruptions) = (0, 0) }
    if defects.contains(.uniqueLostInCarry) { event.unique?.holds = false }
    if defects.contains(.ruleLostInCarry) { event.keyFields = UnsafeRawBufferPointer(start: nil, count: 0) }
    if defects.contains(.historyLostInCarry) { event.history = UnsafeRawBufferPointer(start: nil, count: 0) }
  }
}
