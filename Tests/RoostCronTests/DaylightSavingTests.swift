import RoostCron
import Testing

/// What becomes of times that the clocks skip or show twice.
@Suite("Cron and daylight saving")
struct DaylightSavingTests {
  private func fires(
    _ expression: String, _ name: String, _ after: String, _ count: Int = 3, onGap: GapRule = .fire,
    onRepeat: RepeatRule = .first
  ) throws -> [String] {
    try CronExpression(expression).next(
      count, after: instant(after), in: try zone(name), onGap: onGap, onRepeat: onRepeat
    ).map(text)
  }

  @Test("a fixed time in the gap fires at the first instant behind it, or not at all by on_gap: skip")
  func gap() throws {
    let after = "2026-03-28T12:00:00Z"
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", after)
        == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"])
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", after, 2, onGap: .skip)
        == ["2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"])
    #expect(try fires("30 2 29 3 *", "Europe/Berlin", after, 1, onGap: .skip) == ["2027-03-29T00:30:00Z"])
  }

  @Test("several fixed times in one gap fire once, together with one at its end")
  func severalInGap() throws {
    #expect(
      try fires("0,15,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4)
        == ["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"])
    #expect(
      try fires("0 2,3 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", 1) == ["2026-03-30T00:00:00Z"],
      "what fired at the end of the gap does not fire again")
  }

  @Test("an interval skips what the clocks skip, whatever on_gap says", arguments: GapRule.allCases)
  func intervalInGap(rule: GapRule) throws {
    #expect(
      try fires("*/20 2-3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4, onGap: rule)
        == ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z", "2026-03-30T00:00:00Z"])
    #expect(
      try fires("30-30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 1, onGap: rule) == ["2026-03-30T00:30:00Z"])
  }

  @Test("a fixed time that the clocks show twice fires in the first pass, the last or both")
  func repeated() throws {
    let after = "2026-10-24T12:00:00Z"
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", after, 2) == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", after, 2, onRepeat: .last)
        == ["2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"])
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", after, onRepeat: .both)
        == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"])
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1) == ["2026-10-26T01:30:00Z"],
      "asked between the passes, the second one is no fire")
  }

  @Test("the end of the repeated hour is not shown twice")
  func endOfRepeat() throws {
    #expect(
      try fires("0,59 2,3 * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4)
        == ["2026-10-25T00:00:00Z", "2026-10-25T00:59:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:59:00Z"])
  }

  @Test("an interval fires in both passes, whatever on_repeat says", arguments: RepeatRule.allCases)
  func intervalRepeated(rule: RepeatRule) throws {
    #expect(
      try fires("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 5, onRepeat: rule)
        == [
          "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
          "2026-10-26T01:00:00Z",
        ])
  }

  @Test("a day that a zone left out is a gap as long as the day")
  func skippedDay() throws {
    let after = "2011-12-29T17:00:00Z"
    #expect(
      try fires("0 6 30 12 *", "Pacific/Apia", after, 2) == ["2011-12-30T10:00:00Z", "2012-12-29T16:00:00Z"])
    #expect(try fires("0 6 30 12 *", "Pacific/Apia", after, 1, onGap: .skip) == ["2012-12-29T16:00:00Z"])
    #expect(try fires("0 */6 30 12 *", "Pacific/Apia", after, 1) == ["2012-12-29T10:00:00Z"])
  }

  @Test("midnight in a gap fires at the first instant of that day")
  func midnight() throws {
    #expect(
      try fires("@daily", "America/Sao_Paulo", "2017-10-14T12:00:00Z", 2)
        == ["2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z"])
    #expect(
      try fires("59 23 * * *", "America/Havana", "2026-11-01T03:00:00Z", 2)
        == ["2026-11-01T03:59:00Z", "2026-11-02T04:59:00Z"])
  }

  @Test("the rules hold beyond the last transition of the file, too")
  func farFuture() throws {
    #expect(
      try fires("30 2 * * *", "Europe/Berlin", "2199-03-30T12:00:00Z", 2)
        == ["2199-03-31T01:00:00Z", "2199-04-01T00:30:00Z"])
    #expect(
      try fires("30 1 * * *", "America/New_York", "2150-10-31T12:00:00Z", 2, onRepeat: .last)
        == ["2150-11-01T06:30:00Z", "2150-11-02T06:30:00Z"])
  }

  /// Fires of June 1, 2026 in a zone at UTC whose clocks are set by `shift` at `start`, and back half an hour later.
  private func fires(
    _ expression: String, shift: Int32, from start: String, onRepeat: RepeatRule = .first
  ) throws -> [String] {
    let start = instant("2026-06-01T\(start)Z")
    let file = TZifFile(times: [start, start + 1_800], types: [1, 0], offsets: [0, shift])
    let day = instant("2026-06-01T00:00:00Z")
    return try CronExpression(expression).next(8, after: day, in: TimeZoneTable(tzif: file.bytes), onRepeat: onRepeat)
      .prefix { $0 < day + 86_400 }.map { String(text($0).dropFirst(11)) }
  }

  @Test(
    "clocks that are set back and forth within an hour: a time in the gap that was shown before does not fire again")
  func backAndForth() throws {
    // 08:00 to 10:00, 09:00 to 09:30, 10:30 and on.
    func fires(_ expression: String, _ onRepeat: RepeatRule = .first) throws -> [String] {
      try self.fires(expression, shift: -3_600, from: "10:00:00", onRepeat: onRepeat)
    }
    #expect(try fires("15 9 * * *") == ["09:15:00Z"])
    #expect(try fires("15 9 * * *", .last) == ["10:15:00Z"])
    #expect(try fires("45 9 * * *") == ["09:45:00Z"])
    #expect(try fires("15 10 * * *") == ["10:30:00Z"])
    let all = ["09:15:00Z", "09:45:00Z", "10:15:00Z", "10:30:00Z", "10:45:00Z"]
    #expect(try fires("15,45 9,10 * * *", .both) == all)
  }

  @Test("clocks that are set forth and back within an hour: a time in the gap that is shown later fires then")
  func forthAndBack() throws {
    // 08:00 to 09:00, 10:00 to 10:30, 09:30 and on.
    func fires(_ expression: String, _ onRepeat: RepeatRule = .first) throws -> [String] {
      try self.fires(expression, shift: 3_600, from: "09:00:00", onRepeat: onRepeat)
    }
    #expect(try fires("15 9 * * *") == ["09:00:00Z"])
    #expect(try fires("45 9 * * *") == ["09:45:00Z"])
    #expect(try fires("15 10 * * *") == ["09:15:00Z"])
    #expect(try fires("15 10 * * *", .last) == ["10:15:00Z"])
  }
}
