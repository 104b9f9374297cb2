private let weekdayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
private let monthNames = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
  "December",
]
private let ordinals = ["first", "second", "third", "fourth", "fifth"]
private let numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

extension CronDays {
  private var isEveryDayOfMonth: Bool { days == 0xFFFF_FFFE }
  private var isEveryWeekday: Bool { weekdays == 0x7F }

  /// Every day of the months that match.
  var isEveryDay: Bool {
    isEither ? isEveryDayOfMonth || isEveryWeekday : isEveryDayOfMonth && isEveryWeekday
  }

  /// `on weekdays`, `on the last day of the month`, `in January`; empty for every day of the year, nil where no short
  /// phrase says exactly which days.
  var words: String? {
    let months = Values(months)
    if isEveryDay { return Self.inMonths(months) }
    if !isEither, isEveryDayOfMonth { return weekdayWords(months) }
    if !isEither, isEveryWeekday { return dayWords(months) }
    // Both count: either phrase for itself, unless months would have to be said of both.
    guard isEither, months.list.count == 12 else { return nil }
    // A field that is not in use has no day.
    switch (dayWords(months), weekdayWords(months)) {
    case (let day?, let weekday?): return "\(day) and \(weekday)"
    default: return nil
    }
  }

  // MARK: Days of the month

  private func dayWords(_ months: Values) -> String? {
    guard let suffix = Self.ofMonths(months) else { return nil }
    switch (nearestWeekdays, hasLastWeekday) {
    case (0, false): return plainDayWords(months, suffix)
    case (0, true): return days == 0 && fromLast == 0 ? "on the last weekday \(suffix)" : nil
    default:
      let nearest = Values(UInt64(nearestWeekdays)).list
      guard nearest.count == 1, days == 0, fromLast == 0, !hasLastWeekday else { return nil }
      return nearest == [1]
        ? "on the first weekday \(suffix)" : "on the weekday nearest the \(Self.ordinal(nearest[0])) \(suffix)"
    }
  }

  private func plainDayWords(_ months: Values, _ suffix: String) -> String? {
    let days = Values(days)
    if fromLast > 1 {
      let offset = fromLast.trailingZeroBitCount
      guard days.list.isEmpty, fromLast.nonzeroBitCount == 1 else { return nil }
      let count = offset <= numbers.count ? numbers[offset - 1] : "\(offset)"
      return "\(count) day\(offset == 1 ? "" : "s") before the last day \(suffix)"
    }
    if fromLast == 0, days.list.count == 1, months.list.count == 1 {
      return "on \(days.list[0]) \(monthNames[months.list[0] - 1])"
    }
    if fromLast == 0, days.list.count > 2, let (first, last) = days.range(of: 31, from: 1), first < last {
      return "from the \(Self.ordinal(first)) to the \(Self.ordinal(last)) \(suffix)"
    }
    let words = days.list.map(Self.ordinal) + (fromLast == 1 ? ["last day"] : [])
    return words.count <= 4 ? "on the \(joined(words)) \(suffix)" : nil
  }

  private static func ordinal(_ day: Int) -> String {
    switch (day % 10, day) {
    case (_, 11...13): "\(day)th"
    case (1, _): "\(day)st"
    case (2, _): "\(day)nd"
    case (3, _): "\(day)rd"
    default: "\(day)th"
    }
  }

  // MARK: Days of the week

  private func weekdayWords(_ months: Values) -> String? {
    let isPlain = nth.isEmpty && last == 0
    if isPlain {
      guard let inMonths = Self.inMonths(months) else { return nil }
      let days = Self.plainWeekdayWords(Values(weekdays))
      return inMonths.isEmpty ? days : "\(days) \(inMonths)"
    }
    guard weekdays == 0, let suffix = Self.ofMonths(months) else { return nil }
    if nth.isEmpty {
      let days = Values(UInt64(last)).list
      return days.count == 1 ? "on the last \(weekdayNames[days[0]]) \(suffix)" : nil
    }
    let weeks = nth.indices.filter { nth[$0] != 0 }
    let days = Values(UInt64(nth[weeks[0]])).list
    guard last == 0, days.count == 1, weeks.allSatisfy({ nth[$0] == nth[weeks[0]] }) else { return nil }
    return "on the \(joined(weeks.map { ordinals[$0] })) \(weekdayNames[days[0]]) \(suffix)"
  }

  private static func plainWeekdayWords(_ days: Values) -> String {
    if days.list == [1, 2, 3, 4, 5] { return "on weekdays" }
    if days.list == [0, 6] { return "on weekends" }
    if days.list.count > 2, let (first, last) = days.range(of: 7) {
      return "from \(weekdayNames[first]) to \(weekdayNames[last])"
    }
    // The week of a sentence begins on Monday.
    let fromMonday = days.list.sorted { ($0 + 6) % 7 < ($1 + 6) % 7 }
    return "on \(joined(fromMonday.map { weekdayNames[$0] + "s" }))"
  }

  // MARK: Months

  /// Empty for all of them; nil where there is no short phrase.
  private static func inMonths(_ months: Values) -> String? {
    if months.list.count == 12 { return "" }
    if months.list.count > 2, let range = monthRange(months) { return "in the months \(range)" }
    return months.list.count <= 4 ? "in \(joined(months.list.map { monthNames[$0 - 1] }))" : nil
  }

  private static func ofMonths(_ months: Values) -> String? {
    if months.list.count == 12 { return "of the month" }
    if months.list.count > 2, let range = monthRange(months) { return "of each month \(range)" }
    return months.list.count <= 4 ? "of \(joined(months.list.map { monthNames[$0 - 1] }))" : nil
  }

  private static func monthRange(_ months: Values) -> String? {
    months.range(of: 12, from: 1).map { "from \(monthNames[$0.first - 1]) to \(monthNames[$0.last - 1])" }
  }
}
