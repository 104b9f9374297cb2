import ArgumentParser
import RoostAPI
import RoostClient

/// `roost webhooks …`: URLs that are told of events.
struct WebhookCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "webhooks", abstract: "List, show, set, delete, pause, resume and test webhooks.",
    subcommands: [List.self, Show.self, Set.self, Delete.self, Pause.self, Resume.self, Test.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List webhooks by name, a page at a time.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Whose (default: the key's owner; an admin sees everybody's).") var ownerID: String?
    @Option(help: "How many at most, up to 200 (default: 50).") var limit: Int?
    @Option(help: "Goes on where the page before ended: its next_cursor.") var cursor: String?
    @OptionGroup var shown: ListOptions

    func run() async throws {
      let given = [("owner_id", ownerID), ("limit", limit.map(String.init)), ("cursor", cursor)]
      try await daemon.show("/webhooks" + query(given), shown, as: .webhooks)
    }
  }

  /// Which webhook is meant.
  struct Name: ParsableArguments {
    @Option(help: "Whose webhook it is (default: the key's owner).") var ownerID: String?
    @Argument(help: "The webhook.") var name: String

    func path(_ verb: String = "") -> String {
      "/webhooks/" + percentEncoded(name) + verb + (ownerID.map { "?owner_id=" + percentEncoded($0) } ?? "")
    }

    func validate() throws {
      if name.isEmpty { throw ValidationError("a webhook has a name of at least one character") }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a webhook: what was set, and how its deliveries go.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws { try await daemon.connection().printAnswer(get: name.path()) }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a webhook, or change one: what is not named gets its default, but for the secret.",
      discussion: """
        The same again changes nothing. A secret of its own comes on standard input, with --stdin: arguments stand in the \
        list of processes. Without one its owner's signs (roost push secret set).
        """)

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Where events are sent.") var url: String
    @Option(help: "An event, such as job.dead; give it once for each.") var event: [String]
    @Option(help: "Only events of this queue; may be given more than once.") var queue: [String] = []
    @Option(help: "Only events of jobs of this type; may be given more than once.") var type: [String] = []
    @Option(help: "What it is for.") var description: String?
    @Flag(help: "Read its own secret (whsec_…) from standard input.") var stdin = false
    @Flag(help: "Remove its own secret.") var noSecret = false
    @OptionGroup var name: Name

    func validate() throws {
      if stdin, noSecret { throw ValidationError("--stdin and --no-secret contradict each other") }
    }

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.field("url", url)
      body.names("events", event)
      if !queue.isEmpty { body.names("queues", queue) }
      if !type.isEmpty { body.names("types", type) }
      if let description { body.field("description", description) }
      if stdin { body.field("secret", readLine(strippingNewline: true) ?? "") }
      if noSecret { body.field("secret", raw: Array("null".utf8)[...]) }
      body.endObject()
      try await daemon.connection().printAnswer(to: .put, name.path(), body: body, done: .said("the webhook was set"))
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a webhook and its secret; its deliveries that wait are cancelled.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(to: .delete, name.path(), done: .said("the webhook was deleted"))
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Pause a webhook: nothing is sent until it is resumed, and events of that time are dropped.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Why, for whoever asks.") var reason: String?
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/pause"), body: JSONWriter(pausing: reason, until: nil),
        done: .said("the webhook was paused"))
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End a webhook's pause: deliveries that waited are sent.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/resume"), done: .said("the webhook was resumed"))
    }
  }

  struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Send a test delivery, and print which job it is.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var name: Name

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, name.path("/test"), done: .said("the test delivery was made"))
    }
  }
}

extension JSONWriter {
  fileprivate mutating func names(_ name: StaticString, _ names: [String]) {
    key(name)
    beginArray()
    for text in names { string(text) }
    endArray()
  }
}
