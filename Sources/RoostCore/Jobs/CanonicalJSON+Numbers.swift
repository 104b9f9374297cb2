/// Numbers as ECMAScript's `Number::toString` writes them, but with all the digits that they have.
extension CanonicalJSON {
  mutating func number() -> Bool {
    let isNegative = input[at] == UInt8(ascii: "-")
    if isNegative { at += 1 }
    let whole = takeDigits()
    var fraction = input[at..<at]
    if at < input.endIndex, input[at] == UInt8(ascii: ".") {
      at += 1
      fraction = takeDigits()
      guard !fraction.isEmpty else { return false }
    }
    guard !whole.isEmpty, let exponent = takeExponent() else { return false }
    var digits = Array(whole + fraction)
    digits.removeSubrange(..<(digits.firstIndex { $0 != 0x30 } ?? digits.endIndex))
    guard !digits.isEmpty else {
      output.append(0x30)
      return true
    }
    let significant = digits.lastIndex { $0 != 0x30 }! + 1
    let zeros = digits.count - significant
    digits.removeSubrange(significant...)
    if isNegative { output.append(UInt8(ascii: "-")) }
    guard case .value(let power) = exponent else {
      writeHuge(digits, zeros - fraction.count, exponent)
      return true
    }
    // The number is 0.digits × 10^point.
    write(digits, point: power - fraction.count + zeros + digits.count)
    return true
  }

  private enum Exponent {
    case value(Int)
    /// Beyond all that is added to it; its sign and digits.
    case huge(isNegative: Bool, ArraySlice<UInt8>)
  }

  private mutating func takeDigits() -> ArraySlice<UInt8> {
    let start = at
    while at < input.endIndex, (0x30...0x39).contains(input[at]) { at += 1 }
    return input[start..<at]
  }

  private mutating func takeExponent() -> Exponent? {
    guard at < input.endIndex, input[at] | 0x20 == UInt8(ascii: "e") else { return .value(0) }
    at += 1
    guard at < input.endIndex else { return nil }
    let isNegative = input[at] == UInt8(ascii: "-")
    if isNegative || input[at] == UInt8(ascii: "+") { at += 1 }
    let digits = takeDigits()
    guard !digits.isEmpty else { return nil }
    let significant = digits.drop { $0 == 0x30 }
    guard significant.count <= 15 else { return .huge(isNegative: isNegative, significant) }
    let value = significant.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return .value(isNegative ? -value : value)
  }

  private mutating func write(_ digits: [UInt8], point: Int) {
    switch point {
    case digits.count...max(21, digits.count) where point <= 21:
      output += digits + Array(repeating: 0x30, count: point - digits.count)
    case 1...21:
      output += digits[..<point] + [UInt8(ascii: ".")] + digits[point...]
    case -5...0:
      output += [0x30, UInt8(ascii: ".")] + Array(repeating: 0x30, count: -point) + digits
    default:
      output.append(digits[0])
      if digits.count > 1 { output += [UInt8(ascii: ".")] + digits[1...] }
      output.append(contentsOf: (point > 0 ? "e+" : "e-").utf8)
      output.append(contentsOf: String((point - 1).magnitude).utf8)
    }
  }

  /// No two such numbers are taken for one; one with its point in several places is taken for several.
  private mutating func writeHuge(_ digits: [UInt8], _ shift: Int, _ exponent: Exponent) {
    guard case .huge(let isNegative, let power) = exponent else { return }
    output += digits
    output.append(contentsOf: "e\(isNegative ? "-" : "+")".utf8)
    output.append(contentsOf: power)
    output.append(contentsOf: "(\(shift))".utf8)
  }
}
