import ArgumentParser
import RoostAPI
import RoostClient

/// `roost operation …`: what is done to many jobs at once.
struct OperationCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operation",
    abstract: "Cancel, retry, move, delete or replay many jobs at once, and see how far that is.",
    subcommands: [Begin.self, List.self, Show.self, Stop.self])

  struct Begin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Begin an operation on all jobs that match, of those that there are now.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Only jobs of this queue.") var queue: String?
    @Option(help: "Where jobs go: of move, and of replay if they are not to begin anew in their own queues.")
    var to: String?
    @Option(help: "Only jobs of this owner.") var owner: String?
    @Option(help: "Only jobs in this state; may be given more than once.") var state: [String] = []
    @Option(help: "Only jobs of this type.") var type: String?
    @Option(help: "Only jobs of this group; _ stands for those that say none.") var group: String?
    @Option(help: "Only jobs submitted longer ago, such as 1d.") var olderThan: String?
    @OptionGroup var filter: RecordFilter
    @OptionGroup var pace: PaceOptions
    @Option(help: "At most so many jobs.") var limit: Int?
    @Option(help: "Of replay and retry: jobs run so much later, such as 10m.") var delay: String?
    @Flag(help: "Only count them.") var dryRun = false
    @Argument(
      help: """
        cancel or move (those that wait), retry (those that wait for their next attempt), delete (those that ended) or \
        replay (dead letters).
        """)
    var action: String

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.field("action", action)
      if let queue { body.field("queue", queue) }
      if let to { body.field("to", to) }
      if let owner { body.field("owner_id", owner) }
      if let limit { body.field("limit", limit) }
      if let delay { body.field("delay", delay) }
      filter.write(to: &body)
      pace.write(to: &body)
      body.selection(states: state, type: type, group: group, olderThan: olderThan, dryRun: dryRun)
      body.endObject()
      try await daemon.connection().printAnswer(to: .post, "/operations", body: body, done: .begun(dryRun: dryRun))
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the operations that run and those that ended last.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions

    func run() async throws { try await daemon.show("/operations", shown, as: .operations) }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how far an operation is.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions
    @Argument(help: "The operation's id.") var id: UInt64

    func run() async throws { try await daemon.show("/operations/\(id)", shown, as: nil) }
  }

  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop an operation where it is; what it did stays done.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The operation's id.") var id: UInt64

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .delete, "/operations/\(id)", done: .said("the operation was stopped"))
    }
  }
}

/// Which jobs an operation is for, besides what their queues tell.
struct RecordFilter: ParsableArguments {
  @Option(help: "Only jobs that carry this tag.") var tag: String?
  @Option(help: "Only jobs whose metadata have this key, or key=value.") var metadata: String?
  @Option(help: "Only jobs whose last error holds this text.") var error: String?
  @Option(help: "Only dead letters that died for this reason, such as attempts_exhausted.") var reason: String?
  @Option(help: "Only dead letters whose error has this shape, as roost dlq groups tells it.") var shape: String?
  @Option(help: "Only jobs submitted, or dead letters that died, since then: a time, or how long ago, such as 1h.")
  var since: String?
  @Option(help: "Only until then: a time, or how long ago, such as 1h.") var until: String?

  var isEmpty: Bool { [tag, metadata, error, reason, shape, since, until].allSatisfy { $0 == nil } }

  func write(to body: inout JSONWriter) {
    if let tag { body.field("tag", tag) }
    if let metadata { body.field("metadata", metadata) }
    if let error { body.field("error", error) }
    if let reason { body.field("reason", reason) }
    if let shape { body.field("shape", shape) }
    if let since { body.field("since", since) }
    if let until { body.field("until", until) }
  }
}

/// How fast an operation goes.
struct PaceOptions: ParsableArguments {
  @Option(help: "At most so many jobs a second, or in some time, such as 100/1m.") var rate: String?

  func write(to body: inout JSONWriter) {
    guard let rate else { return }
    if rate.contains("/") { body.rate("rate", rate) } else { body.setting("rate", rate) }
  }
}
