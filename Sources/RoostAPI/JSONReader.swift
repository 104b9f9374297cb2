/// Reads JSON (RFC 8259) where it lies, strictly, and keeps values as ranges of the bytes that were sent.
///
/// Strict means: valid UTF-8, no lone surrogates, no trailing bytes, at most 64 levels, and in an object that is
/// read by its fields no unknown and no repeated name. Positions in errors count bytes from 0.
package struct JSONReader: Sendable {
  /// How deep arrays and objects may be nested.
  package static let depthLimit = 64

  let bytes: [UInt8]
  var at = 0
  var depth = 0
  /// What stands before a field's name in an error: `retry.` inside of `retry`.
  private(set) var prefix = ""

  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Whether only white space is left.
  package mutating func isAtEnd() -> Bool {
    skipSpace()
    return at == bytes.count
  }

  /// Ends the document: anything but white space is refused.
  package mutating func finish() throws(Rejection) {
    guard isAtEnd() else { throw malformed("nothing may follow the value") }
  }

  /// Reads an object by its fields, in the order in which they were sent.
  ///
  /// - Parameters:
  ///   - name: The field that holds it, for errors; empty for the document itself.
  ///   - read: Reads the value of one field, and all of it.
  package mutating func object<Field>(
    _ name: String, _ table: FieldTable<Field>,
    _ read: (Field, inout JSONReader) throws(Rejection) -> Void
  ) throws(Rejection) {
    guard peek() == UInt8(ascii: "{") else { throw wrongType(name, "an object") }
    let outer = prefix
    if !name.isEmpty { prefix += name + "." }
    try enter()
    var seen: UInt64 = 0
    var isFirst = true
    while try hasNext(UInt8(ascii: "}"), &isFirst) {
      let index = try fieldIndex(table)
      let bit = UInt64(1) << UInt64(index)
      let field = table.fields[index]
      guard seen & bit == 0 else { throw duplicate(prefix + table.name(index)) }
      seen |= bit
      try colon()
      try read(field, &self)
    }
    depth -= 1
    prefix = outer
  }

  /// Reads an array; `read` is called for each element with its place from 0.
  package mutating func array(
    _ name: String, _ read: (Int, inout JSONReader) throws(Rejection) -> Void
  ) throws(Rejection) {
    guard peek() == UInt8(ascii: "[") else { throw wrongType(name, "an array") }
    try enter()
    var isFirst = true
    var place = 0
    while try hasNext(UInt8(ascii: "]"), &isFirst) {
      try read(place, &self)
      place += 1
    }
    depth -= 1
  }

  /// Reads an object with names of any kind, each once; `read` reads the value.
  package mutating func dictionary(
    _ name: String, _ read: (String, inout JSONReader) throws(Rejection) -> Void
  ) throws(Rejection) {
    guard peek() == UInt8(ascii: "{") else { throw wrongType(name, "an object") }
    try enter()
    var names = Set<Name>()
    var isFirst = true
    while try hasNext(UInt8(ascii: "}"), &isFirst) {
      let key = try text(key: name)
      guard names.insert(Name(key)).inserted else { throw duplicate(prefix + name + "." + key) }
      try colon()
      try read(key, &self)
    }
    depth -= 1
  }

  /// Takes any value and returns its bytes as they were sent, without white space around them.
  package mutating func rawValue() throws(Rejection) -> ArraySlice<UInt8> {
    _ = peek()
    let start = at
    try skipValue()
    return bytes[start..<at]
  }

  /// Takes `null` if it is next.
  package mutating func takeNull() throws(Rejection) -> Bool {
    guard peek() == UInt8(ascii: "n") else { return false }
    try skipValue()
    return true
  }

  private mutating func fieldIndex<Field>(_ table: FieldTable<Field>) throws(Rejection) -> Int {
    guard peek() == UInt8(ascii: "\"") else { throw malformed("a field's name, in quotes, is expected") }
    let start = at + 1
    let hasEscapes = try skipString()
    let raw = bytes[start..<(at - 1)]
    if let index = table.index(raw) { return index }
    let name = hasEscapes ? Self.unescape(raw) : String(decoding: raw, as: UTF8.self)
    if let index = table.index(Array(name.utf8)[...]) { return index }
    throw unknown(name, table.nearest(name))
  }

  private func unknown(_ name: String, _ nearest: String?) -> Rejection {
    let shown = prefix + String(name.prefix(64))
    let rejection = Rejection(
      .unknownField, field: shown,
      "there is no field \(shown)" + (nearest.map { ": did you mean \($0)?" } ?? ": remove it"))
    return nearest.map { rejection.with("hint", $0) } ?? rejection
  }

  private func duplicate(_ name: String) -> Rejection {
    Rejection(.duplicateField, field: name, "\(name) is given twice: give it once")
  }
}

extension JSONReader {
  /// An error of grammar at the present position.
  func malformed(_ what: String) -> Rejection {
    Rejection(.invalidJSON, "the body is not valid JSON at byte \(at): \(what)").with("offset", "\(at)")
  }

  /// The value is well formed but of another type.
  package func wrongType(_ name: String, _ expected: String) -> Rejection {
    guard at < bytes.count else { return malformed("the text ends here") }
    let found: String
    switch bytes[at] {
    case UInt8(ascii: "{"): found = "an object"
    case UInt8(ascii: "["): found = "an array"
    case UInt8(ascii: "\""): found = "a string"
    case UInt8(ascii: "t"), UInt8(ascii: "f"): found = "a boolean"
    case UInt8(ascii: "n"): found = "null"
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): found = "a number"
    default: return malformed("no value begins with this byte")
    }
    // The value itself may be broken, and then that is what is wrong.
    var probe = self
    do { try probe.skipValue() } catch { return error }
    let shown = name.isEmpty ? "the body" : prefix + name
    return Rejection(.wrongType, field: shown, "\(shown) must be \(expected), not \(found)")
  }

  /// The value is of the right type but not acceptable.
  package func outOfRange(_ name: String, _ expected: String) -> Rejection {
    Rejection(.outOfRange, field: prefix + name, "\(prefix)\(name) must be \(expected)")
  }

  /// - Parameter hint: What the field would say.
  package func missing(_ name: String, _ hint: String) -> Rejection {
    Rejection(.missingField, field: prefix + name, "\(prefix)\(name) is missing: \(hint)")
  }
}

extension JSONReader {
  /// Whether the next value is a string.
  package mutating func nextIsString() -> Bool { peek() == UInt8(ascii: "\"") }
}
