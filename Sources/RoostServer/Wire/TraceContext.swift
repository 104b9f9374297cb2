/// W3C Trace Context, as far as a job carries it on (https://www.w3.org/TR/trace-context/).
enum TraceContext {
  /// The longest `tracestate` that is carried on, bytes.
  static let mostStateBytes = 512

  /// The 32 hexadecimal digits of a `traceparent`.
  static func traceID(_ traceparent: String?) -> Substring? {
    guard let traceparent, parent(traceparent) != nil else { return nil }
    return traceparent.split(separator: "-").dropFirst().first
  }

  /// The header, if it may be carried on: what it says is for others to read.
  static func state(_ header: String) -> String? {
    (1...mostStateBytes).contains(header.utf8.count) && header.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
      ? header : nil
  }

  /// The values of all headers `tracestate` among these lines, as one list.
  static func states(_ fields: String) -> String {
    fields.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line -> String? in
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
        Substring(line[..<colon]).lowercased() == "tracestate"
      else { return nil }
      let value = line[line.index(after: colon)...].drop(while: isSpace)
      return value.lastIndex { !isSpace($0) }.map { String(Substring(value[...$0])) }
    }.joined(separator: ",")
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

  /// The header, if it has the form `version-trace-parent-flags`; the standard has every other one ignored.
  static func parent(_ header: String) -> String? {
    let parts = header.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count >= 4, header.utf8.count <= 128 else { return nil }
    // Version 00 has no further parts; later ones may.
    let isFirstVersion = parts[0].elementsEqual("00".utf8)
    guard isHex(parts[0], 2), !parts[0].elementsEqual("ff".utf8), isHex(parts[1], 32), !isZero(parts[1]),
      isHex(parts[2], 16), !isZero(parts[2]), isHex(parts[3], 2), !isFirstVersion || parts.count == 4,
      parts.dropFirst(4).allSatisfy({ $0.allSatisfy { (0x21...0x7E).contains($0) } })
    else { return nil }
    return header
  }

  private static func isHex(_ text: Substring.UTF8View, _ count: Int) -> Bool {
    text.count == count && text.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func isZero(_ text: Substring.UTF8View) -> Bool { text.allSatisfy { $0 == 0x30 } }
}
