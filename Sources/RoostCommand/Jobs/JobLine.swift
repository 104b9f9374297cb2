import Crypto
import RoostAPI

/// A line of a file of jobs, on its way to the body of a submit: its own fields, then those that flags say for all lines,
/// then an idempotency key that follows from all of it.
struct JobLine {
  /// Lines may not be longer than this; a payload may have 8 MiB at most.
  static let maxBytes = 16 << 20

  let body: [UInt8]

  /// - Parameters:
  ///   - line: One JSON value: the body of `POST /jobs`, or a payload.
  ///   - isPayload: Which of both.
  ///   - defaults: Fields of lines that do not say.
  ///   - run: Jobs of one run with the same fields are told apart by their place among each other, those of two runs by
  ///     its name.
  ///   - place: Tells how many lines came before whose fields have this hash.
  init(
    _ line: [UInt8], isPayload: Bool, defaults: [Field], run: String, place: (UInt64) -> Int
  ) throws(Rejection) {
    var reader = JSONReader(line)
    var fields: [Field] = []
    if isPayload {
      fields = [Field(name: "payload", value: try reader.rawValue())]
    } else {
      try reader.dictionary("") { (name, json) throws(Rejection) in
        fields.append(Field(name: name, value: try json.rawValue()))
      }
    }
    try reader.finish()
    guard fields.contains(where: { $0.name == "payload" }) else {
      throw Rejection(.missingField, field: "payload", "payload is missing; --payloads takes lines as payloads")
    }
    let given = fields.map(\.name)
    fields += defaults.filter { !given.contains($0.name) }
    var json = JSONWriter(capacity: line.count + 256)
    json.beginObject()
    for field in fields {
      json.anyKey(field.name)
      json.raw(field.value)
    }
    if !fields.contains(where: { $0.name == "idempotency_key" }) {
      let digest = SHA256.hash(data: json.bytes)
      var whole = SHA256()
      let short = digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      whole.update(data: Array("\(run.utf8.count):\(run) \(place(short)) ".utf8))
      digest.withUnsafeBytes { whole.update(bufferPointer: $0) }
      json.field("idempotency_key", "file-" + whole.finalize().prefix(20).map(Self.hexadecimal).joined())
    }
    json.endObject()
    body = json.bytes
  }

  /// A field of a body, its value as JSON.
  struct Field {
    let name: String
    let value: ArraySlice<UInt8>
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
  }
}
