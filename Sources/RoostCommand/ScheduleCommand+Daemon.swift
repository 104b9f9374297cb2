import ArgumentParser
import RoostAPI
import RoostClient
import RoostCron

/// What `roost schedules` asks a daemon.
extension ScheduleCommand {
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List schedules by name, a page at a time.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Whose (default: the key's owner; an admin sees everybody's).") var ownerID: String?
    @Option(help: "How many at most, up to 200 (default: 50).") var limit: Int?
    @Option(help: "Goes on where the page before ended: its next_cursor.") var cursor: String?
    @OptionGroup var shown: ListOptions

    func run() async throws {
      let given = [("owner_id", ownerID), ("limit", limit.map(String.init)), ("cursor", cursor)]
      try await daemon.show("/schedules" + query(given), shown, as: .schedules)
    }
  }

  /// Which schedule is meant.
  struct Name: ParsableArguments {
    @Option(help: "Whose schedule it is (default: the key's owner).") var ownerID: String?
    @Argument(help: "The schedule.") var name: String

    func path(_ verb: String = "") -> String {
      "/schedules/" + percentEncoded(name) + verb + (ownerID.map { "?owner_id=" + percentEncoded($0) } ?? "")
    }

    func validate() throws {
      if name.isEmpty { throw ValidationError("a schedule has a name of at least one character") }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a schedule: what was set, next, last, misses.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws { try await daemon.connection().printAnswer(get: name.path()) }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a schedule, or change one: what is not named gets its default.",
      discussion: "The same again changes nothing, and a change repeats no instant.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "When it fires: five fields, or six with the seconds first, in quotes.") var cron: String?
    @Option(help: "The time zone of --cron, such as Europe/Berlin (default: UTC).") var timezone: String?
    @Option(help: "It fires so often, such as 15m.") var every: String?
    @Option(help: "The first instant of --every, such as 2027-01-31T09:00:00Z (default: now).") var from: String?
    @Option(help: "What becomes of a fixed time that the clocks skip.") var onGap: GapRule?
    @Option(help: "In which pass a fixed time fires that the clocks show twice.") var onRepeat: RepeatRule?
    @Option(help: "While the last run has not ended: skip, buffer_one, allow or cancel_other (default: skip).")
    var overlap: String?
    @Option(help: "Of instants missed by a downtime: none, last or all (default: last).") var catchUp: String?
    @Option(help: "How late an instant is made up for, such as 6h.") var catchUpWindow: String?
    @Option(help: "A random delay of each job, at most so long, such as 30s.") var jitter: String?
    @Option(help: "The last time at which it may fire.") var until: String?
    @Option(help: "How often it fires.") var maxRuns: String?
    @Option(help: "So many runs that end DEAD in a row pause it.") var pauseOnFailure: String?
    @Option(help: "The queue of its jobs (default: default).") var queue: String?
    @Option(help: "The group of its jobs.") var group: String?
    @Option(help: "What kind of job it is, such as report.nightly.") var type: String?
    @Option(parsing: .unconditional, help: "low, medium, high, critical, or -128 to 127, higher first.")
    var priority: String?
    @Option(help: "Retries after the first attempt: 0 to 1000, or unlimited.") var maxRetries: String?
    @OptionGroup var name: Name
    @Argument(help: "The payload of its jobs, JSON.") var payload: String

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      if let cron { body.field("cron", cron) }
      if let timezone { body.field("timezone", timezone) }
      if let every { body.field("every", every) }
      if let from { body.field("from", from) }
      if let onGap { body.field("on_gap", onGap.rawValue) }
      if let onRepeat { body.field("on_repeat", onRepeat.rawValue) }
      if let overlap { body.field("overlap", overlap) }
      if let catchUp { body.field("catch_up", catchUp) }
      if let catchUpWindow { body.field("catch_up_window", catchUpWindow) }
      if let jitter { body.field("jitter", jitter) }
      if let until { body.field("until", until) }
      body.setting("max_runs", maxRuns)
      body.setting("pause_on_failure", pauseOnFailure)
      body.key("job")
      body.beginObject()
      body.field("payload", raw: try oneJSONValue(Array(payload.utf8), "the payload", "Quote a text twice: '\"text\"'"))
      if let queue { body.field("queue", queue) }
      if let group { body.field("group", group) }
      if let type { body.field("type", type) }
      body.setting("priority", priority)
      body.setting("max_retries", maxRetries)
      body.endObject()
      body.endObject()
      try await daemon.connection().printAnswer(to: .put, name.path(), body: body, done: .said("the schedule was set"))
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete a schedule; the jobs that it made stay.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(to: .delete, name.path(), done: .said("the schedule was deleted"))
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Pause a schedule: nothing fires until it is resumed.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Why, for whoever asks.") var reason: String?
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/pause"), body: JSONWriter(pausing: reason, until: nil),
        done: .said("the schedule was paused"))
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End a schedule's pause: it goes on with the next instant.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/resume"), done: .said("the schedule was resumed"))
    }
  }

  struct Trigger: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a job of a schedule now; its instants stay as they are.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(to: .post, name.path("/trigger"), done: .job("made"))
    }
  }

  struct Backfill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make the jobs of all instants between two times that have passed.",
      discussion: "It goes on in the background: roost operation show tells how far it is.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "The first time, such as 2026-11-01T00:00:00Z.") var from: String
    @Option(help: "The last one.") var to: String
    @OptionGroup var name: Name

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.field("from", from)
      body.field("to", to)
      body.endObject()
      try await daemon.connection().printAnswer(
        to: .post, name.path("/backfill"), body: body, done: .begun(dryRun: false))
    }
  }

  struct Runs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what became of a schedule's last instants, the latest first.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions
    @OptionGroup var name: Name

    func run() async throws { try await daemon.show(name.path("/runs"), shown, as: .runs) }
  }
}
