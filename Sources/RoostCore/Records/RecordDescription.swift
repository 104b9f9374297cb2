/// A record of the log as a person or a program reads it: its kind and its fields, in the order of the format.
///
/// Whatever a client sent appears as inert text: the first bytes only, everything but printable ASCII escaped. The
/// directory's secret is never shown.
package struct RecordDescription: Sendable, Equatable {
  package enum Value: Sendable, Equatable {
    case number(String)
    /// Printable ASCII only.
    case text(String)
    case flag(Bool)
    /// Content: how long it is and how it begins.
    case content(bytes: Int, start: String)
  }

  package struct Field: Sendable, Equatable {
    package var name: String
    package var value: Value
  }

  /// How many bytes of a payload, result or error are shown.
  package static let shownBytes = 64

  /// The kind's name; `unknown` when the first byte names none.
  package private(set) var kind: String
  package private(set) var fields: [Field] = []

  /// Whether the bytes are no record of this release.
  package var isUnreadable: Bool { fields.first?.name == Self.unreadableName }

  private static let unreadableName = "unreadable"

  init(_ kind: RecordKind) { self.kind = "\(kind)" }

  /// Bytes of which nothing more is known than that they should be a record of this kind.
  init(unreadable kind: String, _ record: UnsafeRawBufferPointer) {
    self.kind = kind
    add(Self.unreadableName, content: record)
  }

  /// `submitted number=1 queue="mail" payload=312:"{\"to\"…"`
  package var line: String {
    fields.reduce(into: kind) { line, field in
      line += " \(field.name)="
      switch field.value {
      case .number(let digits): line += digits
      case .flag(let flag): line += flag ? "true" : "false"
      case .text(let text): line += Self.quoted(text)
      case .content(let bytes, let start): line += "\(bytes):\(Self.quoted(start))"
      }
    }
  }

  /// One JSON object; content as `{"bytes": n, "start": "…"}`.
  ///
  /// - Parameter leading: Members that stand before the record's own, as JSON text such as `"segment":1`.
  package func json(leading: String = "") -> String {
    let head = (leading.isEmpty ? "" : leading + ",") + "\"kind\":\(Self.quoted(kind))"
    return fields.reduce(into: "{" + head) { json, field in
      json += ",\(Self.quoted(field.name)):"
      switch field.value {
      case .number(let digits): json += digits
      case .flag(let flag): json += flag ? "true" : "false"
      case .text(let text): json += Self.quoted(text)
      case .content(let bytes, let start): json += "{\"bytes\":\(bytes),\"start\":\(Self.quoted(start))}"
      }
    } + "}"
  }

  /// Printable ASCII in quotes; the same in both forms.
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for byte in text.utf8 {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { quoted += "\\" }
      quoted.unicodeScalars.append(Unicode.Scalar(byte))
    }
    return quoted + "\""
  }

  /// Printable ASCII stays, every other byte becomes `\xNN`.
  private static func escaped(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
      if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\\") {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
      }
    }
    return text
  }

  mutating func add(_ name: String, _ number: some BinaryInteger) {
    fields.append(Field(name: name, value: .number(String(number))))
  }

  mutating func add(_ name: String, _ flag: Bool) {
    fields.append(Field(name: name, value: .flag(flag)))
  }

  mutating func add(_ name: String, text: String) {
    fields.append(Field(name: name, value: .text(Self.escaped(text.utf8))))
  }

  mutating func add(_ name: String, hex number: UInt64) {
    fields.append(Field(name: name, value: .text(String(number, radix: 16))))
  }

  /// A name: shown whole.
  mutating func add(_ name: String, name bytes: UnsafeRawBufferPointer) {
    fields.append(Field(name: name, value: .text(Self.escaped(bytes))))
  }

  mutating func add(_ name: String, content bytes: UnsafeRawBufferPointer) {
    let start = Self.escaped(bytes.prefix(Self.shownBytes))
    fields.append(Field(name: name, value: .content(bytes: bytes.count, start: start)))
  }

  mutating func add(_ key: KeyHash) {
    add("idempotency_hash", text: key.text)
  }

  mutating func add(_ list: DependencyList) {
    add("depends_on", text: list.ids.map(\.description).joined(separator: " "))
    add("on_dead", text: "\(list.mode.onDead)")
    if list.mode.isEnded { add("when", text: "ended") }
  }

  mutating func add(_ body: JobBodyLayout) {
    add("queue", name: body.queue)
    add("type", name: body.type)
    add("owner", name: body.owner)
    if !body.traceparent.isEmpty { add("traceparent", name: body.traceparent) }
    if let made = body.madeBy {
      body.schedule.count > 8 ? add("schedule", text: made.name) : ()
      add("instant", made.instant)
    }
    if !body.metadata.isEmpty { add("metadata", content: body.metadata) }
    if !body.tags.isEmpty { add("tags", content: body.tags) }
    add("payload", content: body.payload)
  }
}
