/// A name, told apart by its bytes.
///
/// Swift compares, hashes and sorts `String` by Unicode's canonical equivalence: `é` as one scalar equals `e` with an
/// accent behind it, and the Kelvin sign equals `K`. The log, Redis and every client tell names apart by their bytes.
/// Owners and the names in JSON objects are therefore compared only as this type.
package struct Name: Hashable, Comparable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }
  package init(stringLiteral text: String) { self.text = text }

  package static func == (left: Name, right: Name) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

  package static func < (left: Name, right: Name) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }

  package var description: String { text }
}

extension StringProtocol {
  /// The text with A to Z in lower case and every other byte as it is: `lowercased()` also maps letters outside of
  /// ASCII into it, such as the Kelvin sign to `k`.
  package var asciiLowercased: String {
    String(
      decoding: utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}
