/// Texts that count whatever they hold.
extension JSONReader {
  /// A string in which U+FFFD replaces what is no text: bytes that are no UTF-8, and halves of surrogate pairs. For what
  /// only people read, where a refusal would lose more than a character.
  package mutating func mendedString(_ name: String) throws(Rejection) -> String {
    guard nextIsString() else { throw wrongType(name, "a string") }
    var strict = self
    if let text = try? strict.text(key: name) {
      self = strict
      return text
    }
    at += 1
    var text: [UInt8] = []
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "\""):
        at += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): try takeEscape(into: &text)
      case 0..<0x20: throw malformed("control characters in a string must be escaped")
      default:
        text.append(bytes[at])
        at += 1
      }
    }
    throw malformed("the text ends inside of a string")
  }

  /// Takes any value; its strings may hold what `mendedString` replaces.
  package mutating func skipMended() throws(Rejection) {
    mendsTexts = true
    try skipValue()
    mendsTexts = false
  }

  private mutating func takeEscape(into text: inout [UInt8]) throws(Rejection) {
    var strict = self
    if (try? strict.skipEscape()) != nil {
      text.append(contentsOf: Self.unescape(bytes[at..<strict.at]).utf8)
      at = strict.at
    } else if isUnit(at: at + 1) {
      text.append(contentsOf: "\u{FFFD}".utf8)
      at += 6
    } else {
      // What is wrong with it.
      try skipEscape()
    }
  }

  /// Whether `uXXXX` is there.
  private func isUnit(at place: Int) -> Bool {
    place + 4 < bytes.count && bytes[place] == UInt8(ascii: "u")
      && bytes[(place + 1)...(place + 4)].allSatisfy { hexValue($0) != nil }
  }
}
