import Foundation
import Testing

/// `roost schedules next`, which needs no daemon.
@Suite("Schedules at the command line")
struct ScheduleCommandTests {
  private func next(_ arguments: [String]) async throws -> CommandOutcome {
    try await withDirectory { try CommandOutcome(roost: ["schedules", "next"] + arguments, in: $0) }
  }

  @Test("the times at which an expression fires are printed in UTC, one a line")
  func times() async throws {
    let berlin = ["30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T00:00:00Z", "--count", "2"]
    let outcome = try await next(berlin)
    #expect(outcome.status == 0 && outcome.output == "2026-03-28T01:30:00Z\n2026-03-29T01:00:00Z\n")
    #expect(try await next(berlin + ["--on-gap", "skip"]).output == "2026-03-28T01:30:00Z\n2026-03-30T00:30:00Z\n")
    let repeated = ["30 1 1 11 *", "--timezone", "America/New_York", "--after", "2026-03-28T00:00:00.5+01:00"]
    let both = try await next(repeated + ["--count", "2", "--on-repeat", "both"])
    #expect(both.output == "2026-11-01T05:30:00Z\n2026-11-01T06:30:00Z\n", "\(both.errors)")
  }

  @Test("without options the next ten times in UTC are printed")
  func defaults() async throws {
    let outcome = try await next(["* * * * * *"])
    #expect(outcome.status == 0 && outcome.output.split(separator: "\n").count == 10, "\(outcome.errors)")
  }

  @Test(
    "a slip ends with 64 and says what is wrong",
    arguments: [
      (["0 24 * * *"], "roost: the cron expression is wrong: hour, column 3: must be 0 to 23, got 24"),
      (
        ["0 0 30 2 *", "--after", "2026-01-01T00:00:00Z"],
        "0 0 30 2 * does not fire within 40 years after 2026-01-01T00:00:00Z"
      ),
      (
        ["@daily", "--timezone", "Europe/Atlantis"],
        "there is no time zone Europe/Atlantis: names are written as in Europe/Berlin"
      ),
      (["@daily", "--timezone", "../secret"], "a time zone is named as in Europe/Berlin"),
      (["@daily", "--count", "0"], "--count must be 1 to 1000, got 0"), (["@daily", "--on-gap", "maybe"], "--on-gap"),
      (["@daily", "--after", "tomorrow"], "--after"), ([], "expression"),
    ])
  func slips(arguments: [String], message: String) async throws {
    let outcome = try await next(arguments)
    #expect(outcome.status == 64 && outcome.errors.contains(message) && outcome.output.isEmpty, "\(outcome.errors)")
  }

  @Test("where TZDIR names no time zones, the command ends with 73 and says so; UTC is there all the same")
  func noDatabase() async throws {
    try await withDirectory { directory in
      for (zone, status) in [("Europe/Berlin", 73), ("UTC", 0)] {
        let outcome = try CommandOutcome(
          roost: ["schedules", "next", "@daily", "--timezone", zone], in: directory, environment: ["TZDIR": "/nowhere"])
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty || outcome.errors.contains("install tzdata"), "\(outcome.errors)")
      }
    }
  }
}
