import Foundation
import RoostCron
import Testing

/// Random expressions in random zones against brute force.
@Suite("Cron by brute force")
struct OracleTests {
  /// Zones with changes of every kind since 1990: of half an hour and of two, of a whole day, at midnight, twice in a
  /// year around Ramadan, with winter time as the exception. What they did until 2024 does not change any more.
  private static let zones = [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "Pacific/Apia",
    "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Chatham", "Europe/Dublin", "Africa/Cairo", "America/Santiago",
    "Asia/Gaza", "America/Caracas", "Asia/Pyongyang", "Antarctica/Troll", "Europe/Volgograd", "America/Scoresbysund",
    "Asia/Kolkata", "Africa/Windhoek",
  ]

  /// Near a change of the clocks three times out of four.
  private static func centre(_ zone: TimeZone, _ random: inout Seeded) -> Int64 {
    let any = Double(Int.random(in: 631_152_000...1_700_000_000, using: &random))
    let change = random.chance(4) ? nil : zone.nextDaylightSavingTimeTransition(after: Date(timeIntervalSince1970: any))
    let centre = min(change?.timeIntervalSince1970 ?? any, 1_700_000_000)
    return Int64(centre) / 60 * 60
  }

  @Test("every fire of a few days is found, and no other", arguments: 1...20 as ClosedRange<UInt64>)
  func minutes(seed: UInt64) throws {
    try compare(seed: seed, radius: 2 * 86_400, step: 60)
  }

  @Test("every fire of a few hours is found to the second", arguments: 101...112 as ClosedRange<UInt64>)
  func seconds(seed: UInt64) throws {
    try compare(seed: seed, radius: 9_000, step: 1)
  }

  private func compare(seed: UInt64, radius: Int64, step: Int64) throws {
    var random = Seeded(state: seed)
    let name = Self.zones[Int(seed) % Self.zones.count]
    let table = try zone(name)
    let theirs = try #require(TimeZone(identifier: name))
    for _ in 0..<4 {
      let centre = Self.centre(theirs, &random)
      let window = centre - radius..<centre + radius
      let oracle = Oracle(theirs, window, step: step, margin: step == 60 ? 86_400 : 10_800)
      for _ in 0..<10 {
        let model = RandomExpression(dense: true, hasSeconds: step == 1, using: &random)
        let expression = try CronExpression(model.text)
        #expect(expression.isFixed == model.isFixed)
        let onGap = GapRule.allCases.randomElement(using: &random)!
        let onRepeat = RepeatRule.allCases.randomElement(using: &random)!
        let expected = oracle.fires(model, onGap, onRepeat)
        var found: [Int64] = []
        var after = window.lowerBound - 1
        while let next = expression.next(after: after, in: table, onGap: onGap, onRepeat: onRepeat),
          next < window.upperBound
        {
          found.append(next)
          after = next
        }
        let difference = Set(found).symmetricDifference(expected).min()
        #expect(
          found == expected,
          "seed \(seed): \(model.text) in \(name), \(onGap), \(onRepeat): first at \(difference.map(text) ?? "")")
        let start = Int64.random(in: window, using: &random)
        let next = expression.next(after: start, in: table, onGap: onGap, onRepeat: onRepeat)
        if let first = expected.first(where: { $0 > start }) {
          #expect(next == first, "seed \(seed): \(model.text) in \(name) after \(text(start))")
        } else {
          #expect(next.map { $0 >= window.upperBound } ?? true)
        }
      }
    }
  }

  @Test("every day of three years is found, and no other", arguments: 201...204 as ClosedRange<UInt64>)
  func days(seed: UInt64) throws {
    var random = Seeded(state: seed)
    var calendar = LocalCalendar()
    for _ in 0..<60 {
      var model = RandomExpression(dense: false, hasSeconds: false, using: &random)
      model.fields[0] = [.number(0)]
      model.fields[1] = [.number(0)]
      let start = Int64.random(in: 0...80_000, using: &random) * 86_400
      let end = start + 1_096 * 86_400
      let days = stride(from: start, to: end, by: 86_400)
      let expected = days.filter { model.matches(calendar.fields($0)) }
      let found = try CronExpression(model.text).next(1_000, after: start - 1, in: .utc).prefix { $0 < end }
      // 1,000 are listed at most.
      #expect(Array(found) == Array(expected.prefix(1_000)), "seed \(seed): \(model.text) from \(text(start))")
    }
  }
}
