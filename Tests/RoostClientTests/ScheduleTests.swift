import Foundation
import RoostClient
import Testing

/// Schedules through the SDK.
@Suite("Schedules of the client")
struct ScheduleTests {
  @Test("a schedule is set, read, paused, resumed, triggered and deleted; jobs say which made them")
  func life() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      var yearly = Schedule(
        .cron("30 2 1 1 *", timezone: "UTC"), payload: try RawJSON(#"{"n":1}"#), JobOptions(queue: "q", maxRetries: 2))
      (yearly.overlap, yearly.catchUp, yearly.catchUpWindow) = (.bufferOne, .all, .seconds(7_200))
      (yearly.jitter, yearly.maxRuns, yearly.pauseOnFailure) = (.seconds(3), 5, 2)
      let made = try await client.setSchedule("yearly", yearly)
      #expect(made.state == .active && made.next.count == 5 && made.misses.isEmpty)
      #expect(try await client.setSchedule("yearly", yearly).changedAt == made.changedAt)
      #expect(try await client.pauseSchedule("yearly", reason: "why").pause?.reason == "why")
      #expect(try await client.resumeSchedule("yearly").next == made.next)
      let triggered = try await client.triggerSchedule("yearly")
      let job = try await client.job(triggered.id)
      #expect(job.schedule?.name == "yearly" && job.queue == "q" && job.maxRetries == 2)
      let runs = try await client.runs(ofSchedule: "yearly")
      #expect(runs.map(\.outcome) == [.triggered] && runs.first?.job == triggered.id)
      let listed = try await client.schedules()
      #expect(listed.schedules.map(\.name) == ["yearly"] && listed.nextCursor == nil)
      try await client.deleteSchedule("yearly")
      do {
        _ = try await client.schedule("yearly")
        Issue.record("it is gone")
      } catch let error as RoostError {
        #expect(error.code == .scheduleNotFound)
      }
    }
  }

  @Test("an expression that is none names its field, and a preview computes one")
  func preview() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let day = Date(timeIntervalSince1970: 1_790_000_000)
      let next = try await client.previewSchedule("0 0 * * *", after: day, count: 2)
      #expect(next.map(\.timeIntervalSince1970) == [1_790_035_200, 1_790_121_600])
      do {
        try await client.setSchedule("s", Schedule(.cron("x"), payload: try RawJSON("1")))
        Issue.record("it was taken")
      } catch let error as RoostError {
        #expect(error.code == .outOfRange && error.field == "cron")
      }
    }
  }
}
