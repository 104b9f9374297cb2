import ArgumentParser
import RoostClient

/// `roost stats`: how a daemon is doing.
struct StatsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show what waits, what happens, and how long jobs wait and run.")

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var shown: ListOptions

  @Flag(help: "The last hour instead, a point each ten seconds; as JSON.") var series = false

  @Option(help: ArgumentHelp("Of one queue; with --series.", valueName: "name")) var queue: String?

  func validate() throws {
    if queue != nil, !series { throw ValidationError("--queue goes with --series: the sums are of all queues") }
  }

  func run() async throws {
    let connection = try daemon.connection()
    guard !series else {
      let query = queue.map { "?queue=\(percentEncoded($0))" } ?? ""
      return try await connection.printAnswer(get: "/stats/series\(query)")
    }
    try await shown.show { () throws(CommandFailure) in
      let reply = try await connection.answer(to: .get, "/stats")
      guard shown.isTable, let stats = JSONValue(reply.body) else { return AnswerText(reply.body).line }
      let states = TextTable(
        headings: ["STATE", "JOBS"],
        rows: stats["counts"].fields.sorted { $0.key < $1.key }.map { state, count in
          [.init(text: state, style: Style(state: state)), .init(text: count.shown, isNumber: true)]
        })
      let events = TextTable(
        headings: ["", "IN ALL", "A MINUTE", "LAST HOUR"],
        rows: ["submitted", "leased", "acked", "failed", "dead"].map { name in
          [
            .init(text: name), .init(text: stats["totals.\(name)"].shown, isNumber: true),
            .init(text: stats["rates.\(name)_per_minute"].shown, isNumber: true),
            .init(text: stats["recent.1h.\(name)"].shown, isNumber: true),
          ]
        })
      return [states.text(), events.text(), AnswerTable.figures.table(of: stats).text()].joined(separator: "\n")
    }
  }
}

/// `roost workers`: who holds jobs, and who is to take no more.
struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Show who holds jobs since when, and ask workers to take no more.",
    subcommands: [List.self, Quiet.self, Resume.self], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show who holds jobs since when, and who waits for one.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions

    func run() async throws { try await daemon.show("/workers", shown, as: .workers) }
  }

  struct Quiet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ask a worker to take no more jobs; it finishes what it holds.",
      discussion: "That holds across restarts of the worker and of the daemon, until roost workers resume.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The worker, as it calls itself.") var worker: String

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, path(ofWorker: worker), done: .said("the worker was made quiet"))
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a worker take jobs again.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The worker, as it calls itself.") var worker: String

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .delete, path(ofWorker: worker), done: .said("the worker was resumed"))
    }
  }
}

private func path(ofWorker worker: String) -> String { "/workers/" + percentEncoded(worker) + "/quiet" }
