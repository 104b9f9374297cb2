import Foundation
import RoostAPI

/// Dates in payloads and results: RFC 3339 in UTC with milliseconds, of the years 0000 to 9999.
enum PayloadDate {
  /// The calendar repeats after 400 years to the day, so earlier dates are read and written as later ones.
  private static let shiftYears = 2_000
  private static let shiftMilliseconds = Int64(shiftYears / 400) * 146_097 * 86_400_000
  private static let yearZero: Int64 = -62_167_219_200_000
  private static let yearTenThousand: Int64 = 253_402_300_800_000

  static func text(_ date: Date, _ path: [any CodingKey]) throws -> String {
    let milliseconds = date.milliseconds
    guard (yearZero..<yearTenThousand).contains(milliseconds) else {
      throw EncodingError.invalidValue(
        date,
        EncodingError.Context(codingPath: path, debugDescription: "a date must lie in the years 0000 to 9999"))
    }
    guard milliseconds < 0 else { return Timestamp.text(milliseconds: milliseconds) }
    let shifted = Timestamp.text(milliseconds: milliseconds + shiftMilliseconds)
    return fourDigits((Int(shifted.prefix(4)) ?? 0) - shiftYears) + shifted.dropFirst(4)
  }

  /// - Returns: nil if this is no RFC 3339 time.
  static func date(_ text: String) -> Date? {
    if let milliseconds = Timestamp.milliseconds(text) { return Date(milliseconds: milliseconds) }
    guard let year = Int(text.prefix(4)), (0...1_970).contains(year) else { return nil }
    let shifted = fourDigits(year + shiftYears) + text.dropFirst(4)
    return Timestamp.milliseconds(shifted).map { Date(milliseconds: $0 - shiftMilliseconds) }
  }

  private static func fourDigits(_ year: Int) -> String {
    String(repeating: "0", count: max(0, 4 - "\(year)".count)) + "\(year)"
  }
}
