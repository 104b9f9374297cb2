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
    var reader = RecordReader(record)
    switch RecordKind(rawValue: reader.get()) {
    case .submitted:
      guard let event = SubmittedEvent(&reader) else { return .none }
      return need(number: event.number, key: event.hasKey ? event.keyHash : nil, at: position)
    case .carried:
      guard let event = CarriedEvent(&reader) else { return .none }
      return need(number: event.number, key: event.hasKey ? event.keyHash : nil, at: position)
    case .carriedStub:
      let event = CarriedStubEvent(&reader)
      return need(number: event.stub.number, key: event.hash, at: position)
    default: return .none
    }
  }

  private func need(number: UInt64, key: KeyHash?, at position: LogPosition) -> CarryNeed {
    let slot = jobs.find(number)
    if slot != .none {
      guard jobs.hot(slot).pointee.base == position.rawValue else { return .none }
      let cell = existingLeaseCell(slot)?.pointee
      return .job(
        CarryNeed.Job(
          number: number, history: LogPosition(rawValue: cell?.history ?? 0), historyBytes: cell?.historyBytes ?? 0,
          report: LogPosition(rawValue: cell?.report ?? 0), reportBytes: cell?.reportBytes ?? 0))
    }
    guard let key else { return .none }
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
    var event = CarriedEvent(
      row: jobs.hot(slot).pointee, cold: cold.pointee, policy: policy(cold.pointee.policy),
      key: cold.pointee.key == .none ? nil : keys.entry(cold.pointee.key).pointee, lease: cell,
      worker: cell.map { workerNames.bytes($0.worker) } ?? none, keyID: cell.map { keyNames.bytes($0.keyID) } ?? none,
      keyFields: step.bytes(command.keyFields), body: step.bytes(command.body), history: step.bytes(command.history))
    if !defects.isEmpty { spoil(&event) }
    let (position, bytes) = event.encode(into: &step.records)
    applyCarried(slot, at: position, bytes: bytes)
    if !command.progress.isEmpty { report(slot, step.bytes(command.progress), command.progressChecksum, &step) }
    step.answer(ticket, .carried(true))
  }

  private func spoil(_ event: inout CarriedEvent) {
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
    let event = CarriedStubEvent(
      hash: hash, fingerprint: keys.entry(entry).pointee.fingerprint, stub: stub.pointee, keyFields: step.bytes(fields))
    stub.pointee.base = event.encode(into: &step.records).rawValue
    step.answer(ticket, .carried(true))
  }

  /// Bytes of the log that a trim would have to keep: records of jobs, and about what stubs and queues take.
  package var keptBytes: Int { liveBytes + stubs.count * 96 + existingQueues * 96 + setups.count * 256 }

  /// Queues that one command carries: few enough for a small segment.
  private static let queuesPerCarry = 8
  /// The bytes that a `carryQueues` writes at most.
  static let queueCarryBytes = queuesPerCarry * (320 + QueueConfiguredEvent.mostBytes + QueuePausedEvent.mostBytes)
  /// What carries all queues, piece by piece; never empty.
  package var queueCarries: [Command] {
    stride(from: 0, to: max(1, queues.count), by: Self.queuesPerCarry).map { .carryQueues(first: UInt32($0)) }
  }

  /// Writes queues with their totals: the last of each trim, so that skipped events precede them.
  mutating func carryQueues(from first: UInt32, _ ticket: UInt64, _ step: inout Step) {
    let piece = (Int(first)..<Int(first) + Self.queuesPerCarry).clamped(to: queues.indices)
    for id in piece where queues[id].exists && !defects.contains(.totalsNotCarried) {
      CarriedQueueEvent(
        totals: queues[id].totals, idleSince: defects.contains(.idleTimeNotCarried) ? now.log : queues[id].idleSince,
        name: queueNames.bytes(UInt32(id))
      ).encode(into: &step.records)
      carrySetup(UInt32(id), &step)
    }
    step.answer(ticket, .carried(true))
  }
}

/// The bytes of a record that readers and the compactor want.
package enum StoredRecord {
  /// The body of a `submitted` or `carried` record; nil when it is neither.
  package static func body(_ record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var reader = RecordReader(record)
    switch RecordKind(rawValue: reader.get()) {
    case .submitted: return SubmittedEvent(&reader)?.body
    case .carried: return CarriedEvent(&reader)?.body
    default: return nil
    }
  }

  /// The `KeyFields` of a job or of a key's stub; empty when the record has none.
  package static func keyFields(_ record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var reader = RecordReader(record)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    switch RecordKind(rawValue: reader.get()) {
    case .submitted: return SubmittedEvent(&reader)?.keyFields ?? none
    case .carried: return CarriedEvent(&reader)?.keyFields ?? none
    case .carriedStub:
      let event = CarriedStubEvent(&reader)
      return reader.isShort ? none : event.keyFields
    default: return none
    }
  }

  /// What a worker said of its progress, and its checksum, sealed; nil when the record is no report.
  package static func report(
    _ record: UnsafeRawBufferPointer
  ) -> (text: UnsafeRawBufferPointer, checksum: UInt32)? {
    var reader = RecordReader(record)
    guard RecordKind(rawValue: reader.get()) == .reported else { return nil }
    let event = ReportedEvent(&reader)
    return reader.isShort ? nil : (event.text, event.checksum)
  }

  /// The history that a record holds, newest first, and where the rest of it stands.
  package struct History {
    /// `HistoryEntry` after `HistoryEntry`.
    package var entries: UnsafeRawBufferPointer
    package var previous: LogPosition
    package var previousBytes: UInt32
  }

  package static func history(_ record: UnsafeRawBufferPointer) -> History? {
    var reader = RecordReader(record)
    switch RecordKind(rawValue: reader.get()) {
    case .ended:
      guard let event = EndedEvent(&reader) else { return nil }
      let entry = UnsafeRawBufferPointer(rebasing: record[(record.count - event.entry.encodedBytes)...])
      return History(
        entries: entry, previous: LogPosition(rawValue: event.previous), previousBytes: event.previousBytes)
    case .carried:
      guard let event = CarriedEvent(&reader) else { return nil }
      return History(entries: event.history, previous: .none, previousBytes: 0)
    default: return nil
    }
  }

  /// A history shortened to what a carry keeps: 20 entries, all texts but the newest result or error and the reason
  /// of a cancel cut to 1 KiB. A cut text gets its checksum anew from `checksum`, so the old one must hold first.
  ///
  /// - Returns: Nil when a text does not match its checksum.
  package static func kept(
    _ histories: [[UInt8]], number: UInt64, checksum: (UnsafeRawBufferPointer) -> UInt32
  ) -> [UInt8]? {
    var kept = [UInt8]()
    var count = 0
    for history in histories {
      let isSound = history.withUnsafeBytes { bytes in
        var reader = RecordReader(bytes)
        while reader.at < bytes.count, count < HistoryEntry.keptEntries {
          guard var entry = HistoryEntry(&reader) else { return false }
          guard entry.isSound(number, checksum: checksum) else { return false }
          if count > 0, entry.text.count > HistoryEntry.keptTextBytes {
            entry.text = UnsafeRawBufferPointer(rebasing: entry.text.prefix(HistoryEntry.keptTextBytes))
            entry.seal(checksum(entry.text), number: number)
          }
          kept.append(contentsOf: entry.encoded)
          count += 1
        }
        return true
      }
      guard isSound else { return nil }
    }
    return kept
  }
}

extension HistoryEntry {
  /// The entry as it stands in a record.
  var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: encodedBytes) { memory, count in
      var out = RecordWriter(at: memory.baseAddress!)
      encode(into: &out)
      count = encodedBytes
    }
  }
}
