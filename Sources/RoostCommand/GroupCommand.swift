import ArgumentParser
import RoostAPI
import RoostClient

/// `roost queue group …`: what groups of a queue's jobs hold, their own settings, and pausing them.
struct GroupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "group", abstract: "List, show, set, pause and resume groups of a queue's jobs.",
    subcommands: [List.self, Show.self, Set.self, Pause.self, Resume.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the groups of a queue, a page at a time.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "How many at most, up to 200 (default: 50).") var limit: Int?
    @Option(help: "Goes on where the page before ended: its next_cursor.") var cursor: String?
    @OptionGroup var shown: ListOptions
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws {
      let given = [("limit", limit.map(String.init)), ("cursor", cursor)]
      try await daemon.show(queue.path + "/groups" + query(given), shown, as: .groups)
    }
  }

  /// Which group is meant.
  struct Name: ParsableArguments {
    @Option(help: "Whose group it is (default: the key's owner).") var ownerID: String?
    @Argument(help: "The queue.") var queue: QueueArgument
    @Argument(help: "The group; _ stands for the jobs that say none.") var group: String

    func path(_ verb: String = "") -> String {
      let query = ownerID.map { "?owner_id=" + percentEncoded($0) } ?? ""
      return queue.path + "/groups/" + percentEncoded(group) + verb + query
    }

    func validate() throws {
      if group.isEmpty { throw ValidationError("a group has at least one byte; _ stands for the jobs that say none") }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a group: counts, settings, pause.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws { try await daemon.connection().printAnswer(get: name.path()) }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change settings of a group, also before its first job.",
      discussion: "The value default returns a setting to what its queue says; what is not named stays.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "The most jobs that may run at once.") var concurrency: String?
    @Option(help: "Leases in a time: 100/1m; with a burst behind it: 100/1m/10.") var rate: String?
    @Option(help: "The most jobs that may wait.") var maxLength: String?
    @Option(help: "Turns for each one of a group of weight 1, where groups take turns: 1 to 1000.") var weight: String?
    @OptionGroup var name: Name

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.setting("concurrency", concurrency)
      body.rate("rate", rate)
      body.setting("max_length", maxLength)
      body.setting("weight", weight)
      body.endObject()
      try await daemon.connection().printAnswer(to: .patch, name.path(), body: body, done: .said("the group was set"))
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Pause a group: what runs goes on, submits are taken, nothing of it is leased.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Why, for whoever asks.") var reason: String?
    @Option(help: "When it goes on by itself, such as 2026-12-24T18:00:00Z.") var until: String?
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/pause"), body: JSONWriter(pausing: reason, until: until),
        done: .said("the group was paused"))
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End a group's pause.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(to: .post, name.path("/resume"), done: .said("the group was resumed"))
    }
  }
}
