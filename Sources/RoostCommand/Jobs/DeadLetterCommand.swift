import ArgumentParser
import RoostAPI
import RoostClient

/// `roost dlq …`: jobs that failed for good.
struct DeadLetterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dlq", abstract: "List, show, replay and delete dead letters.",
    subcommands: [List.self, Groups.self, Show.self, Replay.self, Delete.self], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List dead letters, those that died last first.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Only jobs of this queue.") var queue: String?
    @OptionGroup var filter: FilterOptions
    @OptionGroup var cause: CauseOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var shown: ListOptions

    func run() async throws {
      let filter = [("queue", queue)] + filter.parameters + cause.parameters
      try await page.show("/dlq", filter, daemon, shown, as: .deadLetters)
    }
  }

  /// What dead letters died of.
  struct CauseOptions: ParsableArguments {
    @Option(help: "Only those that died for this reason, such as attempts_exhausted.") var reason: String?
    @Option(help: "Only those whose error has this shape, as roost dlq groups tells it.") var shape: String?

    var parameters: [(String, String?)] { [("reason", reason), ("shape", shape)] }
  }

  struct Groups: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show dead letters by the shape of their errors, the largest group first.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Only jobs of this queue.") var queue: String?
    @OptionGroup var filter: FilterOptions
    @OptionGroup var cause: CauseOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var shown: ListOptions

    func run() async throws {
      let filter = [("queue", queue)] + filter.parameters + cause.parameters
      try await page.show("/dlq/groups", filter, daemon, shown, as: .deadLetterGroups)
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a dead letter.")

    @OptionGroup var daemon: DaemonAddress
    @Flag(help: "With its payload.") var payload = false
    @OptionGroup var shown: ListOptions
    @Argument(help: "The job's id.") var job: JobArgument

    func run() async throws {
      try await daemon.show("/dlq/\(job.id)\(payload ? "?payload=true" : "")", shown, as: nil)
    }
  }

  /// Which dead letters: some by name, or all that match.
  struct Selection: ParsableArguments {
    @Flag(help: "All that match, by an operation that goes on in the background.") var all = false
    @Option(help: "Of --all: only jobs of this queue.") var queue: String?
    @Option(help: "Of --all: only jobs of this type.") var type: String?
    @Option(help: "Of --all: only jobs of this group.") var group: String?
    @Option(help: "Of --all: only jobs submitted longer ago, such as 1d.") var olderThan: String?
    @Option(help: "Of --all: at most so many.") var limit: Int?
    @Flag(help: "Of --all: only count them.") var dryRun = false
    @Argument(help: "The jobs' ids.") var jobs: [JobArgument] = []

    func validate() throws {
      if all == !jobs.isEmpty { throw ValidationError("Name jobs, or give --all.") }
      if !all, queue != nil || type != nil || group != nil || olderThan != nil || limit != nil || dryRun {
        throw ValidationError("--queue, --type, --group, --older-than, --limit and --dry-run go with --all.")
      }
    }

    /// Sends a request for each job, or one operation for all of them.
    func run(
      _ daemon: DaemonAddress, one: (RoostConnection.Method, (JobArgument) -> String), action: String,
      states: [String] = [], to target: String? = nil, done: String
    ) async throws(CommandFailure) {
      let connection = try daemon.connection()
      guard all else {
        for job in jobs { try await connection.printAnswer(to: one.0, one.1(job), done: done) }
        return
      }
      var body = JSONWriter()
      body.beginObject()
      body.field("action", action)
      if let queue { body.field("queue", queue) }
      if let target { body.field("to", target) }
      if let limit { body.field("limit", limit) }
      body.selection(states: states, type: type, group: group, olderThan: olderThan, dryRun: dryRun)
      body.endObject()
      try await connection.printAnswer(to: .post, "/operations", body: body)
    }
  }

  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let dead letters begin anew: those that are named, or all that match.",
      discussion: "With --all, roost operation show tells how far it is.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Of --all: the queue where they begin (default: their own).") var to: String?
    @OptionGroup var selection: Selection

    func run() async throws {
      if to != nil, !selection.all { throw CommandFailure(.usage, "--to goes with --all") }
      try await selection.run(
        daemon, one: (.post, { "/dlq/\($0.id)/replay" }), action: "replay", to: to, done: "replayed")
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete dead letters: those that are named, or all that match.",
      discussion: "With --all, roost operation show tells how far it is.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var selection: Selection

    func run() async throws {
      try await selection.run(
        daemon, one: (.delete, { "/dlq/\($0.id)" }), action: "delete", states: ["DEAD"], done: "deleted")
    }
  }
}
