import ArgumentParser
import RoostAPI
import RoostClient

/// `roost batches …`: jobs that are one thing to whoever waits for them.
struct BatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batches",
    abstract: "Open, list, show, close and cancel batches: jobs after which one more is made.",
    subcommands: [List.self, Show.self, Open.self, Close.self, Cancel.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List batches, the newest first.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions

    func run() async throws { try await daemon.show("/batches", shown, as: .batches) }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a batch and its jobs by state.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The batch's id.") var batch: JobArgument

    func run() async throws { try await daemon.connection().printAnswer(get: "/batches/\(batch.id)") }
  }

  struct Open: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Open a batch; jobs join it by roost submit --batch until it is closed.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "What it is called.") var name: String?
    @Option(help: "The job that is made when all have ended, as POST /jobs takes it: '{\"payload\": 1}'.") var then:
      String?
    @Option(help: "Whether its jobs must be acked (default), or just ended, whatever became of them.") var when: String?
    @Option(help: "After how long it closes by itself, such as 1d.") var expiresIn: String?

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      if let name { body.field("name", name) }
      if let then {
        body.field("then", raw: try oneJSONValue(Array(then.utf8), "--then", "It is a job as POST /jobs takes it"))
      }
      if let when { body.field("when", when) }
      if let expiresIn { body.field("expires_in", expiresIn) }
      body.endObject()
      try await daemon.connection().printAnswer(
        to: .post, "/batches", body: body, done: .named("batch", by: "batch_id", "opened"))
    }
  }

  struct Close: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Close a batch: it takes no more jobs.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The batch's id.") var batch: JobArgument

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, "/batches/\(batch.id)/close", done: .said("the batch was closed"))
    }
  }

  struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Cancel a batch: its jobs that have not ended are cancelled, and no job is made then.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The batch's id.") var batch: JobArgument

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, "/batches/\(batch.id)/cancel", done: .said("the batch was cancelled"))
    }
  }
}
