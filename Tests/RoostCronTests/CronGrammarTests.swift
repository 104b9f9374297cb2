import RoostCron
import Testing

/// What may be written, and what is said of what may not.
@Suite("Cron grammar")
struct CronGrammarTests {
  @Test(
    "two ways to write a schedule fire alike",
    arguments: [
      ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 JAN ?"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 7"),
      ("@daily", "@midnight"), ("@daily", "0 0 0 * * *"), ("@hourly", "0 */1 * * *"), ("@HOURLY", "0-0 * * * *"),
      ("0 22-2/2 * * *", "0 22,0,2 * * *"), ("0 0 * * SAT-MON", "0 0 * * 6,0,1"),
      ("0 0 * * 5-7", "0 0 * * FRI,SAT,SUN"),
      ("0 0 * * 0-7", "0 0 * * *"), ("0 0 * * 7-2", "0 0 * * 0-2"), ("0 0 * * sun-tue", "0 0 ? * 7,1,2"),
      ("0 0 * * 1/2", "0 0 * * 1,3,5"), ("0 0 * * 7/3", "0 0 * * 0,3,6"), ("5/20 * * * *", "5-59/20 * * * *"),
      ("0 0 28-3/2 * *", "0 0 28,30,1,3 * *"), ("0 0 1 NOV-FEB *", "0 0 1 11,12,1,2 *"),
      ("0 0 1 6/3 *", "0 0 1 6,9,12 *"),
      ("0 0 * * 5L", "0 0 * * friL"), ("0 0 * * 7#2", "0 0 * * SUN#2"), ("0 0 lw * *", "0 0 LW * *"),
      ("0 0 1,L * *", "0 0 L,1 * *"), ("  0\t0  1 * *  ", "0 0 1 * *"), ("00 007 1 * *", "0 7 1 * *"),
      ("*/60 * * * *", "0 * * * *"), ("* * * * * *", "*/1 * * * * ?"), ("?/10 ? * * *", "*/10 * * * *"),
      ("1,*/30 * * * *", "0,1,30 * * * *"), ("0 0 31-31 * *", "0 0 31 * *"), ("0 0 * * 7-7", "0 0 * * 0"),
      ("0 0 * * 7-0", "0 0 * * 0"),
    ])
  func alike(one: String, other: String) throws {
    let after = instant("2026-01-17T11:22:33Z")
    let fires = try CronExpression(one).next(40, after: after, in: .utc)
    #expect(fires == (try CronExpression(other).next(40, after: after, in: .utc)))
    #expect(fires.count == 40)
  }

  @Test("of day and weekday either counts, but both where one of them begins with * or ?")
  func eitherOrBoth() throws {
    let after = instant("2026-02-01T00:00:00Z")
    func days(_ expression: String) throws -> [String] {
      try CronExpression(expression).next(4, after: after, in: .utc).map { String(text($0).prefix(10)) }
    }
    #expect(try days("0 0 13 * FRI") == ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27"])
    #expect(try days("0 0 */13 * FRI") == ["2026-02-27", "2026-03-27", "2026-05-01", "2026-08-14"])
    #expect(try days("0 0 13 * */5") == ["2026-02-13", "2026-03-13", "2026-09-13", "2026-11-13"])
    #expect(try days("0 0 1-31 * FRI") == ["2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05"])
    #expect(try days("0 0 ? * FRI") == ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27"])
    #expect(try days("0 0 L * SUN") == ["2026-02-08", "2026-02-15", "2026-02-22", "2026-02-28"])
  }

  @Test(
    "an expression is fixed if its times are plain numbers or lists",
    arguments: [
      ("30 2 * * *", true), ("0,30 2,3 * * *", true), ("15 0,30 2 1 * *", true), ("@daily", true),
      ("0 0 1-5 * */2", true),
      ("*/30 2 * * *", false), ("0 2-3 * * *", false), ("0 * * * *", false), ("@hourly", false), ("0 2-2 * * *", false),
      ("0 2/12 * * *", false), ("* 30 2 * * *", false), ("0,5-6 30 2 * * *", false), ("0 ? * * *", false),
    ])
  func fixed(expression: String, isFixed: Bool) throws {
    #expect(try CronExpression(expression).isFixed == isFixed)
  }

  @Test(
    "an error names the field and the column",
    arguments: [
      ("60 * * * *", "minute, column 1: must be 0 to 59, got 60"),
      ("  0  24 * * *", "hour, column 6: must be 0 to 23, got 24"),
      ("60 0 24 * * *", "second, column 1: must be 0 to 59, got 60"),
      ("0 0 0 * *", "day of the month, column 5: must be 1 to 31, got 0"),
      ("0 0 1-32 * *", "day of the month, column 7: must be 1 to 31, got 32"),
      ("0 0 1 13 *", "month, column 7: must be 1 to 12, got 13"),
      ("* * * * 8", "day of the week, column 9: must be 0 to 7, got 8"),
      ("a * * * *", "minute, column 1: must be 0 to 59, got \"a\""),
      ("1,,2 * * * *", "minute, column 3: must be 0 to 59, got \",\""),
      ("1- * * * *", "minute, column 3: must be 0 to 59, but is missing"),
      ("1, * * * *", "minute, column 3: must be 0 to 59, but is missing"),
      ("-5 * * * *", "minute, column 1: must be 0 to 59, got \"-\""),
      ("*-5 * * * *", "minute, column 2: \"-\" is not expected here"),
      ("5 5-6-7 * * *", "hour, column 6: \"-\" is not expected here"),
      ("*/0 * * * *", "minute, column 3: a step must be 1 to 60, got 0"),
      ("0 */25 * * *", "hour, column 5: a step must be 1 to 24, got 25"),
      ("1/ * * * *", "minute, column 3: a step must be 1 to 60, but is missing"),
      ("5-99999999999 * * * *", "minute, column 3: must be 0 to 59, got a number of 11 digits"),
      ("* * 15X * *", "day of the month, column 7: \"X\" is not expected here"),
      ("* * L-0 * *", "day of the month, column 7: the number behind L- must be 1 to 30, got 0"),
      ("* * 1-5W * *", "day of the month, column 8: \"W\" is not expected here"),
      ("* * W * *", "day of the month, column 5: must be 1 to 31, got \"W\""),
      ("* * * * MON#6", "day of the week, column 13: the number behind # must be 1 to 5, got 6"),
      ("* * * * L", "day of the week, column 9: L belongs behind a day: FRIL is the last Friday"),
      ("* * * 3L *", "month, column 8: \"L\" is not expected here"),
      (
        "* * * FOO *",
        "month, column 7: must be 1 to 12 or JAN, FEB, MAR, APR, MAY, JUN, JUL, AUG, SEP, OCT, NOV, DEC, got \"FOO\""
      ),
      (
        "0 0 * * Monday",
        "day of the week, column 9: must be 0 to 7 or SUN, MON, TUE, WED, THU, FRI, SAT, got \"Monday\""
      ),
      ("@often", "column 1: there is no @often: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"),
      (" @daily x", "column 9: nothing may follow @daily"),
      ("@every 5m", "column 1: @every is no cron expression: a schedule takes every instead of cron"),
      ("0 0 * * ä", "column 9: only letters, digits and * ? , - / # @ may be used"),
      ("0 0 * *\n*", "column 8: only letters, digits and * ? , - / # @ may be used"),
    ])
  func errors(expression: String, message: String) {
    let error = #expect(throws: CronError.self) { try CronExpression(expression) }
    #expect(error?.description == message)
  }

  @Test("an expression of fewer than five or more than six fields, or too long, is refused as a whole")
  func whole() throws {
    for (expression, column, count) in [("", 1, 0), ("  ", 3, 0), ("* * * *", 8, 4), ("* * * * * * * *", 13, 8)] {
      let error = #expect(throws: CronError.self) { try CronExpression(expression) }
      #expect(error?.field == nil && error?.column == column && error?.reason.hasSuffix("got \(count)") == true)
    }
    let long = "0 0 1 * " + String(repeating: "1,", count: 123) + "1"
    #expect(try CronExpression(long + " ").text.utf8.count == 256)
    let error = #expect(throws: CronError.self) { try CronExpression(long + "  ") }
    #expect(error?.column == 257 && error?.reason == "an expression has at most 256 bytes, got 257")
  }

  @Test("text of any kind is read or refused, at a column that it has", arguments: 1...4 as ClosedRange<UInt64>)
  func anything(seed: UInt64) {
    var random = Seeded(state: seed)
    let samples = CronCases.rows.map { Array($0[1].utf8) }
    let alphabet = Array("0123456789*?,-/#@LWlw JANFRImon\t".utf8)
    for _ in 0..<5_000 {
      var bytes = samples.randomElement(using: &random)!
      for _ in 0...Int.random(in: 0...4, using: &random) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where place < bytes.count: bytes.remove(at: place)
        case 1 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        default: bytes.insert(alphabet.randomElement(using: &random)!, at: place)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      do throws(CronError) {
        let expression = try CronExpression(text)
        let next = expression.next(after: 1_800_000_000, in: .utc)
        #expect(next.map { $0 > 1_800_000_000 } ?? true, "\(text)")
        _ = expression.words
      } catch {
        #expect((1...text.utf8.count + 1).contains(error.column), "\(text): \(error)")
        #expect(error.description.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(text): \(error)")
      }
    }
  }
}
