/// The days on which an expression fires: those of the month, those of the week and the months.
struct CronDays: Sendable {
  /// Bit n: month n, 1…12.
  let months: UInt64
  /// Neither field begins with `*` or `?`: a day that matches either counts, as in crontab(5).
  let isEither: Bool

  /// Bit n: day n of the month, 1…31.
  let days: UInt64
  let fromLast: UInt32
  let nearestWeekdays: UInt32
  let hasLastWeekday: Bool

  /// Bit w: weekday w, 0…6 from Sunday on.
  let weekdays: UInt64
  /// Element n − 1, bit w: the nth weekday w of the month; empty if there is none.
  let nth: [UInt8]
  let last: UInt8

  init(_ day: ParsedField, _ month: ParsedField, _ weekday: ParsedField) {
    months = month.bits
    isEither = !day.beginsWithStar && !weekday.beginsWithStar
    days = day.bits
    fromLast = day.fromLast
    nearestWeekdays = day.nearestWeekdays
    hasLastWeekday = day.hasLastWeekday
    weekdays = weekday.bits
    nth = weekday.nth.contains { $0 != 0 } ? weekday.nth : []
    last = weekday.last
  }

  /// The days of a month that match; bit n is day n, 1…31.
  func matching(in month: CalendarMonth) -> UInt64 {
    guard months.has(month.month) else { return 0 }
    let byDay = byDay(in: month)
    let byWeekday = byWeekday(in: month)
    return (isEither ? byDay | byWeekday : byDay & byWeekday) & Self.all(month.length)
  }

  /// Bits 1 to `length`.
  private static func all(_ length: Int) -> UInt64 { (1 << UInt64(length + 1)) - 2 }

  // MARK: Days of the month

  private func byDay(in month: CalendarMonth) -> UInt64 {
    var result = days
    if fromLast == 0, nearestWeekdays == 0, !hasLastWeekday { return result }
    for offset in 0...30 where fromLast >> UInt32(offset) & 1 == 1 && offset < month.length {
      result |= 1 << UInt64(month.length - offset)
    }
    for day in 1...31 where nearestWeekdays >> UInt32(day) & 1 == 1 && day <= month.length {
      result |= 1 << UInt64(Self.nearestWeekday(to: day, in: month))
    }
    // Saturday and Sunday at the end of a month have their nearest weekday before them.
    if hasLastWeekday { result |= 1 << UInt64(Self.nearestWeekday(to: month.length, in: month)) }
    return result
  }

  /// Monday to Friday, within the month.
  private static func nearestWeekday(to day: Int, in month: CalendarMonth) -> Int {
    switch CalendarMonth.weekday(of: month.firstDay + day - 1) {
    case 6: day == 1 ? 3 : day - 1
    case 0: day == month.length ? day - 2 : day + 1
    default: day
    }
  }

  // MARK: Days of the week

  private func byWeekday(in month: CalendarMonth) -> UInt64 {
    let first = month.firstWeekday
    var result = Self.everyWeek(weekdays, first)
    if last != 0 {
      result |= Self.everyWeek(UInt64(last), first) & (Self.all(month.length) & ~Self.all(month.length - 7))
    }
    for (week, set) in nth.enumerated() where set != 0 {
      // The nth of any weekday is one of the nth seven days.
      result |= Self.everyWeek(UInt64(set), first) & (0b1111_1110 << UInt64(7 * week))
    }
    return result
  }

  /// Weekdays as days of a month, bits 1…35.
  private static func everyWeek(_ weekdays: UInt64, _ first: Int) -> UInt64 {
    // Bit 0 becomes the first day's weekday; then the week is repeated.
    let week = (weekdays >> UInt64(first) | weekdays << UInt64(7 - first)) & 0x7F
    return week &* 0x1020_4081 << 1
  }
}
