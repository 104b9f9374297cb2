/// An API key as its owner holds it: `<type>_<id>_<secret><checksum>`.
///
/// The id is public: 12 base62 characters. The secret is 27 base62 characters, drawn evenly: 160.7 random bits. The
/// checksum is the CRC-32 of all before it, as 6 base62 characters, so that a typo is refused without a look-up.
package struct APIKey: Sendable, CustomStringConvertible {
  /// Characters in an id; short enough that Swift keeps it inside the string value, without an allocation.
  package static let idLength = 12
  static let secretLength = 27
  private static let checksumLength = 6

  package let type: KeyType
  /// The public part, under which the key is stored and named.
  package let id: String
  /// The secret alone, whose hash is stored.
  package let secret: Secret
  /// The whole key, to be shown once.
  package let whole: Secret

  /// Makes a new key from the system's random numbers.
  package static func mint(_ type: KeyType) -> APIKey {
    var random = SystemRandomNumberGenerator()
    let id = Base62.random(idLength, using: &random)
    let secret = Base62.random(secretLength, using: &random)
    let body = "\(type.rawValue)_\(id)_\(secret)"
    let whole = body + checksum(of: body)
    return APIKey(type: type, id: id, secret: Secret(secret), whole: Secret(whole))
  }

  /// Reads a presented key; nil if its form or its checksum is wrong. Any single changed character is noticed.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 3, let type = KeyType(rawValue: String(parts[0])) else { return nil }
    let tail = parts[2]
    guard Base62.isText(parts[1]), parts[1].utf8.count == Self.idLength, Base62.isText(tail),
      tail.utf8.count == Self.secretLength + Self.checksumLength
    else { return nil }
    let checksum = Self.checksum(of: text.dropLast(Self.checksumLength))
    guard tail.utf8.suffix(Self.checksumLength).elementsEqual(checksum.utf8) else { return nil }
    let secret = Secret(String(tail.prefix(Self.secretLength)))
    self.init(type: type, id: String(parts[1]), secret: secret, whole: Secret(String(text)))
  }

  /// Whether a text is most likely a key with one character changed, dropped or doubled: such a one is refused without a
  /// look-up. One mistake leaves the beginning as it was, or the end.
  static func isNearly(_ text: String) -> Bool {
    let tailLength = secretLength + checksumLength
    let lengths = KeyType.allCases.map { $0.rawValue.utf8.count + 1 + idLength + 1 + tailLength }
    let bytes = Array(text.utf8)
    guard let least = lengths.min(), let most = lengths.max(), (least - 1...most + 1).contains(bytes.count) else {
      return false
    }
    let hasBeginning = KeyType.allCases.contains { bytes.starts(with: Array("\($0.rawValue)_".utf8)) }
    let separator = UInt8(ascii: "_")
    let hasEnd =
      bytes[bytes.count - tailLength - 1] == separator
      && bytes[bytes.count - tailLength - 1 - idLength - 1] == separator
    // Its first separator was lost.
    let hasNameAndTail =
      KeyType.allCases.contains { bytes.starts(with: Array($0.rawValue.utf8)) }
      && bytes[bytes.count - tailLength - 1] == separator
    return hasBeginning || hasEnd || hasNameAndTail
  }

  /// The digits that end a key, from all before them. No secret: anyone can compute them.
  package static func checksum(of body: some StringProtocol) -> String {
    Base62.text(CRC32.checksum(body.utf8), width: checksumLength)
  }

  private init(type: KeyType, id: String, secret: Secret, whole: Secret) {
    self.type = type
    self.id = id
    self.secret = secret
    self.whole = whole
  }

  /// The public id in a text that is one, or looks like a whole key of Roost's; nil if it is neither. It checks the
  /// form only.
  package static func publicID(in text: String) -> String? {
    let id = unverifiedID(in: text[...]) ?? text[...]
    return isID(id.utf8) ? String(id) : nil
  }

  /// Whether these bytes have the form of an id. Where only such ids are stored and looked for, they are ASCII, and
  /// comparing them as `String` compares their bytes.
  static func isID(_ bytes: some Collection<UInt8>) -> Bool {
    bytes.count == idLength && bytes.allSatisfy(Base62.isDigit)
  }

  /// The id in what looks like a key, of which nothing else is checked; nil if there is none. For the cache's fast
  /// path, which compares the whole key anyway.
  static func unverifiedID(in token: Substring) -> Substring? {
    let bytes = token.utf8
    guard let first = bytes.firstIndex(of: UInt8(ascii: "_")) else { return nil }
    let rest = bytes[bytes.index(after: first)...]
    guard let second = rest.firstIndex(of: UInt8(ascii: "_")), isID(rest[..<second]) else { return nil }
    return Substring(rest[..<second])
  }

  package var description: String {
    Self.masked(type: type, id: id)
  }
}

/// The letters and digits of ASCII as digits: 0–9, A–Z, a–z.
enum Base62 {
  private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

  /// Even random digits, log2(62) = 5.95 bits each.
  static func random(_ length: Int, using generator: inout SystemRandomNumberGenerator) -> String {
    String(decoding: (0..<length).map { _ in digits.randomElement(using: &generator)! }, as: UTF8.self)
  }

  /// The number, most significant digit first, padded with zeros. `width` must be enough: 6 for 32 bits.
  static func text(_ number: UInt32, width: Int) -> String {
    var rest = number
    var text = [UInt8](repeating: digits[0], count: width)
    for place in text.indices.reversed() {
      text[place] = digits[Int(rest % 62)]
      rest /= 62
    }
    precondition(rest == 0, "the number fits into the width")
    return String(decoding: text, as: UTF8.self)
  }

  /// A digit for each byte, nearly even.
  static func text(_ bytes: some Sequence<UInt8>) -> String {
    String(decoding: bytes.map { digits[Int($0) % digits.count] }, as: UTF8.self)
  }

  static func isText(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy(isDigit)
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: false
    }
  }
}

/// CRC-32 of IEEE 802.3 (reflected polynomial EDB88320): it notices every error within 32 neighbouring bits,
/// so every single wrong character. Computed bit by bit: a key is short, and the cached path never comes here.
enum CRC32 {
  static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return ~crc
  }
}
