import Foundation
import RoostCron
import Testing

/// Offsets, local times and transitions, and the rules of the TZ variable.
@Suite("Time zones")
struct TimeZoneTableTests {
  @Test(
    "offsets are those of Foundation, past and future",
    arguments: [
      "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Asia/Kolkata", "America/Havana",
    ])
  func offsets(name: String) throws {
    var random = Seeded(state: 7)
    let table = try zone(name)
    let theirs = try #require(TimeZone(identifier: name))
    for _ in 0..<3_000 {
      // ICU knows rules up to 2037 in full.
      let instant = Int64.random(in: 0..<2_114_380_800, using: &random)
      #expect(
        table.offset(at: instant) == Int64(theirs.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant)))),
        "\(name) at \(text(instant))")
    }
  }

  @Test("a year of the future has the transitions of the rule")
  func transitions() throws {
    let berlin = try zone("Europe/Berlin")
    let spring = try #require(berlin.nextTransition(after: instant("2199-01-01T00:00:00Z")))
    #expect(
      text(spring.instant) == "2199-03-31T01:00:00Z" && spring.offsetBefore == 3_600 && spring.offsetAfter == 7_200)
    let autumn = try #require(berlin.nextTransition(after: spring.instant))
    #expect(text(autumn.instant) == "2199-10-27T01:00:00Z" && autumn.offsetAfter == 3_600)
    #expect(berlin.nextTransition(after: autumn.instant - 1) == autumn)
    #expect(try zone("Asia/Kolkata").nextTransition(after: 0) == nil)
    #expect(TimeZoneTable.utc.nextTransition(after: 0) == nil && TimeZoneTable.utc.offset(at: .min) == 0)
  }

  @Test("a local time has one instant, several, or the first one behind a gap")
  func localTimes() throws {
    let berlin = try zone("Europe/Berlin")
    #expect(berlin.instants(of: instant("2026-06-01T12:00:00Z")) == .once(instant("2026-06-01T10:00:00Z")))
    #expect(
      berlin.instants(of: instant("2026-10-25T02:30:00Z"))
        == .repeated([instant("2026-10-25T00:30:00Z"), instant("2026-10-25T01:30:00Z")]))
    #expect(berlin.instants(of: instant("2026-10-25T03:00:00Z")) == .once(instant("2026-10-25T02:00:00Z")))
    #expect(berlin.instants(of: instant("2026-03-29T01:59:59Z")) == .once(instant("2026-03-29T00:59:59Z")))
    #expect(berlin.instants(of: instant("2026-03-29T02:00:00Z")) == .skipped(at: instant("2026-03-29T01:00:00Z")))
    #expect(berlin.instants(of: instant("2026-03-29T03:00:00Z")) == .once(instant("2026-03-29T01:00:00Z")))
    let apia = try zone("Pacific/Apia")
    #expect(apia.instants(of: instant("2011-12-30T06:00:00Z")) == .skipped(at: instant("2011-12-30T10:00:00Z")))
  }

  @Test("every instant is among those of its own local time")
  func roundTrip() throws {
    var random = Seeded(state: 11)
    for name in ["Europe/Berlin", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe", "America/Havana"] {
      let table = try zone(name)
      for _ in 0..<500 {
        let near = table.nextTransition(after: .random(in: 0...5_000_000_000, using: &random))?.instant ?? 0
        let instant = near + .random(in: -7_200...7_200, using: &random)
        switch table.instants(of: instant + table.offset(at: instant)) {
        case .once(let only): #expect(only == instant)
        case .repeated(let passes): #expect(passes.contains(instant) && passes == passes.sorted() && passes.count == 2)
        case .skipped: Issue.record("\(name) shows no local time at \(text(instant))")
        }
      }
    }
  }

  @Test("instants and local times at the ends of Int64 are taken")
  func extremes() throws {
    let berlin = try zone("Europe/Berlin")
    for instant in [Int64.min, .min + 1, -(1 << 59), (1 << 59) - 1, 1 << 59, .max] {
      let period = berlin.period(at: instant)
      #expect(period.start < period.end)
      _ = berlin.nextTransition(after: instant)
      _ = berlin.instants(of: instant)
    }
  }

  @Test(
    "the rule of the last line holds for years without a transition",
    arguments: [
      // Rule, instant, offset in seconds.
      ("UTC0", "2100-07-01T00:00:00Z", 0), ("<+0330>-3:30", "2100-07-01T00:00:00Z", 12_600),
      ("LMT0:01:15", "2100-01-01T00:00:00Z", -75), ("XXX+24:59:59", "2100-01-01T00:00:00Z", -89_999),
      ("CET-1CEST,M3.5.0,M10.5.0/3", "2100-03-28T00:59:59Z", 3_600),
      ("CET-1CEST,M3.5.0,M10.5.0/3", "2100-03-28T01:00:00Z", 7_200),
      // The fourth Sunday is the last one: the first is the fourth of the month.
      ("CET-1CEST,M3.5.0,M10.5.0/3", "2029-03-25T01:00:00Z", 7_200),
      ("CET-1CEST,M3.5.0,M10.5.0/3", "2100-10-31T00:59:59Z", 7_200),
      ("CET-1CEST,M3.5.0,M10.5.0/3", "2100-10-31T01:00:00Z", 3_600),
      // The southern half of the world, and half an hour.
      ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2100-01-01T00:00:00Z", 39_600),
      ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2100-06-01T00:00:00Z", 37_800),
      // Winter time as the exception.
      ("IST-1GMT0,M10.5.0,M3.5.0/1", "2100-01-01T00:00:00Z", 0),
      ("IST-1GMT0,M10.5.0,M3.5.0/1", "2100-07-01T00:00:00Z", 3_600),
      // February 29: J60 is always March 1, 59 is it only in years without a leap day.
      ("AAA0BBB,J60/0,J300/0", "2096-02-29T12:00:00Z", 0), ("AAA0BBB,J60/0,J300/0", "2096-03-01T00:00:00Z", 3_600),
      ("AAA0BBB,J60/0,J300/0", "2100-03-01T00:00:00Z", 3_600), ("AAA0BBB,J60/0,J300/0", "2100-02-28T23:00:00Z", 0),
      ("AAA0BBB,59/0,300/0", "2096-02-29T00:00:00Z", 3_600), ("AAA0BBB,59/0,300/0", "2096-02-28T23:59:59Z", 0),
      ("AAA0BBB,59/0,300/0", "2100-02-28T23:59:59Z", 0), ("AAA0BBB,59/0,300/0", "2100-03-01T00:00:00Z", 3_600),
      // Up to a week from the date: -167 hours from the first Sunday in January 2100, which is the 3rd.
      ("AAA0BBB,M1.1.0/-167,M6.1.0/0", "2099-12-27T00:59:59Z", 0),
      ("AAA0BBB,M1.1.0/-167,M6.1.0/0", "2099-12-27T01:00:00Z", 3_600),
      ("AAA0BBB,M6.1.0/0,M12.5.0/167:59:59", "2100-01-02T22:59:58Z", 3_600),
      ("AAA0BBB,M6.1.0/0,M12.5.0/167:59:59", "2100-01-02T22:59:59Z", 0),
      ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2100-03-28T00:59:59Z", -7_200),
      ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2100-03-28T01:00:00Z", -3_600),
      ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2100-03-27T00:00:00Z", 10_800),
      ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2100-03-26T23:59:59Z", 7_200),
      // The example of RFC 9636, section 3.3.1: daylight-saving time all year.
      ("XXX3EDT4,0/0,J365/23", "2100-01-01T03:00:00Z", -14_400),
      ("XXX3EDT4,0/0,J365/23", "2101-01-01T02:59:59Z", -14_400),
      ("XXX3EDT4,0/0,J365/23", "2100-07-01T00:00:00Z", -14_400),
      ("XXX3EDT4,0/0,J365/23", "2101-01-01T03:00:00Z", -14_400),
      // One that ends where it begins, and one without dates.
      ("AAA5BBB,J1/0,J1/1", "2100-07-01T00:00:00Z", -18_000), ("EST5EDT", "2100-07-01T00:00:00Z", -14_400),
      ("EST5EDT4:30", "2100-07-01T00:00:00Z", -16_200), ("EST5EDT", "2100-03-14T06:59:59Z", -18_000),
    ])
  func rules(rule: String, at: String, offset: Int64) throws {
    let table = try TimeZoneTable(tzif: TZifFile(footer: rule).bytes)
    #expect(table.offset(at: instant(at)) == offset, "\(rule) at \(at)")
    // Periods follow each other without a hole, whatever the rule.
    var at = instant(at) - 400 * 86_400
    for _ in 0..<20 {
      let period = table.period(at: at)
      #expect(period.start <= at && at < period.end && table.period(at: period.start) == period)
      guard period.end < 1 << 58 else { break }
      #expect(table.period(at: period.end).start == period.end)
      at = period.end
    }
  }

  @Test(
    "a last line that is no rule is refused",
    arguments: [
      "A0", "AB0", "ABC", "<AB>0", "<ABC0", "ABC25", "ABC0:60", "ABC0:00:60", "ABC-", "ABC0DE", "ABC0DEF,",
      "ABC0DEF,M3.2.0",
      "ABC0DEF,M0.2.0,M11.1.0", "ABC0DEF,M13.2.0,M11.1.0", "ABC0DEF,M3.0.0,M11.1.0", "ABC0DEF,M3.6.0,M11.1.0",
      "ABC0DEF,M3.2.7,M11.1.0", "ABC0DEF,J0,J1", "ABC0DEF,J1,J366", "ABC0DEF,366,1", "ABC0DEF,M3.2.0/168,M11.1.0",
      "ABC0DEF,M3.2.0/-168,M11.1.0", "ABC0DEF,M3.2.0,M11.1.0 ", "ABC0DEF,M3.2.0,M11.1.0/", "ABC0DEF,M3.2.0,M11.1.0,J1",
      "ABC99999999999999999999", "ABC0DEF,M3.2,M11.1.0", ":Europe/Berlin", " ABC0",
    ])
  func badRules(rule: String) {
    #expect(throws: MalformedTZif.footer) { try TimeZoneTable(tzif: TZifFile(footer: rule).bytes) }
  }
}
