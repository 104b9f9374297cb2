import Crypto

/// A text that must not be seen. It prints as `<redacted>`, has no `Codable`, and is read only through `reveal()`,
/// so that every place where a secret leaves can be found by that name.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let text: Substring

  package init(_ text: String) {
    self.text = text[...]
  }

  /// Shares the text that it was cut from: for a header's value on its way to the check.
  package init(_ text: Substring) {
    self.text = text
  }

  /// The secret itself: only for the one who asked for it, never for a log or an error.
  package func reveal() -> String {
    String(text)
  }

  /// Whether both are the same, in a time that depends only on their lengths.
  package func matches(_ other: Secret) -> Bool {
    constantTimeEqual(text.utf8, other.text.utf8)
  }

  /// Whether these are its bytes, in a time that depends only on their lengths.
  func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
    text.utf8.withContiguousStorageIfAvailable { constantTimeEqual(UnsafeRawBufferPointer($0), bytes) }
      ?? constantTimeEqual(text.utf8, bytes)
  }

  /// The public id in what looks like a key, without checking anything; nil if there is none.
  var unverifiedKeyID: Substring? { APIKey.unverifiedID(in: text) }

  /// A hash that differs from process to process: nothing can be aimed at it, and it is of no use elsewhere.
  var seededHash: Int {
    var hasher = Hasher()
    // The bytes: a text that only looks the same is another key.
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return hasher.finalize()
  }

  /// Whether it is meant as a JSON Web Token.
  var isMeantAsToken: Bool { WebToken.isMeant(text) }
  /// Bytes.
  var count: Int { text.utf8.count }

  package var description: String { "<redacted>" }
  package var debugDescription: String { "<redacted>" }
  // Without this, `dump` would walk into the stored text.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The SHA-256 of a key's secret: what is stored instead of the secret.
/// It prints as `<hash>`; only the store's own encoding carries it.
package struct SecretHash: Sendable, Hashable, Codable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let bytes: [UInt8]

  package init(of secret: Secret) {
    bytes = Array(SHA256.hash(data: Array(secret.reveal().utf8)))
  }

  /// Reads 64 hexadecimal digits; nil if the text is anything else.
  package init?(hex: String) {
    guard let bytes = Hexadecimal.bytes(hex), bytes.count == SHA256.byteCount else { return nil }
    self.bytes = bytes
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let hash = SecretHash(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a SHA-256 in hexadecimal")
    }
    self = hash
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }

  /// The 64 hexadecimal digits, for a store to keep.
  package var hex: String {
    Hexadecimal.text(bytes)
  }

  /// Whether both are of the same secret, compared in constant time.
  func isSame(as other: SecretHash) -> Bool {
    constantTimeEqual(bytes, other.bytes)
  }

  /// Whether the secret has this hash, compared in constant time.
  package func matches(_ secret: Secret) -> Bool {
    constantTimeEqual(bytes, SecretHash(of: secret).bytes)
  }

  package var description: String { "<hash>" }
  package var debugDescription: String { "<hash>" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Whether two byte sequences are equal, in a time that depends only on their lengths.
func constantTimeEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for (a, b) in zip(left, right) { difference |= a ^ b }
  return difference == 0
}

/// Lower-case hexadecimal, two digits a byte.
enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  static func text(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func bytes(_ text: String) -> [UInt8]? {
    let values = text.utf8.compactMap { digits.firstIndex(of: $0).map(UInt8.init) }
    guard values.count == text.utf8.count, values.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
  }
}
