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
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) -> LogPosition {
    var (out, position) = records.open(.carriedStub, atMost: 64 + keyFields.count)
    out.put(hash.low)
    out.put(hash.high)
    out.put(fingerprint)
    out.put(stub.number)
    out.put(stub.created)
    out.put(stub.until)
    out.put(stub.state)
    out.put(keyFields)
    _ = records.close(out)
    return position
  }

  init(hash: KeyHash, fingerprint: UInt64, stub: Stub, keyFields: UnsafeRawBufferPointer) {
    self.hash = hash
    self.fingerprint = fingerprint
    self.stub = stub
    self.keyFields = keyFields
  }

  init(_ reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    fingerprint = reader.get()
    stub = Stub(number: reader.get(), created: reader.get(), base: 0, until: reader.get(), state: reader.get())
    keyFields = reader.get(count: reader.isAtEnd ? 0 : KeyFields.bytes)
  }
}
