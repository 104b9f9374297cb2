import RoostCron
import Testing

/// The worked cases, and schedules that never fire.
@Suite("Cron cases")
struct CronCaseTests {
  @Test("a worked case fires at the instants that brute force found", arguments: CronCases.rows)
  func worked(row: [String]) throws {
    let expression = try CronExpression(row[1])
    let fires = expression.next(4, after: instant(row[2]), in: try zone(row[0]))
    #expect(fires.map(text) == Array(row[3...]))
  }

  @Test(
    "an expression that matches no day of 40 years has no next instant",
    arguments: [
      "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 FEB ?", "0 0 30W 2 *", "0 0 L-30 2 *", "0 0 L-30 4 ?",
      "0 0 */31 * MON#5",
    ])
  func never(expression: String) throws {
    let cron = try CronExpression(expression)
    for name in ["UTC", "Europe/Berlin", "Africa/Casablanca", "Australia/Lord_Howe"] {
      #expect(cron.next(after: instant("2026-01-01T00:00:00Z"), in: try zone(name)) == nil)
      #expect(cron.next(3, after: instant("1970-01-01T00:00:00Z"), in: try zone(name)).isEmpty)
    }
  }

  @Test("a day that comes once in 28 or 40 years is found, also over the year 2100, which has no leap day")
  func rare() throws {
    let leapSunday = try CronExpression("0 0 29 2 */7")
    let fires = leapSunday.next(3, after: instant("2026-01-01T00:00:00Z"), in: .utc)
    #expect(fires.map(text) == ["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z", "2088-02-29T00:00:00Z"])
    #expect(leapSunday.next(after: instant("2088-02-29T00:00:00Z"), in: .utc).map(text) == "2128-02-29T00:00:00Z")
    let leapDay = try CronExpression("0 0 29 2 *")
    #expect(leapDay.next(after: instant("2096-02-29T00:00:00Z"), in: .utc).map(text) == "2104-02-29T00:00:00Z")
  }

  @Test("instants outside of the years 1 to 9999 have no next one, and none is beyond them")
  func limits() throws {
    let hourly = try CronExpression("@hourly")
    let berlin = try zone("Europe/Berlin")
    for far in [Int64.min, Int64.max, CronExpression.instants.lowerBound - 1, CronExpression.instants.upperBound + 1] {
      #expect(hourly.next(after: far, in: berlin) == nil)
    }
    let last = hourly.next(after: instant("9999-12-31T22:30:00Z"), in: .utc)
    #expect(last.map(text) == "9999-12-31T23:00:00Z")
    #expect(hourly.next(after: instant("9999-12-31T23:00:00Z"), in: .utc) == nil)
    #expect(hourly.next(5, after: instant("9999-12-31T20:00:00Z"), in: .utc).count == 3)
    #expect(hourly.next(after: CronExpression.instants.lowerBound, in: berlin) != nil)
  }

  @Test("a list has at most 1,000 instants, and none where none is asked for")
  func count() throws {
    let hourly = try CronExpression("@hourly")
    #expect(hourly.next(5_000, after: 0, in: .utc).count == CronExpression.maxCount)
    #expect(hourly.next(0, after: 0, in: .utc).isEmpty && hourly.next(-1, after: 0, in: .utc).isEmpty)
  }
}
