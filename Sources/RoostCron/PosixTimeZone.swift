/// The rule of a zone for all years: a standard offset and, in part of each year, another. It is what the TZ variable
/// of POSIX says (IEEE 1003.1, section 8.3), with the times beyond a day of RFC 9636, section 3.3.1.
struct PosixTimeZone: Sendable, Equatable {
  /// Seconds east of UTC.
  var standardOffset: Int64
  /// Nil: the standard offset holds all year.
  var daylight: Daylight?

  struct Daylight: Sendable, Equatable {
    /// Seconds east of UTC; less than the standard offset in Europe/Dublin.
    var offset: Int64
    /// On the clocks of standard time.
    var start: YearlyTime
    /// On the clocks of daylight-saving time.
    var end: YearlyTime
  }

  /// A local time that each year has once.
  struct YearlyTime: Sendable, Equatable {
    var date: YearlyDate
    /// Seconds from midnight of the date, up to a week before or behind it.
    var time: Int64

    /// Seconds since 1970-01-01T00:00:00 on the clocks.
    func local(in year: Int) -> Int64 { Int64(date.day(in: year)) * 86_400 + time }
  }

  /// A date that each year has once.
  enum YearlyDate: Sendable, Equatable {
    /// `J60`: 1…365, February 29 is not counted.
    case julian(Int)
    /// `59`: 0…365, February 29 is counted.
    case dayOfYear(Int)
    /// `M10.5.0`: the nth weekday (0…6 from Sunday on) of a month; the fifth is the last.
    case weekday(month: Int, week: Int, weekday: Int)

    /// Days since 1970-01-01.
    func day(in year: Int) -> Int {
      switch self {
      case .julian(let day):
        let isBehindLeapDay = day > 59 && CalendarMonth.isLeap(year)
        return CalendarMonth(year: year, month: 1).firstDay + day - (isBehindLeapDay ? 0 : 1)
      case .dayOfYear(let day):
        return CalendarMonth(year: year, month: 1).firstDay + day
      case .weekday(let number, let week, let weekday):
        let month = CalendarMonth(year: year, month: number)
        let day = (weekday - month.firstWeekday + 7) % 7 + 7 * (week - 1)
        return month.firstDay + (day < month.length ? day : day - 7)
      }
    }
  }

  /// The period that an instant belongs to.
  func period(at instant: Int64) -> TimeZoneTable.Period {
    let always = TimeZoneTable.Period.always
    var period = TimeZoneTable.Period(start: always.lowerBound, end: always.upperBound, offset: standardOffset)
    guard let daylight else { return period }
    let year = CalendarMonth(containing: Int(instant.floorDivided(by: 86_400))).year
    // A change may lie a week outside of its year.
    for year in year - 2...year + 1 {
      let start = (daylight.start.local(in: year) - standardOffset, daylight.offset)
      let end = (daylight.end.local(in: year) - daylight.offset, standardOffset)
      for (change, offset) in [start, end] {
        // Of two changes at once the later in order counts: a start right behind the end of the year before makes
        // daylight-saving time permanent (RFC 9636, section 3.3.1), an end with its own start makes it none.
        if change <= instant, change >= period.start {
          (period.start, period.offset) = (change, offset)
        } else if change > instant {
          period.end = min(period.end, change)
        }
      }
    }
    return period
  }
}
