/// The grammar of RFC 8259, walked without building anything.
extension JSONReader {
  mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 { at += 1 }
  }

  /// The next byte that counts; nil at the end.
  mutating func peek() -> UInt8? {
    skipSpace()
    return at < bytes.count ? bytes[at] : nil
  }

  mutating func enter() throws(Rejection) {
    guard depth < Self.depthLimit else {
      throw Rejection(.tooDeep, "the JSON is nested deeper than \(Self.depthLimit) levels: flatten it")
        .with("offset", "\(at)")
    }
    depth += 1
    at += 1
  }

  /// Moves to the next element; false at the closing bracket, which is taken.
  mutating func hasNext(_ close: UInt8, _ isFirst: inout Bool) throws(Rejection) -> Bool {
    let next = peek()
    if next == close, isFirst {
      at += 1
      return false
    }
    if isFirst {
      isFirst = false
      return true
    }
    switch next {
    case close:
      at += 1
      return false
    case UInt8(ascii: ","):
      at += 1
      guard peek() != close else { throw malformed("a value must follow the comma") }
      return true
    case nil: throw malformed("the text ends inside of an object or array")
    default: throw malformed("a comma or a closing bracket is expected")
    }
  }

  mutating func colon() throws(Rejection) {
    guard peek() == UInt8(ascii: ":") else { throw malformed("a colon is expected") }
    at += 1
  }

  mutating func skipValue() throws(Rejection) {
    switch peek() {
    case UInt8(ascii: "\""): _ = try skipString()
    case UInt8(ascii: "{"): try skipObject()
    case UInt8(ascii: "["): try skipArray()
    case UInt8(ascii: "t"): try skipWord("true")
    case UInt8(ascii: "f"): try skipWord("false")
    case UInt8(ascii: "n"): try skipWord("null")
    case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): _ = try skipNumber()
    case nil: throw malformed("the text ends where a value is expected")
    default: throw malformed("no value begins with this byte")
    }
  }

  private mutating func skipObject() throws(Rejection) {
    try enter()
    var isFirst = true
    while try hasNext(UInt8(ascii: "}"), &isFirst) {
      guard peek() == UInt8(ascii: "\"") else { throw malformed("a field's name, in quotes, is expected") }
      _ = try skipString()
      try colon()
      try skipValue()
    }
    depth -= 1
  }

  private mutating func skipArray() throws(Rejection) {
    try enter()
    var isFirst = true
    while try hasNext(UInt8(ascii: "]"), &isFirst) { try skipValue() }
    depth -= 1
  }

  private mutating func skipWord(_ word: StaticString) throws(Rejection) {
    let end = at + word.utf8CodeUnitCount
    let isThere = end <= bytes.count && word.withUTF8Buffer { bytes[at..<end].elementsEqual($0) }
    guard isThere else { throw malformed("only true, false and null are words") }
    at = end
  }

  /// Takes a number; true if it is written as an integer, without a fraction or an exponent.
  mutating func skipNumber() throws(Rejection) -> Bool {
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    if at < bytes.count, bytes[at] == UInt8(ascii: "0") { at += 1 } else { try skipDigits() }
    var isInteger = true
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      isInteger = false
      at += 1
      try skipDigits()
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      try skipDigits()
    }
    return isInteger
  }

  private mutating func skipDigits() throws(Rejection) {
    let start = at
    while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
    guard at > start else { throw malformed("a digit is expected") }
  }

  /// Takes a string with its quotes; true if it has escapes.
  mutating func skipString() throws(Rejection) -> Bool {
    at += 1
    var hasEscapes = false
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\"") {
        at += 1
        return hasEscapes
      }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try skipEscape()
      } else if byte >= 0x80 {
        try skipMultibyte()
      } else if byte >= 0x20 {
        at += 1
      } else {
        throw malformed("control characters in a string must be escaped")
      }
    }
    throw malformed("the text ends inside of a string")
  }

  /// Takes a backslash and what it stands before; of a surrogate pair both halves.
  mutating func skipEscape() throws(Rejection) {
    at += 1
    guard at < bytes.count else { throw malformed("the text ends inside of a string") }
    switch bytes[at] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      at += 1
    case UInt8(ascii: "u"):
      let unit = try hexUnit()
      if unit & 0xF800 == 0xD800 { try skipLowSurrogate(after: unit) }
    default: throw malformed("there is no such escape")
    }
  }

  private mutating func skipLowSurrogate(after high: UInt16) throws(Rejection) {
    let end = at
    guard high < 0xDC00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
    else { return try passOver(to: end, "a surrogate needs its other half") }
    at += 1
    guard try hexUnit() & 0xFC00 == 0xDC00 else { return try passOver(to: end, "a surrogate needs its other half") }
  }

  /// Takes `uXXXX`.
  private mutating func hexUnit() throws(Rejection) -> UInt16 {
    guard at + 4 < bytes.count else { throw malformed("four hexadecimal digits are expected") }
    var unit: UInt16 = 0
    for place in 1...4 {
      guard let digit = hexValue(bytes[at + place]) else { throw malformed("four hexadecimal digits are expected") }
      unit = unit << 4 | UInt16(digit)
    }
    at += 5
    return unit
  }

  /// Takes one scalar of two to four bytes, by table 3-7 of the Unicode Standard.
  private mutating func skipMultibyte() throws(Rejection) {
    let lead = bytes[at]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return try passOver(to: at + 1, "this is not UTF-8")
    }
    guard at + length <= bytes.count, second.contains(bytes[at + 1]) else {
      return try passOver(to: at + 1, "this is not UTF-8")
    }
    for place in 2..<max(length, 2) where bytes[at + place] & 0xC0 != 0x80 {
      return try passOver(to: at + 1, "this is not UTF-8")
    }
    at += length
  }

  /// What is no text: passed over where that is to be mended, else refused.
  private mutating func passOver(to end: Int, _ what: String) throws(Rejection) {
    guard mendsTexts else { throw malformed(what) }
    at = end
  }
}

func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x41...0x46: byte - 0x37
  case 0x61...0x66: byte - 0x57
  default: nil
  }
}
