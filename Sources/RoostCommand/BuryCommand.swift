import ArgumentParser
import RoostAPI
import RoostClient

/// `roost bury`: puts a job that waits among the dead letters.
struct BuryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bury", abstract: "Put a job that waits among the dead letters.",
    discussion: "It rests there until somebody replays or deletes it.")

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "Why, as the dead letter will say.") var reason: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/dlq", body: body, done: .job("buried"))
  }
}
