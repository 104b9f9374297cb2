/// JSON in one form for all spellings of the same value, after RFC 8785: no white space, names in the order of their
/// UTF-16 code units, as few escapes as can be, numbers as ECMAScript writes them.
///
/// Where RFC 8785 would lose something this does not: a number keeps all its digits instead of becoming the nearest
/// double, so that 2⁵³ and 2⁵³ + 1 stay two numbers; names that an object has twice stay in their order.
package struct CanonicalJSON {
  let input: ArraySlice<UInt8>
  var at: Int
  var output: [UInt8] = []
  private var depth = 0
  private static let depthLimit = 256

  /// - Returns: Nil where the text is not one JSON value.
  package static func bytes(of json: ArraySlice<UInt8>) -> [UInt8]? {
    var writer = CanonicalJSON(json)
    guard writer.value() else { return nil }
    writer.skipSpace()
    return writer.at == json.endIndex ? writer.output : nil
  }

  /// The elements of an array, each in the one form, sorted; nil where the text is not an array.
  package static func sortedElements(of json: ArraySlice<UInt8>) -> [[UInt8]]? {
    var writer = CanonicalJSON(json)
    var elements: [[UInt8]] = []
    let isArray = writer.list(from: UInt8(ascii: "["), to: UInt8(ascii: "]")) { writer in
      let start = writer.output.count
      guard writer.value() else { return false }
      elements.append(Array(writer.output[start...]))
      return true
    }
    guard isArray else { return nil }
    writer.skipSpace()
    guard writer.at == json.endIndex else { return nil }
    return elements.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private init(_ input: ArraySlice<UInt8>) {
    self.input = input
    at = input.startIndex
    output.reserveCapacity(input.count)
  }

  // MARK: Values

  private mutating func value() -> Bool {
    skipSpace()
    guard at < input.endIndex else { return false }
    switch input[at] {
    case UInt8(ascii: "{"): return object()
    case UInt8(ascii: "["): return array()
    case UInt8(ascii: "\""): return string() != nil
    case UInt8(ascii: "-"), 0x30...0x39: return number()
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return false
    }
  }

  private mutating func skipSpace() {
    while at < input.endIndex, input[at] == 0x20 || input[at] == 0x0A || input[at] == 0x0D || input[at] == 0x09 {
      at += 1
    }
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let end = at + word.utf8CodeUnitCount
    let isThere = end <= input.endIndex && word.withUTF8Buffer { input[at..<end].elementsEqual($0) }
    guard isThere else { return false }
    output.append(contentsOf: input[at..<end])
    at = end
    return true
  }

  /// Takes a list in brackets; `element` takes what stands between the commas. Writes nothing itself.
  private mutating func list(
    from open: UInt8, to close: UInt8, _ element: (inout CanonicalJSON) -> Bool
  ) -> Bool {
    skipSpace()
    guard at < input.endIndex, input[at] == open, depth < Self.depthLimit else { return false }
    at += 1
    depth += 1
    defer { depth -= 1 }
    skipSpace()
    if at < input.endIndex, input[at] == close {
      at += 1
      return true
    }
    while true {
      guard element(&self) else { return false }
      skipSpace()
      guard at < input.endIndex else { return false }
      at += 1
      switch input[at - 1] {
      case close: return true
      case UInt8(ascii: ","): continue
      default: return false
      }
    }
  }

  private mutating func array() -> Bool {
    output.append(UInt8(ascii: "["))
    var isFirst = true
    let isWhole = list(from: UInt8(ascii: "["), to: UInt8(ascii: "]")) { writer in
      if !isFirst { writer.output.append(UInt8(ascii: ",")) }
      isFirst = false
      return writer.value()
    }
    output.append(UInt8(ascii: "]"))
    return isWhole
  }

  /// One name with its value, as it was written into the output.
  private struct Member {
    /// Without escapes.
    var name: ArraySlice<UInt8>
    var range: Range<Int>
  }

  private mutating func object() -> Bool {
    output.append(UInt8(ascii: "{"))
    let start = output.count
    var members: [Member] = []
    var isSorted = true
    let isWhole = list(from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { writer in
      if !members.isEmpty { writer.output.append(UInt8(ascii: ",")) }
      let from = writer.output.count
      writer.skipSpace()
      guard writer.at < writer.input.endIndex, writer.input[writer.at] == UInt8(ascii: "\""),
        let name = writer.string()
      else { return false }
      writer.skipSpace()
      guard writer.at < writer.input.endIndex, writer.input[writer.at] == UInt8(ascii: ":") else { return false }
      writer.at += 1
      writer.output.append(UInt8(ascii: ":"))
      guard writer.value() else { return false }
      if let last = members.last, Self.precedes(name, last.name) { isSorted = false }
      members.append(Member(name: name, range: from..<writer.output.count))
      return true
    }
    if isWhole, !isSorted { sort(members, from: start) }
    output.append(UInt8(ascii: "}"))
    return isWhole
  }

  /// Puts the members into their order; equal names stay as they came (the standard library's sort is stable).
  private mutating func sort(_ members: [Member], from start: Int) {
    var sorted: [UInt8] = []
    sorted.reserveCapacity(output.count - start)
    for member in members.sorted(by: { Self.precedes($0.name, $1.name) }) {
      if !sorted.isEmpty { sorted.append(UInt8(ascii: ",")) }
      sorted.append(contentsOf: output[member.range])
    }
    output.replaceSubrange(start..., with: sorted)
  }

  /// Whether a name goes before another by UTF-16 code units: as by bytes, but what needs a surrogate (four bytes) goes
  /// before U+E000 to U+FFFF.
  private static func precedes(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    for (one, other) in zip(a, b) where one != other { return rank(one) < rank(other) }
    return a.count < b.count
  }

  private static func rank(_ byte: UInt8) -> UInt16 { byte >= 0xF0 ? 0xED80 | UInt16(byte & 7) : UInt16(byte) << 8 }

  // MARK: Strings

  /// Writes a string and returns what it says.
  private mutating func string() -> ArraySlice<UInt8>? {
    let start = at
    at += 1
    var hasEscapes = false
    while at < input.endIndex, input[at] != UInt8(ascii: "\"") {
      if input[at] == UInt8(ascii: "\\") {
        hasEscapes = true
        at += 1
      }
      at += 1
    }
    guard at < input.endIndex else { return nil }
    at += 1
    let raw = input[(start + 1)..<(at - 1)]
    guard hasEscapes else {
      output.append(contentsOf: input[start..<at])
      return raw
    }
    guard let text = Self.unescaped(raw) else { return nil }
    write(text)
    return text[...]
  }

  private mutating func write(_ text: [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case 0x08: output.append(contentsOf: "\\b".utf8)
      case 0x09: output.append(contentsOf: "\\t".utf8)
      case 0x0A: output.append(contentsOf: "\\n".utf8)
      case 0x0C: output.append(contentsOf: "\\f".utf8)
      case 0x0D: output.append(contentsOf: "\\r".utf8)
      case 0..<0x20:
        output.append(contentsOf: "\\u00".utf8)
        output += [0x30 + byte >> 4, (byte & 15) < 10 ? 0x30 + (byte & 15) : 0x57 + (byte & 15)]
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private static func unescaped(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
    var text: [UInt8] = []
    text.reserveCapacity(raw.count)
    var rest = raw
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        text.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "u"):
        guard let scalar = scalar(&rest) else { return nil }
        text.append(contentsOf: UTF8.encode(scalar)!)
      case let other?: text.append(other)
      case nil: return nil
      }
    }
    return text
  }

  /// The scalar behind `\u`, with its second half where it has one.
  private static func scalar(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
    guard let first = unit(&rest) else { return nil }
    guard first & 0xFC00 == 0xD800 else { return Unicode.Scalar(first) }
    guard rest.popFirst() == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u"), let second = unit(&rest),
      second & 0xFC00 == 0xDC00
    else { return nil }
    return Unicode.Scalar(0x10000 + (first & 0x3FF) << 10 + second & 0x3FF)
  }

  private static func unit(_ rest: inout ArraySlice<UInt8>) -> UInt32? {
    guard rest.count >= 4 else { return nil }
    defer { rest = rest.dropFirst(4) }
    return rest.prefix(4).reduce(UInt32?(0)) { unit, byte in
      let digit: UInt8
      switch byte {
      case 0x30...0x39: digit = byte - 0x30
      case 0x41...0x46: digit = byte - 0x37
      case 0x61...0x66: digit = byte - 0x57
      default: return nil
      }
      return unit.map { $0 << 4 | UInt32(digit) }
    }
  }
}
