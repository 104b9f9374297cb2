import ArgumentParser
import Foundation
import RoostAPI
import RoostCron

/// `roost schedules …`: what makes jobs at instants, and when those are.
struct ScheduleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedules", abstract: "List, show, set, delete, pause, resume and trigger schedules.",
    subcommands: [
      List.self, Show.self, Set.self, Delete.self, Pause.self, Resume.self, Trigger.self, Backfill.self, Runs.self,
      Next.self,
    ])

  struct Next: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print when a cron expression fires next: one RFC 3339 time in UTC a line.",
      discussion: """
        Needs no daemon. The time zone is read from the system's tzdata, or from the directory that TZDIR names. Fewer \
        lines than --count mean that the expression does not fire more often within 40 years of the last.

        Exit codes: 0 done, 64 a wrong flag, expression or time zone, or an expression that never fires, 73 the time \
        zone's file cannot be used, 74 the output was lost.
        """)

    @Option(help: "The time zone of the expression, such as Europe/Berlin.") var timezone = "UTC"
    @Option(help: "Only times after this one, such as 2026-03-28T00:00:00Z (default: now).") var after: TimeArgument?
    @Option(help: "How many times, 1 to \(CronExpression.maxCount).") var count = 10
    @Option(help: "What becomes of a fixed time that the clocks skip.") var onGap = GapRule.fire
    @Option(help: "In which pass a fixed time fires that the clocks show twice.") var onRepeat = RepeatRule.first
    @Argument(help: "Five fields, or six with the seconds first, in quotes: \"30 2 * * *\".") var expression: String

    func validate() throws {
      guard (1...CronExpression.maxCount).contains(count) else {
        throw ValidationError("--count must be 1 to \(CronExpression.maxCount), got \(count).")
      }
    }

    func run() throws {
      let after = after?.seconds ?? Int64(Date().timeIntervalSince1970)
      let cron: CronExpression
      do throws(CronError) {
        cron = try CronExpression(expression)
      } catch {
        throw CommandFailure(.usage, "the cron expression is wrong: \(error)")
      }
      let fires = cron.next(count, after: after, in: try zone(), onGap: onGap, onRepeat: onRepeat)
      guard !fires.isEmpty else {
        throw CommandFailure(
          .usage, "\(cron.text) does not fire within 40 years after \(Timestamp.text(seconds: after))")
      }
      try CommandOutput.write(fires.map { Timestamp.text(seconds: $0) + "\n" }.joined())
    }

    private func zone() throws(CommandFailure) -> TimeZoneTable {
      do throws(TimeZoneError) {
        return try TimeZoneDatabase(environment: Variables.all).zone(timezone)
      } catch {
        switch error {
        case .invalidName, .unknown: throw CommandFailure(.usage, "\(error)")
        case .malformed, .unreadable, .noDatabase: throw CommandFailure(.unusable, inert("\(error)"))
        }
      }
    }
  }
}

/// A time such as `2026-03-28T00:00:00Z`, in whole seconds.
struct TimeArgument: ExpressibleByArgument {
  /// Since 1970, at least 0.
  let seconds: Int64

  init?(argument: String) {
    guard let milliseconds = Timestamp.milliseconds(argument) else { return nil }
    seconds = milliseconds / 1_000
  }
}

extension GapRule: ExpressibleByArgument {}
extension RepeatRule: ExpressibleByArgument {}
