import RoostCron
import Testing

/// Schedules at equal distances.
@Suite("Every")
struct EveryScheduleTests {
  @Test("fires are whole distances from the anchor, the anchor among them, and none before it")
  func distances() throws {
    let schedule = try #require(EverySchedule(every: 900, from: 100))
    #expect(schedule.next(after: -5_000) == 100 && schedule.next(after: 99) == 100)
    #expect(schedule.next(after: 100) == 1_000 && schedule.next(after: 999) == 1_000)
    #expect(schedule.next(after: 1_000) == 1_900)
  }

  @Test("a distance below a second is none")
  func tooSmall() {
    for every in [0, -1, Int64.min] { #expect(EverySchedule(every: every, from: 0) == nil) }
  }

  @Test("the ends of Int64 neither trap nor come around")
  func ends() throws {
    for every in [1, 2, 7, Int64.max] {
      for anchor in [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max] {
        let schedule = try #require(EverySchedule(every: every, from: anchor))
        for after in [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max] {
          guard let next = schedule.next(after: after) else {
            #expect(after > Int64.max - every)
            continue
          }
          #expect(next > after && next >= anchor)
          let elapsed = UInt64(bitPattern: next &- anchor)
          #expect(elapsed % UInt64(every) == 0)
        }
      }
    }
  }
}
