import ArgumentParser
import RoostAPI
import RoostClient

/// `roost push …`: the hosts that jobs are delivered to, and what deliveries are signed with.
struct PushCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Show the targets of deliveries; set, show and remove what signs them.",
    subcommands: [Targets.self, Secret.self])

  struct Targets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the hosts that jobs are delivered to, and how they are.")

    @OptionGroup var daemon: DaemonAddress

    func run() async throws { try await daemon.connection().printAnswer(get: "/push/targets") }
  }

  struct Secret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "secret", abstract: "Set, show and remove the secret that signs deliveries.",
      subcommands: [Set.self, Show.self, Remove.self])
  }

  /// Whose secret is meant.
  struct Holder: ParsableArguments {
    @Option(help: "Whose jobs it signs (default: those of the key's owner).") var ownerID: String?
    @Option(help: "The queue whose jobs it signs, before their owner's.") var queue: String?

    var query: String {
      let given = [("owner_id", ownerID), ("queue", queue)].compactMap { name, value in
        value.map { "\(name)=\(percentEncoded($0))" }
      }
      return given.isEmpty ? "" : "?" + given.joined(separator: "&")
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a new secret and print it, once; the one before it stays for a while.",
      discussion:
        "A secret of your own comes on standard input, with --stdin: arguments stand in the list of processes.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var holder: Holder
    @Option(help: "How long the one before it is used, too, such as 24h (default: 1d).") var keepOld: String?
    @Flag(help: "Read the secret (whsec_…) from standard input.") var stdin = false

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      if let owner = holder.ownerID { body.field("owner_id", owner) }
      if let queue = holder.queue { body.field("queue", queue) }
      if let keepOld { body.field("keep_old", keepOld) }
      if stdin { body.field("secret", readLine(strippingNewline: true) ?? "") }
      body.endObject()
      try await daemon.connection().printAnswer(
        to: .post, "/push/secret", body: body, done: .said("the secret was set"))
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show since when there is one; not the secret itself.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var holder: Holder

    func run() async throws { try await daemon.connection().printAnswer(get: "/push/secret" + holder.query) }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove it: deliveries are not signed any more.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var holder: Holder

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .delete, "/push/secret" + holder.query, done: .said("the secret was removed"))
    }
  }
}
