import ArgumentParser
import RoostAPI
import RoostClient

/// `roost list`: jobs, the newest first.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List jobs, the newest first.", discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "Only jobs of this queue.") var queue: String?
  @Option(help: "Only jobs in this state, such as DEAD; or in one of several, such as READY,RETRY.") var state: String?
  @OptionGroup var filter: FilterOptions
  @OptionGroup var page: PageOptions
  @OptionGroup var shown: ListOptions

  func run() async throws {
    try await page.show("/jobs", [("state", state), ("queue", queue)] + filter.parameters, daemon, shown, as: .jobs)
  }
}

/// Which jobs a list shows, besides queue and state.
struct FilterOptions: ParsableArguments {
  @Option(help: "Only jobs of this owner.") var owner: String?
  @Option(help: "Only jobs of groups of this name; _ for those that say none.") var group: String?
  @Option(help: "Only jobs of this type.") var type: String?
  @Option(help: "Only jobs that carry this tag.") var tag: String?
  @Option(help: "Only jobs whose metadata have this key, or key=value.") var metadata: String?
  @Option(help: "Only jobs whose last error holds this text.") var error: String?
  @Option(help: "Only since then: a time, or how long ago, such as 1h.") var since: String?
  @Option(help: "Only until then: a time, or how long ago, such as 1h.") var until: String?

  var parameters: [(String, String?)] {
    [
      ("owner_id", owner), ("group", group), ("type", type), ("tag", tag), ("metadata", metadata), ("error~", error),
      ("since", since), ("until", until),
    ]
  }
}

/// Which page of a list of jobs, or all of them.
struct PageOptions: ParsableArguments {
  @Option(help: "How many at most, up to 200 (default: 50).") var limit: Int?
  @Option(help: "Goes on where the page before ended: its next_cursor.") var cursor: String?
  @Flag(help: "All pages: in a table one below the other, as JSON one item a line.") var all = false

  func validate() throws {
    if all, limit != nil || cursor != nil { throw ValidationError("--all has no --limit and no --cursor.") }
  }

  func show(
    _ path: String, _ filter: [(String, String?)], _ daemon: DaemonAddress, _ shown: ListOptions,
    as layout: AnswerTable
  ) async throws(CommandFailure) {
    guard all else {
      let given = filter + [("limit", limit.map(String.init)), ("cursor", cursor)]
      return try await daemon.show(path + query(given), shown, as: layout)
    }
    if shown.watch != nil { throw CommandFailure(.usage, "--watch shows one page: leave --all out") }
    try CommandOutput.check()
    let connection = try daemon.connection()
    var next: String?
    repeat {
      let reply = try await connection.answer(
        to: .get, path + query(filter + [("limit", "200"), ("cursor", next)]))
      guard let answer = JSONValue(reply.body) else {
        throw CommandFailure(.refused, "the answer is not what a Roost daemon says")
      }
      if shown.isTable {
        try CommandOutput.write(layout.table(of: answer).text())
      } else {
        for line in try Self.items(reply.body) { try CommandOutput.write(line) }
      }
      next = answer["next_cursor"].string
    } while next != nil
  }

  /// The items of a page, each a line.
  private static func items(_ body: [UInt8]) throws(CommandFailure) -> [String] {
    var lines: [String] = []
    do throws(Rejection) {
      var reader = JSONReader(body)
      try reader.dictionary("") { (name, json) throws(Rejection) in
        guard name == "items" else { return _ = try json.rawValue() }
        try json.array(name) { (_, json) throws(Rejection) in
          lines.append(AnswerText(Array(try json.rawValue())).line)
        }
      }
    } catch {
      throw CommandFailure(.refused, "the answer is not what a Roost daemon says: \(error.message)")
    }
    return lines
  }
}
