/// Compaction, seen from the core: which records of the oldest segment still live, and writing them again.
extension StateMachine {
  /// What a record of the oldest segment needs before the segment may go.
  package enum CarryNeed: Equatable, BitwiseCopyable {
    /// Nothing: it is superseded, or was not an entity's base.
    case none
    /// The job, with what stands elsewhere besides the record itself.
    case job(Job)
    /// The stub of an idempotency key.
    case stub(KeyHash)

    /// Where the rest of a job stands; no position: there is none.
    package struct Job: Equatable, BitwiseCopyable {
      package var number: UInt64
      package var history: LogPosition
      package var historyBytes: UInt32
      /// What its worker last said of its progress.
      package var report: LogPosition
      package var reportBytes: UInt32
    }
  }

  /// Looks at a record of the log.
  package func carryNeed(_ record: UnsafeRawBufferPointer, at position: LogPosition) -> CarryNeed {
    guard let entity = StoredRecord.entity(of: record) else { return .none }
    let slot = jobs.find(entity.number)
    if slot != .none {
      guard jobs.hot(slot).pointee.base == position.rawValue else { return .none }
      let cell = existingLeaseCell(slot)?.pointee
      return .job(
        CarryNeed.Job(
          number: entity.number, history: LogPosition(rawValue: cell?.history ?? 0),
          historyBytes: cell?.historyBytes ?? 0,
          report: LogPosition(rawValue: cell?.report ?? 0), reportBytes: cell?.reportBytes ?? 0))
    }
    guard let key = entity.key?.hash else { return .none }
    let entry = keys.find(key)
    guard entry != .none, keys.entry(entry).pointee.isStub,
      stubs.pointer(keys.entry(entry).pointee.target).pointee.base == position.rawValue
    else { return .none }
    return defects.contains(.stubNotCarried) ? .none : .stub(key)
  }

  /// Writes a job again, with its row as it is now and bytes that were read ahead. Answers false when the job has
  /// changed since: the bytes are stale.
  mutating func handle(_ command: Command.Carry, _ ticket: UInt64, _ step: inout Step) {
    let slot = jobs.find(command.number)
    // A purged job may have left a stub with the same base: the record is looked at again.
    guard slot != .none else { return step.answer(ticket, .carried(false)) }
    guard jobs.hot(slot).pointee.base == command.base.rawValue else { return step.answer(ticket, .carried(true)) }
    let cold = jobs.cold(slot)
    let cell = existingLeaseCell(slot)?.pointee
    let isFresh =
      cell?.history ?? 0 == command.outcome.rawValue && cell?.report ?? 0 == command.reportedAt.rawValue
    guard isFresh || defects.contains(.staleCarry) else {
      return step.answer(ticket, .carried(false))
    }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    var event = Carried(
      row: jobs.hot(slot).pointee, cold: cold.pointee, policy: policy(cold.pointee.policy),
      key: cold.pointee.key == .none ? nil : keys.entry(cold.pointee.key).pointee, lease: cell,
      worker: cell.map { workerNames.bytes($0.worker) } ?? none, keyID: cell.map { keyNames.bytes($0.keyID) } ?? none,
      keyFields: step.bytes(command.keyFields), body: step.bytes(command.body), history: step.bytes(command.history))
    if !defects.isEmpty { spoil(&event) }
    let place = event.encode(into: &step.records)
    Carried.apply(to: slot, at: place, in: &self)
    if !command.progress.isEmpty { report(slot, step.bytes(command.progress), command.progressChecksum, &step) }
    step.answer(ticket, .carried(true))
  }

  private func spoil(_ event: inout Carried) {
    if defects.contains(.orderLostInCarry) { event.order = nextOrder }
    if defects.contains(.timeLostInCarry) { event.foreseen = 0 }
    if defects.contains(.keyLostInCarry) { event.hasKey = false }
    if defects.contains(.ruleLostInCarry) { event.keyFields = UnsafeRawBufferPointer(start: nil, count: 0) }
    if defects.contains(.historyLostInCarry) { event.history = UnsafeRawBufferPointer(start: nil, count: 0) }
  }

  mutating func carryStub(
    _ hash: KeyHash, _ base: LogPosition, _ fields: ByteRange, _ ticket: UInt64, _ step: inout Step
  ) {
    let entry = keys.find(hash)
    guard entry != .none, keys.entry(entry).pointee.isStub else { return step.answer(ticket, .carried(true)) }
    let stub = stubs.pointer(keys.entry(entry).pointee.target)
    guard stub.pointee.base == base.rawValue else { return step.answer(ticket, .carried(true)) }
    let event = CarriedStub(
      hash: hash, fingerprint: keys.entry(entry).pointee.fingerprint, stub: stub.pointee, keyFields: step.bytes(fields))
    stub.pointee.base = event.encode(into: &step.records).position.rawValue
    step.answer(ticket, .carried(true))
  }

  /// Bytes of the log that a trim would have to keep: records of jobs, and about what stubs and queues take.
  package var keptBytes: Int { liveBytes + stubs.count * 96 + existingQueues * 96 }

  /// Queues that one command carries: few enough for a small segment.
  private static let queuesPerCarry = 32
  /// The bytes that a `carryQueues` writes at most.
  static let queueCarryBytes = queuesPerCarry * 320
  /// What carries all queues, piece by piece; never empty.
  package var queueCarries: [Command] {
    stride(from: 0, to: max(1, queues.count), by: Self.queuesPerCarry).map { .carryQueues(first: UInt32($0)) }
  }

  /// Writes queues with their totals: the last of each trim, so that skipped events precede them.
  mutating func carryQueues(from first: UInt32, _ ticket: UInt64, _ step: inout Step) {
    let piece = (Int(first)..<Int(first) + Self.queuesPerCarry).clamped(to: queues.indices)
    for id in piece where queues[id].exists && !defects.contains(.totalsNotCarried) {
      CarriedQueue(
        totals: queues[id].totals, idleSince: defects.contains(.idleTimeNotCarried) ? now.log : queues[id].idleSince,
        name: queueNames.bytes(UInt32(id))
      ).encode(into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}
