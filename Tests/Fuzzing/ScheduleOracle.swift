import RoostCron

/// Schedules: cron expressions, and the files of time zones.
enum ScheduleOracle {
  /// Refused at a column that it has; or its fires ascend, and each is found again from the second before it.
  static func problem(withExpression text: String) -> String? {
    let cron: CronExpression
    do throws(CronError) {
      cron = try CronExpression(text)
    } catch {
      guard (1...text.utf8.count + 1).contains(error.column) else { return "column \(error.column) of \(text)" }
      return error.description.utf8.allSatisfy { (0x20...0x7E).contains($0) } ? nil : "the error shows \(error)"
    }
    for after in [0, 1_800_000_000, 4_100_000_000] as [Int64] {
      if let problem = problem(cron, after, .utc) { return "\(text): \(problem)" }
    }
    if let words = cron.words, words.utf8.count > 200 { return "\(text) is said in \(words.utf8.count) bytes" }
    return nil
  }

  /// Refused, or a zone whose periods follow each other without a hole and whose local times are found again.
  static func problem(withTZif bytes: [UInt8]) -> String? {
    guard let zone = try? TimeZoneTable(tzif: bytes) else { return nil }
    var instant: Int64 = -5_000_000_000
    for _ in 0..<400 {
      let period = zone.period(at: instant)
      guard period.start <= instant, instant < period.end else { return "\(instant) lies outside of its period" }
      if let problem = problem(period.offset, at: instant, zone) { return problem }
      guard period.end < 10_000_000_000 else { break }
      instant = period.end
    }
    for expression in expressions {
      if let problem = problem(expression, 1_700_000_000, zone) { return "\(expression.text): \(problem)" }
    }
    return nil
  }

  private static let expressions = ["30 2 * * *", "*/7 1-3 * * *", "0 0 30 2 *"].compactMap { try? CronExpression($0) }

  private static func problem(_ offset: Int64, at instant: Int64, _ zone: TimeZoneTable) -> String? {
    let isFound =
      switch zone.instants(of: instant + offset) {
      case .once(let only): only == instant
      case .repeated(let passes): passes.contains(instant)
      case .skipped: false
      }
    return isFound ? nil : "the local time of \(instant) is not found again"
  }

  private static func problem(_ cron: CronExpression, _ start: Int64, _ zone: TimeZoneTable) -> String? {
    for rule in RepeatRule.allCases {
      var after = start
      for fire in cron.next(5, after: start, in: zone, onRepeat: rule) {
        guard fire > after else { return "\(fire) comes after \(after)" }
        let again = cron.next(after: fire - 1, in: zone, onRepeat: rule)
        guard again == fire else { return "after \(fire - 1) comes \(again.map(String.init) ?? "nothing")" }
        after = fire
      }
    }
    return nil
  }
}
