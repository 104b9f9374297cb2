/// Values of the types that the contract uses, with their ranges checked: 400 for another type, 422 for a value
/// that is out of range.
extension JSONReader {
  /// A string of at most `limit` bytes.
  package mutating func string(_ name: String, limit: Int = .max) throws(Rejection) -> String {
    guard peek() == UInt8(ascii: "\"") else { throw wrongType(name, "a string") }
    let text = try text(key: name)
    guard text.utf8.count <= limit else { throw outOfRange(name, "at most \(limit) bytes long") }
    return text
  }

  package mutating func boolean(_ name: String) throws(Rejection) -> Bool {
    guard peek() == UInt8(ascii: "t") || peek() == UInt8(ascii: "f") else { throw wrongType(name, "a boolean") }
    let isTrue = peek() == UInt8(ascii: "t")
    try skipValue()
    return isTrue
  }

  /// An integer without fraction or exponent.
  package mutating func integer(_ name: String, _ range: ClosedRange<Int64>) throws(Rejection) -> Int64 {
    let (digits, isInteger) = try number(name, "an integer")
    guard isInteger else { throw Rejection(.wrongType, field: prefix + name, "\(prefix)\(name) must be an integer") }
    guard let value = Int64(digits), range.contains(value) else {
      throw outOfRange(name, "between \(range.lowerBound) and \(range.upperBound)")
    }
    return value
  }

  /// A number with or without a fraction.
  package mutating func decimal(_ name: String, _ range: ClosedRange<Double>) throws(Rejection) -> Double {
    let (digits, _) = try number(name, "a number")
    guard let value = Double(digits), range.contains(value) else {
      throw outOfRange(name, "between \(range.lowerBound) and \(range.upperBound)")
    }
    return value
  }

  /// A duration such as `"1h30m"`, in milliseconds.
  package mutating func duration(_ name: String, _ range: ClosedRange<Int64>) throws(Rejection) -> Int64 {
    guard peek() == UInt8(ascii: "\"") else { throw wrongType(name, "a duration such as \"30s\"") }
    guard let value = DurationText.milliseconds(try text(key: name)) else {
      throw outOfRange(name, "a duration such as \"250ms\", \"30s\" or \"1h30m\"")
    }
    guard range.contains(value) else {
      let (low, high) = (range.lowerBound, range.upperBound)
      throw outOfRange(
        name, "between \(DurationText.text(milliseconds: low)) and \(DurationText.text(milliseconds: high))")
    }
    return value
  }

  /// A time of RFC 3339, in milliseconds since 1970.
  package mutating func timestamp(_ name: String) throws(Rejection) -> Int64 {
    guard peek() == UInt8(ascii: "\"") else { throw wrongType(name, "a time such as \"2026-12-01T09:00:00Z\"") }
    guard let value = Timestamp.milliseconds(try text(key: name)) else {
      throw outOfRange(name, "a time such as \"2026-12-01T09:00:00Z\"")
    }
    return value
  }

  /// The text of a string token; `key` names it in errors.
  mutating func text(key: String) throws(Rejection) -> String {
    guard peek() == UInt8(ascii: "\"") else { throw malformed("a name in quotes is expected") }
    let start = at + 1
    let hasEscapes = try skipString()
    let raw = bytes[start..<(at - 1)]
    return hasEscapes ? Self.unescape(raw) : String(decoding: raw, as: UTF8.self)
  }

  private mutating func number(_ name: String, _ what: String) throws(Rejection) -> (String, Bool) {
    guard let first = peek(), first == UInt8(ascii: "-") || (0x30...0x39).contains(first) else {
      throw wrongType(name, what)
    }
    let start = at
    let isInteger = try skipNumber()
    return (String(decoding: bytes[start..<at], as: UTF8.self), isInteger)
  }

  /// Resolves the escapes of a string that was found valid.
  static func unescape(_ raw: ArraySlice<UInt8>) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(raw.count)
    var at = raw.startIndex
    while at < raw.endIndex {
      guard raw[at] == UInt8(ascii: "\\") else {
        out.append(raw[at])
        at += 1
        continue
      }
      let kind = raw[at + 1]
      at += 2
      switch kind {
      case UInt8(ascii: "b"): out.append(0x08)
      case UInt8(ascii: "f"): out.append(0x0C)
      case UInt8(ascii: "n"): out.append(0x0A)
      case UInt8(ascii: "r"): out.append(0x0D)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "u"):
        var scalar = unit(raw, at)
        at += 4
        if scalar & 0xFC00 == 0xD800 {
          scalar = 0x10000 + (scalar & 0x3FF) << 10 + unit(raw, at + 2) & 0x3FF
          at += 6
        }
        out.append(contentsOf: String(Character(Unicode.Scalar(scalar)!)).utf8)
      default: out.append(kind)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// How many bytes of UTF-8 a string token stands for, its quotes and escapes not counted.
  ///
  /// - Parameter token: A string that was found valid.
  package static func decodedCount(ofString token: ArraySlice<UInt8>) -> Int {
    var count = token.count - 2
    var at = token.startIndex + 1
    while at < token.endIndex - 1 {
      guard token[at] == UInt8(ascii: "\\") else {
        at += 1
        continue
      }
      guard token[at + 1] == UInt8(ascii: "u") else {
        count -= 1
        at += 2
        continue
      }
      let scalar = unit(token, at + 2)
      switch scalar {
      case 0..<0x80: count -= 5
      case 0x80..<0x800: count -= 4
      // Each half of a surrogate pair: together they are four bytes.
      case 0xD800..<0xE000: count -= 4
      default: count -= 3
      }
      at += 6
    }
    return count
  }

  private static func unit(_ raw: ArraySlice<UInt8>, _ at: Int) -> UInt32 {
    raw[at..<(at + 4)].reduce(0) { $0 << 4 | UInt32(hexValue($1) ?? 0) }
  }
}
