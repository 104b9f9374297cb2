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

  /// Nil where no such jitter is known.
  @inline(__always)
  init?(_ reader: inout RecordReader) {
    let (initial, factor, max) = (reader.get(UInt32.self), reader.get(UInt32.self), reader.get(UInt32.self))
    guard let jitter = Jitter(rawValue: reader.get()) else { return nil }
    retry = RetryPolicy(
      initialMilliseconds: initial, factorThousandths: factor, maxMilliseconds: max, jitter: jitter)
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
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer
  /// `JobBodyLayout`, sealed.
  var body: UnsafeRawBufferPointer

  /// The bytes before the body.
  static let fixedBytes = 1 + 8 * 4 + 2 + 1 + 1 + 1 + 25 + 24 + KeyFields.bytes
  static let flagWall: UInt8 = 1
  static let flagKey: UInt8 = 2
  static let flagKeyFields: UInt8 = 4

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    var (out, position) = records.open(.submitted, atMost: Self.fixedBytes + body.count)
    out.put(number)
    out.put(created)
    out.put(order)
    out.put(deadline)
    out.put(maxAttempts)
    out.put(priority)
    out.put(state.rawValue)
    out.put(
      (isWall ? Self.flagWall : 0) | (hasKey ? Self.flagKey : 0)
        | (hasKey && !keyFields.isEmpty ? Self.flagKeyFields : 0))
    policy.encode(into: &out)
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
      out.put(keyFields)
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
    guard let policy = JobPolicy(&reader) else { return nil }
    self.policy = policy
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
    let hasFields = hasKey && flags & Self.flagKeyFields != 0
    keyFields = hasFields ? reader.get(count: KeyFields.bytes) : UnsafeRawBufferPointer(start: nil, count: 0)
    body = reader.rest
    guard !reader.isShort else { return nil }
  }

  init(
    number: UInt64, created: Int64, order: UInt64, deadline: Int64, isWall: Bool, command: borrowing Command.Submit,
    keyFields: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer
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
    keyFingerprint = keyFields.isEmpty ? command.keyByteFingerprint : command.keyFingerprint
    hasKey = command.hasKey
    self.keyFields = keyFields
    self.body = body
  }
}
