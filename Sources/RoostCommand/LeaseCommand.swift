import ArgumentParser
import RoostAPI
import RoostClient

/// `roost lease`: takes one job to work on and prints it.
struct LeaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lease", abstract: "Lease a job; exit 1 if none is ready.")

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "A queue to take from; may be given more than once (default: default).") var queue: [String] = []
  @Option(help: "How long the job stays yours, such as 30s.") var lease: String?
  @Option(help: "How long to wait for a job, at most 60s.") var wait: String?
  @Option(help: "What this worker calls itself.") var workerId: String?

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    if !queue.isEmpty {
      body.key("queues")
      body.beginArray()
      for name in queue { body.string(name) }
      body.endArray()
    }
    if let lease { body.field("lease", lease) }
    if let wait { body.field("wait", wait) }
    if let workerId { body.field("worker_id", workerId) }
    body.endObject()
    let waitMilliseconds = wait.flatMap { DurationText.milliseconds($0) } ?? 0
    try await daemon.connection().printAnswer(
      to: .post, "/jobs/lease", body: body, timeoutMilliseconds: 30_000 + min(waitMilliseconds, 60_000))
  }
}
