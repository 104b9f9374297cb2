/// Times on the wire: RFC 3339. Written in UTC with milliseconds; read with any offset and fraction.
/// The calendar follows Hinnant, "chrono-compatible low-level date algorithms".
package enum Timestamp {
  /// The years that can be read and written.
  package static let years = 1970...9999

  /// - Parameter milliseconds: Since 1970; outside of `years` it is clamped.
  package static func text(milliseconds: Int64) -> String {
    var bytes: [UInt8] = []
    append(milliseconds: milliseconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends `2026-12-01T09:00:00.000Z`, 24 bytes.
  package static func append(milliseconds: Int64, to bytes: inout [UInt8]) {
    let clamped = min(max(milliseconds, 0), 253_402_300_799_999)
    let days = Int(clamped / 86_400_000)
    let rest = Int(clamped % 86_400_000)
    let (year, month, day) = civil(days: days)
    // Gathered first and appended once: answers are full of times.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { out in
      func two(_ value: Int, _ place: Int, _ follower: Unicode.Scalar) {
        out[place] = 0x30 + UInt8(truncatingIfNeeded: value / 10)
        out[place + 1] = 0x30 + UInt8(truncatingIfNeeded: value % 10)
        out[place + 2] = UInt8(ascii: follower)
      }
      // What follows the century is overwritten by the years in it.
      two(year / 100, 0, "0")
      two(year % 100, 2, "-")
      two(month, 5, "-")
      two(day, 8, "T")
      two(rest / 3_600_000, 11, ":")
      two(rest / 60_000 % 60, 14, ":")
      two(rest / 1_000 % 60, 17, ".")
      out[20] = 0x30 + UInt8(truncatingIfNeeded: rest / 100 % 10)
      two(rest % 100, 21, "Z")
      bytes.append(contentsOf: UnsafeBufferPointer(out))
    }
  }

  /// Milliseconds since 1970, finer fractions cut; nil if the text is no RFC 3339 time within `years`.
  /// A leap second (`:60`) counts as the second after.
  package static func milliseconds(_ text: some StringProtocol) -> Int64? {
    var rest = Array(text.utf8)[...]
    guard let year = number(4, &rest), take("-", &rest), let month = number(2, &rest), take("-", &rest),
      let day = number(2, &rest), take("T", &rest) || take("t", &rest) || take(" ", &rest),
      let hour = number(2, &rest), take(":", &rest), let minute = number(2, &rest), take(":", &rest),
      let second = number(2, &rest)
    else { return nil }
    guard years.contains(year), (1...12).contains(month), (1...length(of: month, in: year)).contains(day),
      hour < 24, minute < 60, second <= 60, let fraction = fraction(&rest), let offset = offset(&rest), rest.isEmpty
    else { return nil }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    let result = Int64(seconds) * 1_000 + Int64(fraction)
    return result >= 0 ? result : nil
  }

  private static func number(_ width: Int, _ rest: inout ArraySlice<UInt8>) -> Int? {
    guard rest.count >= width else { return nil }
    var value = 0
    for byte in rest.prefix(width) {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    rest = rest.dropFirst(width)
    return value
  }

  private static func take(_ character: Unicode.Scalar, _ rest: inout ArraySlice<UInt8>) -> Bool {
    guard rest.first == UInt8(ascii: character) else { return false }
    rest = rest.dropFirst()
    return true
  }

  private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Int? {
    guard take(".", &rest) else { return 0 }
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard (1...18).contains(digits.count) else { return nil }
    rest = rest.dropFirst(digits.count)
    var value = 0
    for place in 0..<3 {
      value = value * 10 + (place < digits.count ? Int(digits[digits.startIndex + place] - 0x30) : 0)
    }
    return value
  }

  private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int? {
    if take("Z", &rest) || take("z", &rest) { return 0 }
    let sign = take("+", &rest) ? 1 : take("-", &rest) ? -1 : 0
    guard sign != 0, let hours = number(2, &rest), take(":", &rest), let minutes = number(2, &rest), hours < 24,
      minutes < 60
    else { return nil }
    return sign * (hours * 60 + minutes)
  }

  private static func length(of month: Int, in year: Int) -> Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(days: Int) -> (Int, Int, Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}
