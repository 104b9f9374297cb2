/// A filter as it stands in the log, with an operation: five texts, each with its length and 1 before it, two bytes, or 0
/// for one that is not there.
extension TextFilter {
  /// Empty for a filter that filters nothing.
  var stored: [UInt8] {
    guard !isEmpty else { return [] }
    return [tag, metadata?.text, error, reason, shape].flatMap { text -> [UInt8] in
      let bytes = text.map { Array($0.utf8) } ?? []
      let length = text == nil ? 0 : bytes.count + 1
      return [UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8)] + bytes
    }
  }

  /// Nil for bytes that are none, and for none.
  init?(stored: [UInt8]) {
    var rest = stored[...]
    var texts: [String?] = []
    while rest.count >= 2, texts.count < 5 {
      let length = Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8
      rest = rest.dropFirst(2)
      guard length > 0 else {
        texts.append(nil)
        continue
      }
      guard rest.count >= length - 1 else { return nil }
      texts.append(String(decoding: rest.prefix(length - 1), as: UTF8.self))
      rest = rest.dropFirst(length - 1)
    }
    guard texts.count == 5, rest.isEmpty else { return nil }
    (tag, error, reason, shape) = (texts[0], texts[2], texts[3], texts[4])
    metadata = texts[1].map { Metadata($0) }
  }
}
