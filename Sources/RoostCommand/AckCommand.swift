import ArgumentParser
import RoostAPI
import RoostClient

/// `roost ack`: reports a leased job as done, or as failed.
struct AckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ack", abstract: "Acknowledge a leased job.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "The lease under which it was done; without it another lease of the same key passes, too.")
  var leaseId: String?
  @Option(parsing: .unconditional, help: "The result, JSON.") var result: String?
  @Option(parsing: .unconditional, help: "It failed, and why: it is retried while attempts are left.")
  var error: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func validate() throws {
    if result != nil, error != nil { throw ValidationError("Give --result or --error, not both.") }
    // Taken as absent, it would report a success.
    if error == "" { throw ValidationError("--error is empty: say what went wrong.") }
  }

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    if let leaseId { body.field("lease_id", leaseId) }
    if let result {
      body.field(
        "result", raw: try oneJSONValue(Array(result.utf8), "--result", "Put a text in double quotes: '\"done\"'"))
    }
    if let error { body.field("result_error", error) }
    body.endObject()
    try await daemon.connection().printAnswer(
      to: .post, "/jobs/\(job.id)/ack", body: body, done: .job(error == nil ? "acknowledged" : "failed"))
  }
}
