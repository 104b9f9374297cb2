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
      return try await connection.printAnswer(to: .get, "/stats/series\(query)")
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

/// `roost workers`: who holds jobs.
struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Show who holds jobs since when, and who waits for one.")

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var shown: ListOptions

  func run() async throws { try await daemon.show("/workers", shown, as: .workers) }
}
