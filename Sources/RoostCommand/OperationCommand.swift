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
    @Option(help: "At most so many jobs.") var limit: Int?
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
      body.selection(states: state, type: type, group: group, olderThan: olderThan, dryRun: dryRun)
      body.endObject()
      try await daemon.connection().printAnswer(to: .post, "/operations", body: body)
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

    func run() async throws { try await daemon.connection().printAnswer(to: .delete, "/operations/\(id)") }
  }
}
