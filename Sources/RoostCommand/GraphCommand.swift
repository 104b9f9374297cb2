import ArgumentParser
import RoostClient

/// `roost graph`: what a job waits for, and what waits for it.
struct GraphCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Show the jobs that a job waits for and those that wait for it.",
    discussion: "The nearest first, at most 200.")

  @OptionGroup var daemon: DaemonAddress
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    try await daemon.connection().printAnswer(get: "/jobs/\(job.id)/graph")
  }
}
