extension PosixTimeZone {
  /// Reads `CET-1CEST,M3.5.0,M10.5.0/3`. Names in `<>` may have digits and signs. Without dates the other offset
  /// holds from the second Sunday in March to the first in November, as in tzcode.
  ///
  /// - Returns: Nil if the text is no such rule.
  init?(_ text: some Sequence<UInt8>) {
    var reader = PosixTimeZoneReader(Array(text)[...])
    guard reader.skipName(), let west = reader.offset() else { return nil }
    standardOffset = -west
    if reader.isAtEnd { return }
    guard reader.skipName() else { return nil }
    var daylightOffset = standardOffset + 3_600
    if !reader.isAtEnd, !reader.isAt(",") {
      guard let west = reader.offset() else { return nil }
      daylightOffset = -west
    }
    if reader.isAtEnd { reader = PosixTimeZoneReader(Array(",M3.2.0,M11.1.0".utf8)[...]) }
    guard let start = reader.yearlyTime(), let end = reader.yearlyTime(), reader.isAtEnd else { return nil }
    daylight = Daylight(offset: daylightOffset, start: start, end: end)
  }
}

/// Reads the parts of a rule from left to right; nil and false are a fault of its form.
private struct PosixTimeZoneReader {
  private var rest: ArraySlice<UInt8>

  init(_ text: ArraySlice<UInt8>) { rest = text }

  var isAtEnd: Bool { rest.isEmpty }

  func isAt(_ character: Unicode.Scalar) -> Bool { rest.first == UInt8(ascii: character) }

  /// Three letters or more, or `<+0330>`.
  mutating func skipName() -> Bool {
    if take("<") {
      let name = rest.prefix { Self.isLetter($0) || Self.isDigit($0) || $0 == 0x2B || $0 == 0x2D }
      rest = rest.dropFirst(name.count)
      return name.count >= 3 && take(">")
    }
    let name = rest.prefix(while: Self.isLetter)
    rest = rest.dropFirst(name.count)
    return name.count >= 3
  }

  /// Seconds west of UTC, up to 24:59:59.
  mutating func offset() -> Int64? { clock(maxHours: 24) }

  /// `,M3.5.0/2`, `,J60`, `,59/-1:30`; without a time at 02:00.
  mutating func yearlyTime() -> PosixTimeZone.YearlyTime? {
    guard take(","), let date = date() else { return nil }
    guard take("/") else { return PosixTimeZone.YearlyTime(date: date, time: 7_200) }
    return clock(maxHours: 167).map { PosixTimeZone.YearlyTime(date: date, time: $0) }
  }

  private mutating func date() -> PosixTimeZone.YearlyDate? {
    if take("J") { return number(1...365).map { .julian($0) } }
    guard take("M") else { return number(0...365).map { .dayOfYear($0) } }
    guard let month = number(1...12), take("."), let week = number(1...5), take("."), let weekday = number(0...6)
    else { return nil }
    return .weekday(month: month, week: week, weekday: weekday)
  }

  /// Seconds: `[+-]h[:mm[:ss]]`.
  private mutating func clock(maxHours: Int) -> Int64? {
    let isNegative = take("-")
    if !isNegative { _ = take("+") }
    guard let hours = number(0...maxHours) else { return nil }
    var seconds = hours * 3_600
    if take(":") {
      guard let minutes = number(0...59) else { return nil }
      seconds += minutes * 60
      if take(":") {
        guard let rest = number(0...59) else { return nil }
        seconds += rest
      }
    }
    return Int64(isNegative ? -seconds : seconds)
  }

  private mutating func number(_ range: ClosedRange<Int>) -> Int? {
    let digits = rest.prefix(while: Self.isDigit)
    // No number of a rule has more than three digits.
    guard (1...3).contains(digits.count) else { return nil }
    rest = rest.dropFirst(digits.count)
    let value = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return range.contains(value) ? value : nil
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard isAt(character) else { return false }
    rest = rest.dropFirst()
    return true
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
