/// What a queue has seen so far.
package struct QueueTotals: Equatable, Sendable, BitwiseCopyable {
  package var submitted: UInt64 = 0
  package var leased: UInt64 = 0
  package var acked: UInt64 = 0
  package var failed: UInt64 = 0
  package var dead: UInt64 = 0

  package init() {}
}

/// A queue with its totals, written again before each trim.
struct CarriedQueueEvent {
  var totals: QueueTotals
  /// Log time since when it has held no job; −1: it holds one.
  var idleSince: Int64
  var name: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.carriedQueue, atMost: 57 + name.count)
    out.put(totals.submitted)
    out.put(totals.leased)
    out.put(totals.acked)
    out.put(totals.failed)
    out.put(totals.dead)
    out.put(Self.mark)
    out.put(idleSince)
    out.put(name)
    _ = records.close(out)
  }

  init(totals: QueueTotals, idleSince: Int64, name: UnsafeRawBufferPointer) {
    self.totals = totals
    self.idleSince = idleSince
    self.name = name
  }

  init(_ reader: inout RecordReader) {
    totals = QueueTotals()
    totals.submitted = reader.get()
    totals.leased = reader.get()
    totals.acked = reader.get()
    totals.failed = reader.get()
    totals.dead = reader.get()
    // Records of earlier versions have the name here.
    let isMarked = reader.rest.first == Self.mark
    if isMarked { _ = reader.get(UInt8.self) }
    idleSince = isMarked ? reader.get() : -1
    name = reader.rest
  }

  /// Stands before the idle time; no name begins with it.
  private static let mark: UInt8 = 0
}

/// A queue without jobs is gone, with its totals: it had held none for a while, or made room for another.
struct QueueForgottenEvent {
  var name: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.queueForgotten, atMost: 1 + name.count)
    out.put(name)
    _ = records.close(out)
  }

  init(name: UnsafeRawBufferPointer) { self.name = name }

  init(_ reader: inout RecordReader) { name = reader.rest }
}

/// A whole job, written again at the end of the log.
struct CarriedEvent {
  var number: UInt64
  var created: Int64
  var order: UInt64
  var deadline: Int64
  /// `HotRow.foreseen`; 0 in a state without deadline.
  var foreseen: Int64
  /// Whether the record says so; those of earlier versions do not.
  var hasForeseen: Bool
  var attempts: UInt16
  var maxAttempts: UInt16
  var priority: Int8
  var state: JobState
  var flags: UInt16
  var policy: JobPolicy
  var hasKey: Bool
  var hasLease: Bool
  /// Whether the record says with what the last lease ended; those of earlier versions do not.
  var hasSaid: Bool
  var keyHash: KeyHash
  var keyFingerprint: UInt64
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer
  var lease: LeaseCell
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer
  var body: UnsafeRawBufferPointer
  /// Newest first.
  var history: UnsafeRawBufferPointer

  static let fixedBytes = 338
  private enum Parts {
    static let key: UInt8 = 1
    static let lease: UInt8 = 2
    static let keyFields: UInt8 = 4
    /// The checksum of what the last lease ended with; missing in records of earlier versions.
    static let said: UInt8 = 8
    /// The wall time of the deadline; missing in records of earlier versions.
    static let foreseen: UInt8 = 16
  }

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    let variable = worker.count + keyID.count + body.count + history.count
    var (out, position) = records.open(.carried, atMost: Self.fixedBytes + variable)
    out.put(number)
    out.put(created)
    out.put(order)
    out.put(deadline)
    out.put(attempts)
    out.put(maxAttempts)
    out.put(priority)
    out.put(state.rawValue)
    out.put(flags)
    policy.encode(into: &out)
    out.put(
      (hasKey ? Parts.key : 0) | (hasLease ? Parts.lease | Parts.said : 0)
        | (hasKey && !keyFields.isEmpty ? Parts.keyFields : 0) | (hasForeseen ? Parts.foreseen : 0))
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
      out.put(keyFields)
    }
    if hasLease {
      out.put(lease.id.epoch)
      out.put(lease.id.number)
      out.put(lease.duration)
      out.put(lease.leasedAt)
      out.put(lease.endedAt)
      out.put(lease.endedUptime)
      out.put(lease.pause)
      out.put(lease.lastOutcome)
      out.put(lease.said)
      out.put(UInt8(truncatingIfNeeded: worker.count))
      out.put(UInt8(truncatingIfNeeded: keyID.count))
      out.put(worker)
      out.put(keyID)
    }
    if hasForeseen { out.put(foreseen) }
    out.put(UInt32(truncatingIfNeeded: body.count))
    out.put(body)
    out.put(history)
    return (position, records.close(out))
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    created = reader.get()
    order = reader.get()
    deadline = reader.get()
    attempts = reader.get()
    maxAttempts = reader.get()
    priority = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
    flags = reader.get()
    guard let policy = JobPolicy(&reader) else { return nil }
    self.policy = policy
    let parts = reader.get(UInt8.self)
    hasKey = parts & Parts.key != 0
    hasLease = parts & Parts.lease != 0
    hasSaid = parts & Parts.said != 0
    hasForeseen = parts & Parts.foreseen != 0
    foreseen = 0
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
    let hasFields = hasKey && parts & Parts.keyFields != 0
    keyFields = hasFields ? reader.get(count: KeyFields.bytes) : UnsafeRawBufferPointer(start: nil, count: 0)
    lease = LeaseCell()
    worker = UnsafeRawBufferPointer(start: nil, count: 0)
    keyID = worker
    if hasLease {
      lease.id = LeaseID(epoch: reader.get(), number: reader.get())
      lease.duration = reader.get()
      lease.leasedAt = reader.get()
      lease.endedAt = reader.get()
      lease.endedUptime = reader.get()
      lease.pause = reader.get()
      lease.lastOutcome = reader.get()
      if parts & Parts.said != 0 { lease.said = reader.get() }
      let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
      worker = reader.get(count: Int(workerBytes))
      keyID = reader.get(count: Int(keyBytes))
    }
    if hasForeseen { foreseen = reader.get() }
    let bodyBytes = reader.get(UInt32.self)
    body = reader.get(count: Int(bodyBytes))
    history = reader.rest
    guard !reader.isShort else { return nil }
    if lease.lastOutcome != 0, !hasSaid { lease.said = saidInHistory }
  }

  /// The wall time of the deadline; of a record without it as well as it can be known.
  ///
  /// - Parameter time: Log time of the record.
  func foreseen(at time: Int64) -> Int64 {
    guard !hasForeseen else { return foreseen }
    switch state {
    case .running: return lease.leasedAt + lease.duration / 1_000_000
    case .retry: return lease.endedAt + Int64(lease.pause)
    case .scheduled where flags & RowFlags.wall != 0: return deadline / 1_000_000
    case .scheduled: return (hasLease ? lease.endedAt : created) + max(0, deadline - time) / 1_000_000
    case .ready, .acked, .dead, .cancelled: return 0
    }
  }

  /// The same of a record without it: its history holds the end, cut if something came behind it.
  private var saidInHistory: UInt32 {
    var reader = RecordReader(history)
    while !reader.isAtEnd, let entry = HistoryEntry(&reader) {
      if entry.outcome.endsAttempt { return entry.textChecksum(number: number) }
    }
    return 0
  }

  init(
    row: borrowing HotRow, cold: borrowing ColdRow, policy: JobPolicy, key: KeyEntry?, lease: LeaseCell?,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer, keyFields: UnsafeRawBufferPointer,
    body: UnsafeRawBufferPointer, history: UnsafeRawBufferPointer
  ) {
    number = row.number
    created = cold.created
    order = row.order
    deadline = row.deadline
    attempts = row.attempts
    maxAttempts = row.maxAttempts
    priority = row.priority
    state = JobState(rawValue: row.state)!
    hasForeseen = state.hasDeadline
    foreseen = hasForeseen ? row.foreseen : 0
    flags = row.flags
    self.policy = policy
    hasKey = key != nil
    hasLease = lease != nil
    hasSaid = hasLease
    keyHash = key?.hash ?? KeyHash(low: 0, high: 0)
    keyFingerprint = key?.fingerprint ?? 0
    self.lease = lease ?? LeaseCell()
    self.worker = worker
    self.keyID = keyID
    self.keyFields = keyFields
    self.body = body
    self.history = history
  }
}
