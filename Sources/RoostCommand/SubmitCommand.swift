import ArgumentParser
import Foundation
import RoostAPI
import RoostClient

/// `roost submit`: sends one job and prints what the daemon made of it.
struct SubmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Submit a job.", discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "The queue (default: default).") var queue: String?
  @Option(help: "Which jobs of the queue it belongs with: a tenant, a customer.") var group: String?
  @Option(help: "What kind of job it is, such as email.send.") var type: String?
  @Option(parsing: .unconditional, help: "low, medium, high, critical, or -128 to 127, higher first.")
  var priority: PriorityArgument?
  @Option(help: "Not before this much time, such as 10m.") var delay: String?
  @Option(help: "Not before this time, such as 2027-01-31T09:00:00Z.") var runAt: String?
  @Option(help: "Retries after the first attempt: 0 to 1000, or unlimited.") var maxRetries: RetriesArgument?
  @Option(help: "How long an attempt may run, such as 10m; 0s: as long as its worker says so.") var timeout: String?
  @Option(help: "The same key again gives the same job.") var idempotencyKey: String?
  @Option(help: "The trace that the job belongs to (W3C Trace Context).") var traceparent: String?
  @Flag(help: "The payload is plain text in UTF-8, not JSON.") var text = false
  @Argument(help: "The payload, JSON; - reads it from standard input, -- before it lets it begin with -.")
  var payload: String

  func run() async throws {
    let content = payload == "-" ? try standardInput() : Array(payload.utf8)
    var body = JSONWriter()
    body.beginObject()
    if text {
      guard let text = String(validating: content, as: UTF8.self) else {
        throw CommandFailure(
          .usage, "the payload is not UTF-8: nothing was sent. Encode other bytes first, in Base64 for example")
      }
      body.field("payload", text)
    } else {
      body.field("payload", raw: try oneJSONValue(content, "the payload", "Plain text goes with --text"))
    }
    if let queue { body.field("queue", queue) }
    if let group { body.field("group", group) }
    if let type { body.field("type", type) }
    switch priority {
    case .named(let name)?: body.field("priority", name)
    case .number(let number)?: body.field("priority", number)
    case nil: break
    }
    if let delay { body.field("delay", delay) }
    if let runAt { body.field("run_at", runAt) }
    switch maxRetries {
    case .unlimited?: body.field("max_retries", "unlimited")
    case .number(let number)?: body.field("max_retries", number)
    case nil: break
    }
    if let timeout { body.field("timeout", timeout) }
    if let traceparent { body.field("traceparent", traceparent) }
    if let idempotencyKey { body.field("idempotency_key", idempotencyKey) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs", body: body, done: "submitted")
  }

  private func standardInput() throws -> [UInt8] {
    Array(try FileHandle.standardInput.readToEnd() ?? Data())
  }
}

/// A priority as HTTP takes it: a name or a number.
enum PriorityArgument: ExpressibleByArgument {
  case named(String)
  case number(Int)

  init?(argument: String) {
    if ["low", "medium", "high", "critical"].contains(argument) {
      self = .named(argument)
    } else if let number = Int(argument), (-128...127).contains(number) {
      self = .number(number)
    } else {
      return nil
    }
  }
}

/// Checks that the bytes are exactly one JSON value, so that they cannot add fields to the body they are put into.
///
/// - Parameters:
///   - what: `the payload`, for the message.
///   - hint: What to do instead.
func oneJSONValue(
  _ bytes: [UInt8], _ what: String, _ hint: String
) throws(CommandFailure) -> ArraySlice<UInt8> {
  do throws(Rejection) {
    var reader = JSONReader(bytes)
    let value = try reader.rawValue()
    try reader.finish()
    return value
  } catch {
    throw CommandFailure(.usage, "\(what) is not JSON: \(error.message). \(hint)")
  }
}

/// A number of retries as HTTP takes it.
enum RetriesArgument: ExpressibleByArgument {
  case unlimited
  case number(Int)

  init?(argument: String) {
    if argument == "unlimited" {
      self = .unlimited
    } else if let number = Int(argument) {
      self = .number(number)
    } else {
      return nil
    }
  }
}
