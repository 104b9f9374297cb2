import ArgumentParser
import RoostClient

/// `roost unblock`: lets a job run that is held for others.
struct UnblockCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unblock", abstract: "Let a BLOCKED job run although a job that it waited for was not ACKED.",
    discussion: "All that it waits for must have ended; it was submitted with --on-dead hold.")

  @OptionGroup var daemon: DaemonAddress
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/unblock", done: .job("unblocked"))
  }
}
