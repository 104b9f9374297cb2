extension CronExpression {
  /// The expression in plain English, as it follows "fires": `at 02:30 on weekdays`, `every 15 minutes`, `at 00:00 on
  /// the last day of the month`. Times are those of the schedule's zone.
  ///
  /// Nil where no short phrase says exactly the same, and for an expression that never fires.
  package var words: String? {
    guard next(after: 0, in: .utc) != nil, let time = time.words else { return nil }
    let isEveryDay = days.isEveryDay
    // "From 22:00 to 02:00 on Mondays" would be read as into Tuesday.
    guard isEveryDay || !time.crossesMidnight, let days = days.words else { return nil }
    switch (time.isOnceADay, isEveryDay, days.isEmpty) {
    case (true, true, true): return "\(time.text) every day"
    case (true, true, false): return "\(time.text) every day \(days)"
    case (_, _, true): return time.text
    case (_, _, false): return "\(time.text) \(days)"
    }
  }
}

/// The words for the time of a day.
struct TimeWords {
  var text: String
  /// "Every day" may follow: the phrase names times of a day.
  var isOnceADay = false
  var crossesMidnight = false
}

extension CronTime {
  /// How many times of a day are listed one by one.
  private static let maxListed = 6

  var words: TimeWords? {
    let (seconds, minutes, hours) = (Values(seconds), Values(minutes), Values(hours))
    if seconds.list == [0] { return Self.words(minutes, hours) ?? listed }
    guard minutes.list.count == 60, hours.list.count == 24 else { return listed }
    if seconds.list.count == 60 { return TimeWords(text: "every second") }
    if let step = seconds.step(of: 60) { return TimeWords(text: "every \(step) seconds") }
    guard seconds.list.count <= 4 else { return nil }
    return TimeWords(text: "at \(Self.count(seconds.list, "second")) past every minute")
  }

  private static func words(_ minutes: Values, _ hours: Values) -> TimeWords? {
    let every: String
    if minutes.list.count == 60 {
      every = "every minute"
    } else if let step = minutes.step(of: 60) {
      every = "every \(step) minutes"
    } else if minutes.list.count == 1 {
      return words(at: minutes.list[0], hours)
    } else if hours.list.count == 24, minutes.list.count <= 4 {
      return TimeWords(text: "at \(count(minutes.list, "minute")) past every hour")
    } else {
      return nil
    }
    if hours.list.count == 24 { return TimeWords(text: every) }
    // Twice an hour, in one hour: two times of the day say it better.
    guard let (first, last) = hours.range(of: 24), hours.list.count > 1 || minutes.list.count > 4 else { return nil }
    let text = "\(every) from \(clock(first, 0)) to \(clock(last, minutes.list[minutes.list.count - 1]))"
    return TimeWords(text: text, crossesMidnight: last < first)
  }

  /// Once an hour.
  private static func words(at minute: Int, _ hours: Values) -> TimeWords? {
    if hours.list.count == 24 {
      return TimeWords(text: minute == 0 ? "every hour" : "at \(count([minute], "minute")) past every hour")
    }
    if hours.list.count > 2, let step = hours.step(of: 24) {
      return TimeWords(text: "every \(step) hours from \(clock(0, minute))")
    }
    guard hours.list.count > 2, let (first, last) = hours.range(of: 24) else { return nil }
    return TimeWords(
      text: "every hour from \(clock(first, minute)) to \(clock(last, minute))", crossesMidnight: last < first)
  }

  /// `at 09:00 and 17:00`.
  private var listed: TimeWords? {
    let (seconds, minutes, hours) = (Values(seconds), Values(minutes), Values(hours))
    guard seconds.list.count * minutes.list.count * hours.list.count <= Self.maxListed else { return nil }
    let times = hours.list.flatMap { hour in
      minutes.list.flatMap { minute in
        seconds.list.map { second in
          Self.clock(hour, minute) + (seconds.list == [0] ? "" : ":\(Self.two(second))")
        }
      }
    }
    return TimeWords(text: "at \(joined(times))", isOnceADay: true)
  }

  /// `5, 25 and 45 minutes`.
  private static func count(_ values: [Int], _ unit: String) -> String {
    "\(joined(values.map(String.init))) \(unit)\(values == [1] ? "" : "s")"
  }

  private static func clock(_ hour: Int, _ minute: Int) -> String { "\(two(hour)):\(two(minute))" }
  private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// The values of a field, to be put into words.
struct Values {
  let list: [Int]

  init(_ bits: UInt64) { list = (0..<64).filter(bits.has) }

  /// Every nth value from 0 on, and so around the whole field; nil for a single value and for all of them.
  func step(of size: Int) -> Int? {
    guard list.count > 1, list.count < size, size % list.count == 0 else { return nil }
    let step = size / list.count
    return list.enumerated().allSatisfy { $1 == $0 * step } ? step : nil
  }

  /// First and last of values without a hole; the last is less where they go on at the field's least value.
  func range(of size: Int, from least: Int = 0) -> (first: Int, last: Int)? {
    guard list.count < size else { return nil }
    let starts = list.filter { !list.contains($0 == least ? least + size - 1 : $0 - 1) }
    guard starts.count == 1 else { return nil }
    return (starts[0], least + (starts[0] - least + list.count - 1) % size)
  }
}

/// `a`, `a and b`, `a, b and c`.
func joined(_ words: [String]) -> String {
  words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words[words.count - 1]
}
