import ArgumentParser
import RoostClient

/// `roost get`: prints a job as it is now.
struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Show a job.", discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Flag(help: "With its payload.") var payload = false
  @OptionGroup var shown: ListOptions
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    try await daemon.show("/jobs/\(job.id)\(payload ? "?payload=true" : "")", shown, as: nil)
  }
}
