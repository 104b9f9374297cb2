/// What happened: the contents of the log's records. Fields stand in the order in which they are declared, little
/// endian; `docs/log-format.md` draws each. Events change memory only through `StateMachine.apply`.
///
/// Every event about a job carries its number and its *base*, the position of its `submitted` or last `carried`
/// record, so that a replay of a trimmed log can tell a job that is gone from one that is missing.

/// The first record of every segment: all counters, so that nothing depends on segments before it.
struct GroundEvent {
  var epoch: UInt64
  var nextNumber: UInt64
  var nextLease: UInt64
  var nextOrder: UInt64
  var logTime: Int64
  /// Downtime credited to log time so far; uptime is log time less this.
  var credited: Int64
  var rows: UInt64
  var secret: SipKey
  /// The kernel's boot id at the daemon's last start, hashed; 0 when unknown.
  var bootID: UInt64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.ground, atMost: 88)
    out.put(epoch)
    out.put(nextNumber)
    out.put(nextLease)
    out.put(nextOrder)
    out.put(logTime)
    out.put(credited)
    out.put(rows)
    out.put(secret.k0)
    out.put(secret.k1)
    out.put(bootID)
    _ = records.close(out)
  }

  init(
    epoch: UInt64, nextNumber: UInt64, nextLease: UInt64, nextOrder: UInt64, logTime: Int64, credited: Int64,
    rows: UInt64, secret: SipKey, bootID: UInt64
  ) {
    self.epoch = epoch
    self.nextNumber = nextNumber
    self.nextLease = nextLease
    self.nextOrder = nextOrder
    self.logTime = logTime
    self.credited = credited
    self.rows = rows
    self.secret = secret
    self.bootID = bootID
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    nextNumber = reader.get()
    nextLease = reader.get()
    nextOrder = reader.get()
    logTime = reader.get()
    credited = reader.get()
    rows = reader.get()
    secret = SipKey(k0: reader.get(), k1: reader.get())
    bootID = reader.get()
  }
}

/// The daemon started: epoch + 1; log time was credited with the downtime; open leases got their grace.
struct BootedEvent {
  var epoch: UInt64
  var logTime: Int64
  /// Nanoseconds of downtime that log time was advanced by.
  var downtime: Int64
  /// The kernel's boot id, hashed; 0 when unknown.
  var bootID: UInt64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.booted, atMost: 40)
    out.put(epoch)
    out.put(logTime)
    out.put(downtime)
    out.put(bootID)
    _ = records.close(out)
  }

  init(epoch: UInt64, logTime: Int64, downtime: Int64, bootID: UInt64) {
    self.epoch = epoch
    self.logTime = logTime
    self.downtime = downtime
    self.bootID = bootID
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    logTime = reader.get()
    downtime = reader.get()
    bootID = reader.get()
  }
}

extension JobPolicy {
  /// 25 bytes.
  func encode(into out: inout RecordWriter) {
    out.put(retry.initialMilliseconds)
    out.put(retry.factorThousandths)
    out.put(retry.maxMilliseconds)
    out.put(retry.jitter.rawValue)
    out.put(leaseMilliseconds)
    out.put(retentionMilliseconds)
  }

  @inline(__always)
  init(_ reader: inout RecordReader) {
    let (initial, factor, max) = (reader.get(UInt32.self), reader.get(UInt32.self), reader.get(UInt32.self))
    retry = RetryPolicy(
      initialMilliseconds: initial, factorThousandths: factor, maxMilliseconds: max,
      jitter: Jitter(rawValue: reader.get()) ?? .none)
    leaseMilliseconds = reader.get()
    retentionMilliseconds = reader.get()
  }
}

/// A job was accepted. It is READY, or SCHEDULED when it has a deadline.
struct SubmittedEvent {
  var number: UInt64
  var created: Int64
  var order: UInt64
  /// 0 when READY; else log time, or wall time in nanoseconds when `isWall`.
  var deadline: Int64
  var maxAttempts: UInt16
  var priority: Int8
  var state: JobState
  var isWall: Bool
  var policy: JobPolicy
  var keyHash: KeyHash
  var keyFingerprint: UInt64
  var hasKey: Bool
  /// `JobBodyLayout`, sealed.
  var body: UnsafeRawBufferPointer

  /// The bytes before the body.
  static let fixedBytes = 1 + 8 * 4 + 2 + 1 + 1 + 1 + 25 + 24
  static let flagWall: UInt8 = 1
  static let flagKey: UInt8 = 2

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    var (out, position) = records.open(.submitted, atMost: Self.fixedBytes + body.count)
    out.put(number)
    out.put(created)
    out.put(order)
    out.put(deadline)
    out.put(maxAttempts)
    out.put(priority)
    out.put(state.rawValue)
    out.put((isWall ? Self.flagWall : 0) | (hasKey ? Self.flagKey : 0))
    policy.encode(into: &out)
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
    }
    let bodyStart = out.cursor
    out.put(body)
    let sum = bodyStart.loadUnaligned(fromByteOffset: JobBodyLayout.checksumOffset, as: UInt32.self)
    bodyStart.storeBytes(
      of: sum ^ checksumSeal(number).littleEndian, toByteOffset: JobBodyLayout.checksumOffset, as: UInt32.self)
    return (position, records.close(out))
  }

  @inline(__always)
  init?(_ reader: inout RecordReader) {
    number = reader.get()
    created = reader.get()
    order = reader.get()
    deadline = reader.get()
    maxAttempts = reader.get()
    priority = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
    let flags = reader.get(UInt8.self)
    isWall = flags & Self.flagWall != 0
    hasKey = flags & Self.flagKey != 0
    policy = JobPolicy(&reader)
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
    body = reader.rest
    guard !reader.isShort else { return nil }
  }

  init(
    number: UInt64, created: Int64, order: UInt64, deadline: Int64, isWall: Bool, command: borrowing Command.Submit,
    body: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.created = created
    self.order = order
    self.deadline = deadline
    self.isWall = isWall
    maxAttempts = command.maxRetries + 1
    priority = command.priority
    state = deadline == 0 ? .ready : .scheduled
    policy = command.policy
    keyHash = command.keyHash
    keyFingerprint = command.keyFingerprint
    hasKey = command.hasKey
    self.body = body
  }
}

/// A worker got the job.
struct LeasedEvent {
  var number: UInt64
  var base: UInt64
  var lease: LeaseID
  var deadline: Int64
  /// Nanoseconds.
  var duration: Int64
  /// Wall time, milliseconds.
  var at: Int64
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.leased, atMost: 64 + worker.count + keyID.count)
    out.put(number)
    out.put(base)
    out.put(lease.epoch)
    out.put(lease.number)
    out.put(deadline)
    out.put(duration)
    out.put(at)
    out.put(UInt8(truncatingIfNeeded: worker.count))
    out.put(UInt8(truncatingIfNeeded: keyID.count))
    out.put(worker)
    out.put(keyID)
    _ = records.close(out)
  }

  init(
    number: UInt64, base: UInt64, lease: LeaseID, deadline: Int64, duration: Int64, at: Int64,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.base = base
    self.lease = lease
    self.deadline = deadline
    self.duration = duration
    self.at = at
    self.worker = worker
    self.keyID = keyID
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    lease = LeaseID(epoch: reader.get(), number: reader.get())
    deadline = reader.get()
    duration = reader.get()
    at = reader.get()
    let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    worker = reader.get(count: Int(workerBytes))
    keyID = reader.get(count: Int(keyBytes))
  }
}

/// One line of a job's history, inside the record that made it and inside `carried`.
package struct HistoryEntry {
  package var outcome: Outcome
  /// 1 for the first attempt; 0 for what is not an attempt.
  package var attempt: UInt16
  /// Wall times, milliseconds; `leasedAt` is 0 for what was not leased.
  package var leasedAt: Int64
  package var endedAt: Int64
  /// The result, the error, or the reason.
  package var text: UnsafeRawBufferPointer
  /// CRC32C of `text`, sealed with the job number.
  package var checksum: UInt32
  package var worker: UnsafeRawBufferPointer

  package static let fixedBytes = 1 + 2 + 8 + 8 + 4 + 4 + 1
  /// The longest text kept for any but the newest entry when a job is carried, bytes.
  package static let keptTextBytes = 1_024
  /// Entries kept when a job is carried.
  package static let keptEntries = 20
  var encodedBytes: Int { Self.fixedBytes + text.count + worker.count }

  func encode(into out: inout RecordWriter) {
    out.put(outcome.rawValue)
    out.put(attempt)
    out.put(leasedAt)
    out.put(endedAt)
    out.put(UInt32(truncatingIfNeeded: text.count))
    out.put(checksum)
    out.put(UInt8(truncatingIfNeeded: worker.count))
    out.put(worker)
    out.put(text)
  }

  init(
    outcome: Outcome, attempt: UInt16, leasedAt: Int64, endedAt: Int64, text: UnsafeRawBufferPointer,
    checksum: UInt32, worker: UnsafeRawBufferPointer
  ) {
    self.outcome = outcome
    self.attempt = attempt
    self.leasedAt = leasedAt
    self.endedAt = endedAt
    self.text = text
    self.checksum = checksum
    self.worker = worker
  }

  package init?(_ reader: inout RecordReader) {
    guard let outcome = Outcome(rawValue: reader.get()) else { return nil }
    self.outcome = outcome
    attempt = reader.get()
    leasedAt = reader.get()
    endedAt = reader.get()
    let textBytes = reader.get(UInt32.self)
    checksum = reader.get()
    let workerBytes = reader.get(UInt8.self)
    worker = reader.get(count: Int(workerBytes))
    text = reader.get(count: Int(textBytes))
    guard !reader.isShort else { return nil }
  }
}

/// An attempt ended: acknowledged, failed, expired, handed back or undelivered. Or a waiting job was cancelled, or a
/// running one marked.
struct EndedEvent {
  var number: UInt64
  var base: UInt64
  var next: JobState
  /// Milliseconds of the pause before a retry, for decorrelated jitter.
  var pause: UInt32
  /// Where the job now stands in its list; unchanged for RETRY and SCHEDULED.
  var order: UInt64
  /// RETRY, SCHEDULED: log time; ACKED, CANCELLED: uptime at which it may leave; else 0.
  var deadline: Int64
  /// Uptime at the end.
  var uptime: Int64
  /// The record that holds the history before this entry; 0 when there is none.
  var previous: UInt64
  var previousBytes: UInt32
  var entry: HistoryEntry

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    var (out, position) = records.open(.ended, atMost: 64 + entry.encodedBytes)
    out.put(number)
    out.put(base)
    out.put(next.rawValue)
    out.put(pause)
    out.put(order)
    out.put(deadline)
    out.put(uptime)
    out.put(previous)
    out.put(previousBytes)
    entry.encode(into: &out)
    return (position, records.close(out))
  }

  init(
    number: UInt64, base: UInt64, next: JobState, pause: UInt32, order: UInt64, deadline: Int64, uptime: Int64,
    previous: UInt64, previousBytes: UInt32, entry: HistoryEntry
  ) {
    self.number = number
    self.base = base
    self.next = next
    self.pause = pause
    self.order = order
    self.deadline = deadline
    self.uptime = uptime
    self.previous = previous
    self.previousBytes = previousBytes
    self.entry = entry
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    guard let next = JobState(rawValue: reader.get()) else { return nil }
    self.next = next
    pause = reader.get()
    order = reader.get()
    deadline = reader.get()
    uptime = reader.get()
    previous = reader.get()
    previousBytes = reader.get()
    guard let entry = HistoryEntry(&reader) else { return nil }
    self.entry = entry
  }
}

/// A lease was extended.
struct ExtendedEvent {
  var number: UInt64
  var base: UInt64
  var deadline: Int64
  var duration: Int64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.extended, atMost: 40)
    out.put(number)
    out.put(base)
    out.put(deadline)
    out.put(duration)
    _ = records.close(out)
  }

  init(number: UInt64, base: UInt64, deadline: Int64, duration: Int64) {
    self.number = number
    self.base = base
    self.deadline = deadline
    self.duration = duration
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    deadline = reader.get()
    duration = reader.get()
  }
}

/// A waiting or finished job became READY: due, hastened, or (attempts begin anew) replayed.
struct ReadiedEvent {
  var number: UInt64
  var base: UInt64
  var order: UInt64
  var isReplay: Bool

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.readied, atMost: 32)
    out.put(number)
    out.put(base)
    out.put(order)
    out.put(UInt8(isReplay ? 1 : 0))
    _ = records.close(out)
  }

  init(number: UInt64, base: UInt64, order: UInt64, isReplay: Bool) {
    self.number = number
    self.base = base
    self.order = order
    self.isReplay = isReplay
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    order = reader.get()
    isReplay = reader.get(UInt8.self) != 0
  }
}

/// A finished job left. With a key whose window is open, a stub stays.
struct PurgedEvent {
  var number: UInt64
  var base: UInt64
  /// Uptime at which the stub may go; 0: no stub.
  var stubUntil: Int64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.purged, atMost: 32)
    out.put(number)
    out.put(base)
    out.put(stubUntil)
    _ = records.close(out)
  }

  init(number: UInt64, base: UInt64, stubUntil: Int64) {
    self.number = number
    self.base = base
    self.stubUntil = stubUntil
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    stubUntil = reader.get()
  }
}

/// What is left of a purged job whose idempotency key still answers.
struct Stub: BitwiseCopyable {
  var number: UInt64
  var created: Int64
  var base: UInt64
  /// Uptime at which it may go.
  var until: Int64
  var state: UInt8
}

/// A stub was forgotten.
struct KeyForgottenEvent {
  var hash: KeyHash
  var base: UInt64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.keyForgotten, atMost: 32)
    out.put(hash.low)
    out.put(hash.high)
    out.put(base)
    _ = records.close(out)
  }

  init(hash: KeyHash, base: UInt64) {
    self.hash = hash
    self.base = base
  }

  init(_ reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    base = reader.get()
  }
}

/// A stub, written again at the end of the log.
struct CarriedStubEvent {
  var hash: KeyHash
  var fingerprint: UInt64
  var stub: Stub

  func encode(into records: inout RecordBuffer) -> LogPosition {
    var (out, position) = records.open(.carriedStub, atMost: 64)
    out.put(hash.low)
    out.put(hash.high)
    out.put(fingerprint)
    out.put(stub.number)
    out.put(stub.created)
    out.put(stub.until)
    out.put(stub.state)
    _ = records.close(out)
    return position
  }

  init(hash: KeyHash, fingerprint: UInt64, stub: Stub) {
    self.hash = hash
    self.fingerprint = fingerprint
    self.stub = stub
  }

  init(_ reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    fingerprint = reader.get()
    stub = Stub(number: reader.get(), created: reader.get(), base: 0, until: reader.get(), state: reader.get())
  }
}

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
  var name: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.carriedQueue, atMost: 48 + name.count)
    out.put(totals.submitted)
    out.put(totals.leased)
    out.put(totals.acked)
    out.put(totals.failed)
    out.put(totals.dead)
    out.put(name)
    _ = records.close(out)
  }

  init(totals: QueueTotals, name: UnsafeRawBufferPointer) {
    self.totals = totals
    self.name = name
  }

  init(_ reader: inout RecordReader) {
    totals = QueueTotals()
    totals.submitted = reader.get()
    totals.leased = reader.get()
    totals.acked = reader.get()
    totals.failed = reader.get()
    totals.dead = reader.get()
    name = reader.rest
  }
}

/// A whole job, written again at the end of the log.
struct CarriedEvent {
  var number: UInt64
  var created: Int64
  var order: UInt64
  var deadline: Int64
  var attempts: UInt16
  var maxAttempts: UInt16
  var priority: Int8
  var state: JobState
  var flags: UInt16
  var policy: JobPolicy
  var hasKey: Bool
  var hasLease: Bool
  var keyHash: KeyHash
  var keyFingerprint: UInt64
  var lease: LeaseCell
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer
  var body: UnsafeRawBufferPointer
  /// Newest first.
  var history: UnsafeRawBufferPointer

  static let fixedBytes = 300

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
    out.put((hasKey ? UInt8(1) : 0) | (hasLease ? 2 : 0))
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
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
      out.put(UInt8(truncatingIfNeeded: worker.count))
      out.put(UInt8(truncatingIfNeeded: keyID.count))
      out.put(worker)
      out.put(keyID)
    }
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
    policy = JobPolicy(&reader)
    let parts = reader.get(UInt8.self)
    hasKey = parts & 1 != 0
    hasLease = parts & 2 != 0
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
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
      let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
      worker = reader.get(count: Int(workerBytes))
      keyID = reader.get(count: Int(keyBytes))
    }
    let bodyBytes = reader.get(UInt32.self)
    body = reader.get(count: Int(bodyBytes))
    history = reader.rest
    guard !reader.isShort else { return nil }
  }

  init(
    row: borrowing HotRow, cold: borrowing ColdRow, policy: JobPolicy, key: KeyEntry?, lease: LeaseCell?,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer,
    history: UnsafeRawBufferPointer
  ) {
    number = row.number
    created = cold.created
    order = row.order
    deadline = row.deadline
    attempts = row.attempts
    maxAttempts = row.maxAttempts
    priority = row.priority
    state = JobState(rawValue: row.state)!
    flags = row.flags
    self.policy = policy
    hasKey = key != nil
    hasLease = lease != nil
    keyHash = key?.hash ?? KeyHash(low: 0, high: 0)
    keyFingerprint = key?.fingerprint ?? 0
    self.lease = lease ?? LeaseCell()
    self.worker = worker
    self.keyID = keyID
    self.body = body
    self.history = history
  }
}

/// What is known of a job's last lease and of how it ended; only for jobs that were leased or cancelled.
struct LeaseCell: BitwiseCopyable {
  var id = LeaseID(epoch: 0, number: 0)
  /// Nanoseconds.
  var duration: Int64 = 0
  /// Wall times, milliseconds.
  var leasedAt: Int64 = 0
  var endedAt: Int64 = 0
  /// Uptime when the job last ended.
  var endedUptime: Int64 = 0
  /// The record with the newest history entry; 0 when there is none.
  var history: UInt64 = 0
  var historyBytes: UInt32 = 0
  /// Bytes of all history records since the last carry.
  var historyTotal: UInt32 = 0
  /// Milliseconds of the last pause before a retry.
  var pause: UInt32 = 0
  /// Interned names.
  var worker: UInt32 = 0
  var keyID: UInt32 = 0
  /// `Outcome` of the last lease; 0 while it is held.
  var lastOutcome: UInt8 = 0
}
