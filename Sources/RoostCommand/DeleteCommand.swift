import ArgumentParser
import RoostClient

/// `roost delete`: removes a job that has ended.
struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a job that is ACKED, DEAD or CANCELLED.",
    discussion: "Its idempotency key goes on answering until its window is over.")

  @OptionGroup var daemon: DaemonAddress
  @Flag(help: "Only if it is DEAD: as DELETE /dlq/{id}, for keys that may manage queues.") var dead = false
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    try await daemon.connection().printAnswer(
      to: .delete, "\(dead ? "/dlq" : "/jobs")/\(job.id)", done: .said("job \(job.id) was deleted"))
  }
}
