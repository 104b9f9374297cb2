import RoostAPI

/// What errors have in common that differ in numbers and ids alone: "timeout after 30 ms" and "timeout after 31 ms".
struct ErrorShape: Hashable, Sendable {
  /// At most so many bytes of an error are looked at.
  private static let mostBytes = 300

  /// The first line of the error: runs of digits, and words that are hexadecimal ids, as `#`.
  let name: Name
  var text: String { name.text }

  init(_ error: String) {
    var out: [UInt8] = []
    let line = error.utf8.drop { $0 == 0x20 || $0 == 0x0A }.prefix { $0 != 0x0A && $0 != 0x0D }.prefix(Self.mostBytes)
    var rest = Array(line)[...]
    while let first = rest.first {
      let word = rest.prefix { Self.isOfWord($0) }
      if word.isEmpty {
        out.append(first)
        rest.removeFirst()
      } else {
        Self.append(word, to: &out)
        rest = rest[word.endIndex...]
      }
    }
    // A cut may have gone through a character.
    name = Name(String(decoding: out, as: UTF8.self))
  }

  /// The shape's name in URLs: the FNV-1a hash of its text, 16 hexadecimal digits.
  var id: String {
    let hash = text.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func append(_ word: ArraySlice<UInt8>, to out: inout [UInt8]) {
    let hasDigit = word.contains { isDigit($0) }
    let isID = word.count >= 8 && word.allSatisfy { isHexadecimal($0) || $0 == UInt8(ascii: "-") }
    guard hasDigit, !isID else {
      if hasDigit { out.append(UInt8(ascii: "#")) } else { out += word }
      return
    }
    var isInNumber = false
    for byte in word {
      if !isDigit(byte) { out.append(byte) } else if !isInNumber { out.append(UInt8(ascii: "#")) }
      isInNumber = isDigit(byte)
    }
  }

  private static func isOfWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isHexadecimal(_ byte: UInt8) -> Bool { isDigit(byte) || (0x41...0x46).contains(byte & 0xDF) }
}
