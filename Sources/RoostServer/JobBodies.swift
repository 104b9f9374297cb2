import RoostAPI
import RoostCore
import RoostEngine

/// The bounds of the contract, milliseconds and bytes.
enum Bounds {
  static let lease: ClosedRange<Int64> = 100...43_200_000
  static let wait: ClosedRange<Int64> = 0...60_000
  static let tenYears: ClosedRange<Int64> = 0...315_360_000_000
  /// Before 2100, milliseconds since 1970: the log counts nanoseconds, and keeps room for sums.
  static let runAt: Range<Int64> = 0..<4_102_444_800_000
  static let resultBytes = 4 << 20
  static let errorBytes = 16 << 10
  static let progressBytes = 16 << 10
  static let extrasBytes = 64 << 10
  static let tags = 64
  static let queuesPerLease = 32
  static let jobIDBytes = 128
  static let groupBytes = 128
  static let scheduleBytes = 128
  static let schedulePayloadBytes = 64 << 10
  static let every: ClosedRange<Int64> = 1_000...315_360_000_000
  static let jitter: ClosedRange<Int64> = 0...86_400_000
  static let groupHold: ClosedRange<Int64> = 0...86_400_000
  /// What a job may have beside its payload.
  static let envelopeBytes = 256 << 10
  /// What of a batch's body is read; escapes may let one text take as much.
  static let batchBytes = 8 << 20

  /// The longest JSON of a payload that may have so many bytes. A text counts without its escapes, which may make six
  /// bytes of one.
  static func mostPayloadJSON(_ bytes: Int) -> Int { max(bytes + 2, min(6 * bytes + 2, batchBytes)) }
  /// Of the payloads and what goes with them in one answer of several leases, unless the worker says.
  static let leaseBytes = 8 << 20
}

/// Decodes the body of `POST /jobs`, once and whole.
package struct SubmitBody {
  private enum Field: String, CaseIterable {
    case payload, type, queue, group, priority, delay, runAt = "run_at", maxRetries = "max_retries", retry, lease,
      timeout, maxExpiries = "max_expiries", retention, expiresAt = "expires_at", expiresIn = "expires_in", onExpire =
      "on_expire", unique, metadata, tags
    case dependsOn = "depends_on", onDead = "on_dead", when, ref, batch, leaseID = "lease_id"
    case traceparent, tracestate, idempotencyKey = "idempotency_key"
    case callbackURL = "callback_url"
  }

  private static let table = FieldTable(Field.self, except: [.ref])
  private static let itemTable = FieldTable(Field.self)

  /// All fields, those of `retry` too.
  static var fields: [String] {
    table.allNames + retryTable.allNames.map { Field.retry.rawValue + "." + $0 }
      + UniqueBody.fields.map { Field.unique.rawValue + "." + $0 }
  }
  /// The same of an item of a batch.
  static var itemFields: [String] { fields + [Field.ref.rawValue] }

  /// - Parameter header: The value of `Idempotency-Key`, which may stand for the field.
  package static func decode(
    _ bytes: [UInt8], header: String?, maxPayloadBytes: Int
  ) throws(Rejection) -> JobSpec {
    var json = JSONReader(bytes)
    let spec = try decode(&json, header: header, maxPayloadBytes: maxPayloadBytes)
    try json.finish()
    return spec
  }

  /// The same where the job is an item of a list, or the value of a field.
  package static func decode(
    _ json: inout JSONReader, in name: String = "", header: String?, maxPayloadBytes: Int
  ) throws(Rejection) -> JobSpec {
    var item = try decodeItem(&json, in: name, table, header: header, maxPayloadBytes: maxPayloadBytes)
    item.spec.options[.dependencies] = try item.waits.encoded()
    return item.spec
  }

  /// The same of an item of a batch, which may have a name and wait for others of the batch.
  static func decodeItem(_ json: inout JSONReader, maxPayloadBytes: Int) throws(Rejection) -> BatchItem {
    try decodeItem(&json, in: "", itemTable, header: nil, maxPayloadBytes: maxPayloadBytes)
  }

  private static func decodeItem(
    _ json: inout JSONReader, in name: String, _ table: FieldTable<Field>, header: String?, maxPayloadBytes: Int
  ) throws(Rejection) -> BatchItem {
    var spec = JobSpec(payload: [])
    var hasPayload = false
    var waits = DependencyFields()
    var ref: String?
    var expiry = ExpiryBody()
    try json.object(name, table) { (field, json) throws(Rejection) in
      if field == .payload {
        spec.payload = try json.rawValue()
        hasPayload = true
      } else if field == .dependsOn || field == .onDead || field == .when {
        if try !json.takeNull() { try waits.read(field.rawValue, &json) }
      } else if field == .ref {
        if try !json.takeNull() { ref = try json.plainText("ref", 1...DependencyFields.refBytes) }
      } else if try !json.takeNull() {
        switch field {
        case .expiresAt: expiry.at = try json.runAt(field.rawValue)
        case .expiresIn: expiry.after = try json.duration(field.rawValue, 1...JobExpiry.mostRelative)
        case .onExpire: expiry.cancels = try json.onExpire(field.rawValue)
        default: try read(field, &json, &spec)
        }
      }
    }
    if let expiry = try expiry.value { spec.options[.expires] = expiry.encoded }
    guard hasPayload else {
      let field = name.isEmpty ? "payload" : name + ".payload"
      throw Rejection(.missingField, field: field, "\(field) is missing: any JSON value will do")
    }
    spec.payloadBytes = try payloadBytes(
      spec.payload, name.isEmpty ? "payload" : name + ".payload", limit: maxPayloadBytes)
    try check(&spec, header)
    if spec.unique?.onConflict == .replace, waits.namesJobs {
      throw Rejection(
        .contradiction, field: "unique.on_conflict",
        "a job that takes another's place waits for no jobs: leave out depends_on, or use existing or reject")
    }
    return BatchItem(spec: spec, ref: ref, waits: waits)
  }

  /// A text counts as what it says, in UTF-8; any other value as the JSON that it is.
  static func payloadBytes(_ payload: ArraySlice<UInt8>, _ field: String, limit: Int) throws(Rejection) -> Int {
    let bytes = payloadBytes(payload)
    guard bytes <= limit else {
      throw Rejection(
        .payloadTooLarge, field: field,
        "the payload has \(bytes) bytes, the limit is \(limit): send a reference instead")
    }
    return bytes
  }

  private static func payloadBytes(_ payload: ArraySlice<UInt8>) -> Int {
    guard payload.first == UInt8(ascii: "\"") else { return payload.count }
    guard payload.contains(UInt8(ascii: "\\")) else { return payload.count - 2 }
    return JSONReader.decodedCount(ofString: payload)
  }

  private static func read(_ field: Field, _ json: inout JSONReader, _ spec: inout JobSpec) throws(Rejection) {
    let name = field.rawValue
    switch field {
    case .payload, .expiresAt, .expiresIn, .onExpire, .dependsOn, .onDead, .when, .ref:
      preconditionFailure("read where all fields are at hand")
    case .type: spec.type = try json.plainText(name, 0...200)
    case .queue: spec.queue = try json.queueName(name)
    case .group: spec.group = try json.groupName(name)
    case .priority: spec.priority = try json.priority(name)
    case .delay: spec.delayMilliseconds = try json.duration(name, Bounds.tenYears)
    case .runAt:
      spec.runAtMilliseconds = try json.runAt(name)
    case .maxRetries: spec.maxRetries = try json.retries(name)
    case .retry: spec.retry = try json.retryPolicy(name)
    case .lease: spec.leaseMilliseconds = try json.duration(name, Bounds.lease)
    case .timeout: spec.timeoutMilliseconds = try json.timeout(name)
    case .maxExpiries: spec.maxExpiries = UInt16(try json.integer(name, 0...Int64(JobPolicy.mostExpiries)))
    case .retention: spec.retentionMilliseconds = try json.duration(name, Bounds.tenYears)
    case .unique: spec.unique = try UniqueBody.decode(&json, name)
    case .metadata: spec.metadata = try json.metadata(name)
    case .tags: spec.tags = try json.tags(name)
    case .traceparent: spec.traceparent = try json.plainText(name, 1...128)
    case .tracestate: spec.tracestate = try json.plainText(name, 1...TraceContext.mostStateBytes)
    case .idempotencyKey: spec.idempotencyKey = try json.plainText(name, 1...255)
    case .batch:
      let text = try json.plainText(name, 1...Bounds.jobIDBytes)
      guard let id = JobID(text) else { throw Rejection(Refusal.unknownBatch) }
      spec.options[.batch] = BatchMembership.encode(id)
    case .leaseID: spec.batchLease = try json.leaseID(name)
    case .callbackURL: spec.options[.callback] = try json.pushTarget(name)
    }
  }

  private static func check(_ spec: inout JobSpec, _ header: String?) throws(Rejection) {
    if spec.delayMilliseconds != nil, spec.runAtMilliseconds != nil {
      throw Rejection(.contradiction, field: "run_at", "delay and run_at contradict each other: give one of them")
    }
    if spec.batchLease != nil, spec.options[.batch] == nil {
      throw Rejection(
        .contradiction, field: "lease_id", "lease_id lets a job join the batch of the job that holds it: name the batch"
      )
    }
    guard let header else { return }
    guard (1...255).contains(header.utf8.count) else {
      throw Rejection(.outOfRange, field: "Idempotency-Key", "Idempotency-Key must have between 1 and 255 bytes")
    }
    if let key = spec.idempotencyKey, Name(key) != Name(header) {
      throw Rejection(
        .contradiction, field: "idempotency_key", "idempotency_key and the header Idempotency-Key differ: give one")
    }
    spec.idempotencyKey = header
  }
}

/// Before when a job must begin: fields that say it together.
private struct ExpiryBody {
  var at: Int64?
  var after: Int64?
  var cancels: Bool?

  var value: JobExpiry? {
    get throws(Rejection) {
      guard let time = at ?? after else {
        guard cancels == nil else {
          throw Rejection(
            .contradiction, field: "on_expire", "on_expire goes with expires_at or expires_in: give one of them")
        }
        return nil
      }
      guard at == nil || after == nil else {
        throw Rejection(
          .contradiction, field: "expires_in", "expires_at and expires_in contradict each other: give one of them")
      }
      return JobExpiry(milliseconds: time, isRelative: at == nil, cancels: cancels ?? false)
    }
  }
}

extension JobSpec {
  /// Before when it must begin; nil: at no such time.
  var expiry: JobExpiry? {
    options[.expires].flatMap { value in
      JobOptions.encode([.expires: value]).withUnsafeBytes { JobOptions($0).flatMap { JobExpiry($0) } }
    }
  }
}

/// Values that only this contract has.
extension JSONReader {
  /// Text of so many bytes, without control characters.
  mutating func plainText(_ name: String, _ length: ClosedRange<Int>) throws(Rejection) -> String {
    let text = try string(name)
    guard length.contains(text.utf8.count), text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
      throw outOfRange(name, "\(length.lowerBound) to \(length.upperBound) bytes long, without control characters")
    }
    return text
  }

  /// Names that begin with `_` are the daemon's own.
  mutating func groupName(_ name: String) throws(Rejection) -> String {
    let text = try plainText(name, 1...Bounds.groupBytes)
    guard text.utf8.first != UInt8(ascii: "_") else {
      throw outOfRange(name, "a name that does not begin with _")
    }
    return text
  }

  mutating func queueName(_ name: String) throws(Rejection) -> String {
    let text = try string(name)
    guard isQueueName(text) else { throw outOfRange(name, "1 to 200 characters of A-Z a-z 0-9 . _ : -") }
    return text
  }

  mutating func priority(_ name: String) throws(Rejection) -> Int8 {
    guard nextIsString() else { return Int8(try integer(name, -128...127)) }
    switch try string(name) {
    case "low": return -10
    case "medium": return 0
    case "high": return 10
    case "critical": return 20
    default: throw outOfRange(name, "low, medium, high, critical, or a number between -128 and 127")
    }
  }

  /// A time before 2100, milliseconds.
  mutating func runAt(_ name: String) throws(Rejection) -> Int64 {
    let time = try timestamp(name)
    guard Bounds.runAt.contains(time) else { throw outOfRange(name, "a time before the year 2100") }
    return time
  }

  /// What becomes of a job that is too late: whether it is CANCELLED.
  mutating func onExpire(_ name: String) throws(Rejection) -> Bool {
    switch try string(name) {
    case "dead": return false
    case "cancel": return true
    default: throw outOfRange(name, "dead or cancel")
    }
  }

  /// A number of retries, or `unlimited`.
  mutating func retries(_ name: String) throws(Rejection) -> UInt16 {
    guard nextIsString() else { return UInt16(try integer(name, 0...1_000)) }
    guard try string(name) == "unlimited" else { throw outOfRange(name, "a number between 0 and 1000, or unlimited") }
    return JobPolicy.unlimitedRetries
  }

  /// How long an attempt may run; 0 s: without end.
  mutating func timeout(_ name: String) throws(Rejection) -> Int64 {
    let time = try duration(name, 0...JobPolicy.mostTimeout)
    guard time == 0 || time >= Bounds.lease.lowerBound else { throw outOfRange(name, "0s (none), or 100ms to 30d") }
    return time
  }

  mutating func retryPolicy(_ name: String) throws(Rejection) -> RetryPolicy {
    var policy = RetryPolicy.standard
    var (hasInitial, hasMaximum) = (false, false)
    try object(name, retryTable) { (field, json) throws(Rejection) in
      if try json.takeNull() { return }
      switch field {
      case .initial:
        policy.initialMilliseconds = UInt32(try json.duration("initial", 0...86_400_000))
        hasInitial = true
      case .factor: policy.factorThousandths = UInt32((try json.decimal("factor", 1...100) * 1_000).rounded())
      case .max:
        policy.maxMilliseconds = UInt32(try json.duration("max", 0...604_800_000))
        hasMaximum = true
      case .jitter: try json.jitter("jitter", &policy)
      }
    }
    // Who gives one of them need not know the other's default.
    if !hasInitial { policy.initialMilliseconds = min(policy.initialMilliseconds, policy.maxMilliseconds) }
    if !hasMaximum { policy.maxMilliseconds = max(policy.maxMilliseconds, policy.initialMilliseconds) }
    guard policy.maxMilliseconds >= policy.initialMilliseconds else {
      throw Rejection(.contradiction, field: "retry.max", "retry.max must not be shorter than retry.initial")
    }
    return policy
  }

  /// One that has a name, or how much is added to a pause at most.
  private mutating func jitter(_ name: String, _ policy: inout RetryPolicy) throws(Rejection) {
    var probe = self
    if probe.nextIsString(), let text = try? probe.string(name) {
      if let jitter = Jitter.named.first(where: { "\($0)" == text }) {
        self = probe
        return policy.jitter = jitter
      }
      guard DurationText.milliseconds(text) != nil else {
        throw outOfRange(name, "full, equal, decorrelated, none, or a duration such as 10s")
      }
    }
    policy.add(atMost: UInt32(try duration(name, 0...RetryPolicy.mostAdded)))
  }

  mutating func metadata(_ name: String) throws(Rejection) -> ArraySlice<UInt8> {
    var probe = self
    try probe.dictionary(name) { (key, json) throws(Rejection) in _ = try json.string("\(name).\(key)") }
    return try bounded(name)
  }

  mutating func tags(_ name: String) throws(Rejection) -> ArraySlice<UInt8> {
    var probe = self
    var count = 0
    try probe.array(name) { (place, json) throws(Rejection) in
      _ = try json.plainText("\(name)[\(place)]", 1...200)
      count = place + 1
    }
    guard count <= Bounds.tags else { throw outOfRange(name, "a list of at most \(Bounds.tags) strings") }
    return try bounded(name)
  }

  private mutating func bounded(_ name: String) throws(Rejection) -> ArraySlice<UInt8> {
    let raw = try rawValue()
    guard raw.count <= Bounds.extrasBytes else { throw outOfRange(name, "at most \(Bounds.extrasBytes) bytes long") }
    return raw
  }

  /// A lease's token; an empty text counts as absent, and one that is no token becomes one that was never granted.
  mutating func leaseID(_ name: String) throws(Rejection) -> LeaseID? {
    let text = try string(name)
    return text.isEmpty ? nil : LeaseID(text) ?? LeaseID(epoch: 0, number: 0)
  }
}

private enum RetryField: String, CaseIterable { case initial, factor, max, jitter }

private let retryTable = FieldTable(RetryField.self)

/// The fields of a retry policy.
let retryFields = retryTable.allNames

/// Whether a text may name a queue: 1 to 200 bytes of `[A-Za-z0-9._:-]`.
func isQueueName(_ text: String) -> Bool {
  (1...200).contains(text.utf8.count)
    && text.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
}

/// Decodes an optional body that is an object of these fields. `null` counts as absent.
func decodeOptional<Field>(
  _ bytes: [UInt8], _ table: FieldTable<Field>,
  _ read: (Field, inout JSONReader) throws(Rejection) -> Void
) throws(Rejection) {
  var json = JSONReader(bytes)
  guard !json.isAtEnd() else { return }
  try json.object("", table) { (field, json) throws(Rejection) in
    if try !json.takeNull() { try read(field, &json) }
  }
  try json.finish()
}

/// Refuses a body that says anything.
func requireNoFields(_ bytes: [UInt8]) throws(Rejection) {
  var json = JSONReader(bytes)
  guard !json.isAtEnd() else { return }
  try json.dictionary("") { (name, _) throws(Rejection) in
    throw Rejection(.unknownField, field: String(name.prefix(64)), "this request has no fields: send no body")
  }
  try json.finish()
}
