/// A month of the proleptic Gregorian calendar; days are counted from 1970-01-01, which is day 0.
/// The calculation follows Hinnant, "chrono-compatible low-level date algorithms".
struct CalendarMonth {
  private(set) var year: Int
  /// 1…12.
  private(set) var month: Int
  /// The day number of the month's first day.
  private(set) var firstDay: Int
  /// 28…31.
  private(set) var length: Int

  /// - Parameter month: 1…12.
  init(year: Int, month: Int) {
    self.year = year
    self.month = month
    firstDay = Self.firstDay(year, month)
    length = Self.length(year, month)
  }

  init(containing day: Int) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    firstDay = day - (dayOfYear - (153 * shiftedMonth + 2) / 5)
    length = Self.length(year, month)
  }

  /// Goes on to the month behind.
  mutating func advance() {
    firstDay += length
    year += month / 12
    month = month % 12 + 1
    length = Self.length(year, month)
  }

  /// The weekday of the first day, 0…6 from Sunday on.
  var firstWeekday: Int { Self.weekday(of: firstDay) }

  /// 0…6 from Sunday on; 1970-01-01 was a Thursday.
  static func weekday(of day: Int) -> Int {
    let weekday = (day + 4) % 7
    return weekday < 0 ? weekday + 7 : weekday
  }

  static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func length(_ year: Int, _ month: Int) -> Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: isLeap(year) ? 29 : 28
    default: 31
    }
  }

  private static func firstDay(_ year: Int, _ month: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
