import ArgumentParser
import RoostAPI
import RoostClient

/// `roost owners …`: what owners may have and ask.
struct OwnerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "owners", abstract: "Show and set what an owner may have waiting and ask.", subcommands: [Quota.self])

  struct Quota: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show an owner's quota and what of it is used; with options, set it: what is not said has no bound.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Waiting jobs at most.") var waitingJobs: UInt64?
    @Option(help: "Bytes in the log of waiting jobs at most.") var waitingBytes: UInt64?
    @Option(help: "Requests a second at most, on the long run.") var requestsPerSecond: UInt32?
    @Option(help: "Requests at once at most (default: as many as a second may have).") var burst: UInt32?
    @Flag(help: "Take the quota back.") var clear = false
    @Argument(help: "The owner.") var owner: String

    private var isSet: Bool {
      waitingJobs != nil || waitingBytes != nil || requestsPerSecond != nil || burst != nil
    }

    func validate() throws {
      if clear, isSet { throw ValidationError("--clear takes the whole quota back: leave the other options out") }
    }

    func run() async throws {
      let path = "/admin/owners/\(percentEncoded(owner))/quota"
      guard isSet || clear else { return try await daemon.connection().printAnswer(get: path) }
      var body = JSONWriter()
      body.beginObject()
      if let waitingJobs { body.field("waiting_jobs", waitingJobs) }
      if let waitingBytes { body.field("waiting_bytes", waitingBytes) }
      if let requestsPerSecond { body.field("requests_per_second", requestsPerSecond) }
      if let burst { body.field("burst", burst) }
      body.endObject()
      try await daemon.connection().printAnswer(to: .put, path, body: body, done: .said("the quota was set"))
    }
  }
}
