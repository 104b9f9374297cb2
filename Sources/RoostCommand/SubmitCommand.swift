import ArgumentParser
import Foundation
import RoostAPI
import RoostClient

/// `roost submit`: sends one job and prints what the daemon made of it.
struct SubmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "submit", abstract: "Submit a job.")

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "The queue (default: default).") var queue: String?
  @Option(help: "What kind of job it is, such as email.send.") var type: String?
  @Option(help: "-128 to 127, higher first.") var priority: Int?
  @Option(help: "Not before this much time, such as 10m.") var delay: String?
  @Option(help: "Not before this time, such as 2027-01-31T09:00:00Z.") var runAt: String?
  @Option(help: "Retries after the first attempt.") var maxRetries: Int?
  @Option(help: "The same key again gives the same job.") var idempotencyKey: String?
  @Flag(help: "The payload is plain text, not JSON.") var text = false
  @Argument(help: "The payload, JSON; - reads it from standard input.") var payload: String

  func run() async throws {
    let content = payload == "-" ? try standardInput() : Array(payload.utf8)
    var body = JSONWriter()
    body.beginObject()
    if text {
      body.field("payload", String(decoding: content, as: UTF8.self))
    } else {
      body.field("payload", raw: try oneJSONValue(content))
    }
    if let queue { body.field("queue", queue) }
    if let type { body.field("type", type) }
    if let priority { body.field("priority", priority) }
    if let delay { body.field("delay", delay) }
    if let runAt { body.field("run_at", runAt) }
    if let maxRetries { body.field("max_retries", maxRetries) }
    if let idempotencyKey { body.field("idempotency_key", idempotencyKey) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs", body: body)
  }

  private func standardInput() throws -> [UInt8] {
    Array(try FileHandle.standardInput.readToEnd() ?? Data())
  }
}

/// Checks that the bytes are exactly one JSON value, so that they cannot add fields to the body they are put into.
func oneJSONValue(_ bytes: [UInt8]) throws(CommandFailure) -> ArraySlice<UInt8> {
  do throws(Rejection) {
    var reader = JSONReader(bytes)
    let value = try reader.rawValue()
    try reader.finish()
    return value
  } catch {
    throw CommandFailure(.usage, "this is not JSON: \(error.message). Plain text goes with --text")
  }
}
