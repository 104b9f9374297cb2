/// Writes JSON straight into bytes: no tree, no Foundation. The caller balances what it begins.
///
/// Strings are inert wherever they are shown: control characters (C0, DEL, C1), line separators and the marks that
/// reverse the direction of text are escaped, so that neither a terminal nor a script takes them for anything else.
package struct JSONWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  /// - Parameter capacity: Bytes to reserve.
  package init(capacity: Int = 256) {
    bytes.reserveCapacity(capacity)
  }

  /// Begins anew, in the memory that is there.
  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  package mutating func beginObject() {
    separate()
    bytes.append(UInt8(ascii: "{"))
  }

  package mutating func endObject() { bytes.append(UInt8(ascii: "}")) }

  package mutating func beginArray() {
    separate()
    bytes.append(UInt8(ascii: "["))
  }

  package mutating func endArray() { bytes.append(UInt8(ascii: "]")) }

  /// A key that needs no escapes: plain ASCII in the source.
  package mutating func key(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
  }

  /// A key from elsewhere, escaped.
  package mutating func anyKey(_ name: String) {
    string(name)
    bytes.append(UInt8(ascii: ":"))
  }

  package mutating func string(_ text: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { appendEscaped($0) }
    bytes.append(UInt8(ascii: "\""))
  }

  package mutating func integer(_ value: some BinaryInteger) {
    separate()
    appendDecimal(Int64(clamping: value))
  }

  package mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// One JSON value that is valid already, copied byte for byte.
  package mutating func raw(_ value: ArraySlice<UInt8>) {
    separate()
    bytes.append(contentsOf: value)
  }

  /// A time as RFC 3339 in UTC with milliseconds.
  package mutating func timestamp(milliseconds: Int64) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    Timestamp.append(milliseconds: milliseconds, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  // A value after anything but an opening bracket or a colon is the next of its list. No value ends in one of these.
  private mutating func separate() {
    switch bytes.last {
    case nil, UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"): break
    default: bytes.append(UInt8(ascii: ","))
    }
  }

  private mutating func appendDecimal(_ value: Int64) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    var rest = value.magnitude
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }

  private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
    var clean = 0
    var at = 0
    while at < text.count {
      let byte = text[at]
      if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte < 0x7F {
        at += 1
        continue
      }
      let (scalar, length) = unsafeToShow(text, at)
      if let scalar {
        bytes.append(contentsOf: text[clean..<at])
        appendEscape(scalar)
        clean = at + length
      }
      at += length
    }
    bytes.append(contentsOf: text[clean...])
  }

  private func unsafeToShow(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> (UInt16?, Int) {
    let byte = text[at]
    if byte < 0x80 { return (UInt16(byte), 1) }
    if byte == 0xC2, text[at + 1] < 0xA0 { return (UInt16(text[at + 1]), 2) }
    guard byte == 0xE2 else { return (nil, 1) }
    let scalar = UInt16(0x2000) | UInt16(text[at + 1] & 0x3F) << 6 | UInt16(text[at + 2] & 0x3F)
    switch scalar {
    case 0x200B...0x200F, 0x2028...0x202E, 0x2066...0x2069: return (scalar, 3)
    default: return (nil, 3)
    }
  }

  private mutating func appendEscape(_ scalar: UInt16) {
    bytes.append(UInt8(ascii: "\\"))
    switch scalar {
    case 0x22: bytes.append(UInt8(ascii: "\""))
    case 0x5C: bytes.append(UInt8(ascii: "\\"))
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    default:
      bytes.append(UInt8(ascii: "u"))
      for shift in [12, 8, 4, 0] {
        let digit = UInt8(scalar >> UInt16(shift) & 0xF)
        bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
      }
    }
  }
}

extension JSONWriter {
  package mutating func field(_ name: StaticString, _ value: String) {
    key(name)
    string(value)
  }

  package mutating func field(_ name: StaticString, _ value: some BinaryInteger) {
    key(name)
    integer(value)
  }

  package mutating func field(_ name: StaticString, _ value: Bool) {
    key(name)
    bool(value)
  }

  package mutating func field(_ name: StaticString, raw value: ArraySlice<UInt8>) {
    key(name)
    raw(value)
  }

  package mutating func field(_ name: StaticString, milliseconds: Int64) {
    key(name)
    timestamp(milliseconds: milliseconds)
  }
}
