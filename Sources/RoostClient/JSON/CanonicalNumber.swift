import Foundation

/// Booleans and numbers as JSON, one text for one value.
enum CanonicalNumber {
  /// - Returns: nil if the value is neither.
  /// - Throws: `EncodingError` for what is no number in JSON: infinity and NaN.
  static func text<Value: Encodable>(_ value: Value, _ path: [any CodingKey]) throws -> String? {
    if Value.self == Int.self { return "\(value)" }
    if Value.self == Bool.self { return "\(value)" }
    if Value.self == Double.self { return try text(of: value as! Double, path) }
    if Value.self == Float.self { return try text(of: value as! Float, path) }
    if Value.self == Decimal.self {
      guard !(value as! Decimal).isNaN else { throw invalid(value, path) }
      return "\(value)"
    }
    return integers.contains(ObjectIdentifier(Value.self)) ? "\(value)" : nil
  }

  private static let integers: Set<ObjectIdentifier> = {
    let types: [any FixedWidthInteger.Type] = [
      Int64.self, Int32.self, Int16.self, Int8.self, UInt.self, UInt64.self, UInt32.self, UInt16.self, UInt8.self,
      Int128.self, UInt128.self,
    ]
    return Set(types.map { ObjectIdentifier($0) })
  }()

  private static func text<Number: BinaryFloatingPoint & Encodable>(
    of number: Number, _ path: [any CodingKey]
  ) throws -> String {
    guard number.isFinite else { throw invalid(number, path) }
    guard number != 0 else { return "0" }
    // Swift describes a number with the fewest digits that read back as the same.
    return (number < 0 ? "-" : "") + layOut("\(number.magnitude)")
  }

  /// Digits and exponent laid out as ECMAScript's `Number::toString`, which RFC 8785 prescribes.
  private static func layOut(_ description: String) -> String {
    let parts = description.utf8.split(separator: UInt8(ascii: "e"))
    let mantissa = parts[0].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let fraction = mantissa.count > 1 ? Array(mantissa[1]) : []
    var digits = Array(mantissa[0]) + fraction
    // The place of the point, counted from the first digit.
    var point = mantissa[0].count + (parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0)
    let zero = UInt8(ascii: "0")
    let leading = digits.prefix { $0 == zero }.count
    digits.removeFirst(leading)
    point -= leading
    while digits.last == zero { digits.removeLast() }
    func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
    func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
    switch point {
    case digits.count...21: return text(digits) + zeros(point - digits.count)
    case 1...21: return text(digits[..<point]) + "." + text(digits[point...])
    case -5...0: return "0." + zeros(-point) + text(digits)
    default:
      let rest = digits.count > 1 ? "." + text(digits[1...]) : ""
      return text(digits[..<1]) + rest + "e" + (point > 0 ? "+" : "-") + "\(abs(point - 1))"
    }
  }

  private static func invalid(_ value: some Encodable, _ path: [any CodingKey]) -> EncodingError {
    EncodingError.invalidValue(
      value, EncodingError.Context(codingPath: path, debugDescription: "\(value) is no number in JSON"))
  }
}
