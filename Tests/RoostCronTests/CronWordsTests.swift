import RoostCron
import Testing

/// Expressions in plain English.
@Suite("Cron in words")
struct CronWordsTests {
  @Test(
    "an expression is said as a person would",
    arguments: [
      ("30 2 * * 1-5", "at 02:30 on weekdays"), ("*/15 * * * *", "every 15 minutes"),
      ("0 0 L * *", "at 00:00 on the last day of the month"), ("30 2 * * *", "at 02:30 every day"),
      ("0 9,17 * * *", "at 09:00 and 17:00 every day"), ("@hourly", "every hour"), ("* * * * *", "every minute"),
      ("* * * * * *", "every second"), ("*/10 * * * * *", "every 10 seconds"),
      ("5 * * * * *", "at 5 seconds past every minute"), ("15 30 4 * * *", "at 04:30:15 every day"),
      ("17 * * * *", "at 17 minutes past every hour"), ("1 * * * *", "at 1 minute past every hour"),
      ("5/20 * * * *", "at 5, 25 and 45 minutes past every hour"), ("0 */2 * * *", "every 2 hours from 00:00"),
      ("30 */6 * * *", "every 6 hours from 00:30"), ("0 */12 * * *", "at 00:00 and 12:00 every day"),
      ("*/10 9-17 * * MON-FRI", "every 10 minutes from 09:00 to 17:50 on weekdays"),
      ("* 4 * * *", "every minute from 04:00 to 04:59"), ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
      ("0 22-2 * * *", "every hour from 22:00 to 02:00"), ("0 0 1 1 *", "at 00:00 on 1 January"),
      ("0 0 29 2 *", "at 00:00 on 29 February"), ("0 0 1,15 * *", "at 00:00 on the 1st and 15th of the month"),
      ("0 0 15,L * *", "at 00:00 on the 15th and last day of the month"),
      ("0 0 2,3,22,23 * *", "at 00:00 on the 2nd, 3rd, 22nd and 23rd of the month"),
      ("0 0 11,12 * *", "at 00:00 on the 11th and 12th of the month"),
      ("0 0 L-2 * *", "at 00:00 two days before the last day of the month"),
      ("0 12 15W * *", "at 12:00 on the weekday nearest the 15th of the month"),
      ("0 12 1W * *", "at 12:00 on the first weekday of the month"),
      ("0 12 LW * *", "at 12:00 on the last weekday of the month"),
      ("0 8 * * MON#1", "at 08:00 on the first Monday of the month"),
      ("0 8 * * MON#1,MON#3", "at 08:00 on the first and third Monday of the month"),
      ("0 8 * * FRIL", "at 08:00 on the last Friday of the month"), ("0 0 * * 6,7", "at 00:00 on weekends"),
      ("0 0 13 * FRI", "at 00:00 on the 13th of the month and on Fridays"),
      ("0 0 1 JAN,JUL ?", "at 00:00 on the 1st of January and July"),
      ("0 0 ? * SAT-MON", "at 00:00 from Saturday to Monday"),
      ("0 0 1-7 * *", "at 00:00 from the 1st to the 7th of the month"),
      ("0 8 * JUN-AUG 1,3", "at 08:00 on Mondays and Wednesdays in the months from June to August"),
      ("* * * 1 *", "every minute in January"), ("0 0 * 1 *", "at 00:00 every day in January"),
      ("0 0 1-31 * MON", "at 00:00 every day"),
    ])
  func words(expression: String, words: String) throws {
    #expect(try CronExpression(expression).words == words)
  }

  @Test(
    "what no short phrase says exactly is left to the expression",
    arguments: [
      "*/7 * * * *", "0 0 */2 * FRI", "0 22-2 * * MON", "0 0 30 2 *", "0 0 1,5,9,13,17 * *", "1,2,3,4,5 * * * *",
      "0 0 * * MON#1,TUE#2", "0 0 L-1,15W * *", "0 0 13 6 FRI", "*/10 9,17 * * *", "30 * 1 * * *", "0 0 1 1,3,5,7,9 *",
      "0 0 * * MON,FRIL",
    ])
  func absent(expression: String) throws {
    #expect(try CronExpression(expression).words == nil)
  }

  @Test("expressions that are said alike fire alike", arguments: 1...6 as ClosedRange<UInt64>)
  func exact(seed: UInt64) throws {
    var random = Seeded(state: seed)
    var said: [String: (text: String, fires: [Int64])] = [:]
    var repetitions = 0
    for _ in 0..<4_000 {
      var model = RandomExpression(dense: true, hasSeconds: random.chance(8), using: &random)
      // Words are for simple expressions.
      for field in model.fields.indices where random.chance(2) {
        model.fields[field] = [
          [.number(field == 0 ? 0 : 1), .star("*", step: nil), .star("*", step: 6)].randomElement(using: &random)!
        ]
      }
      let expression = try CronExpression(model.text)
      guard let words = expression.words else { continue }
      let fires = expression.next(60, after: 1_800_000_000, in: .utc)
      if let other = said[words] {
        repetitions += 1
        #expect(other.fires == fires, "seed \(seed): \(other.text) and \(model.text) are both \(words)")
      } else {
        said[words] = (model.text, fires)
      }
    }
    #expect(repetitions > 50)
  }
}
