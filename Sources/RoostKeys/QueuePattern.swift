/// The queues that a key may use: one name (`email`), a prefix (`img-*`) or all (`*`).
/// A `*` stands only at the end.
package struct QueuePattern: Sendable, Hashable, CustomStringConvertible {
  /// The longest pattern, in bytes.
  package static let maximumBytes = 128
  /// The pattern that matches every queue.
  package static let all = QueuePattern(literal: [], isPrefix: true)

  private let literal: [UInt8]
  private let isPrefix: Bool

  /// Reads a pattern of 1 to 128 visible ASCII characters; nil if it is none.
  package init?(_ text: String) {
    var literal = Array(text.utf8)
    guard !literal.isEmpty, literal.count <= Self.maximumBytes else { return nil }
    let isPrefix = literal.last == UInt8(ascii: "*")
    if isPrefix { literal.removeLast() }
    guard literal.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "*") }) else { return nil }
    self.init(literal: literal, isPrefix: isPrefix)
  }

  private init(literal: [UInt8], isPrefix: Bool) {
    self.literal = literal
    self.isPrefix = isPrefix
  }

  /// Whether every queue matches.
  package var matchesEverything: Bool {
    isPrefix && literal.isEmpty
  }

  /// Whether the queue of this name, in UTF-8, matches. O(length of the pattern).
  package func matches(bytes queue: some Collection<UInt8>) -> Bool {
    isPrefix ? queue.starts(with: literal) : queue.elementsEqual(literal)
  }

  /// Whether the queue of this name matches.
  package func matches(_ queue: String) -> Bool {
    matches(bytes: queue.utf8)
  }

  package var description: String {
    String(decoding: literal, as: UTF8.self) + (isPrefix ? "*" : "")
  }
}

extension QueuePattern: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let pattern = QueuePattern(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a queue pattern")
    }
    self = pattern
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
