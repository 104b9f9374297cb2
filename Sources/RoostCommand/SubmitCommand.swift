import ArgumentParser
import Foundation
import Logging
import RoostAPI
import RoostClient

/// `roost submit`: sends one job, or those of a file, and prints what the daemon made of it.
struct SubmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Submit a job, or the jobs of a file.",
    discussion: """
      With --file each line is a job as POST /jobs takes it, {"payload": …, "queue": …}, or a payload alone \
      (--payloads); flags say what lines do not. A line's idempotency key follows from the line, so the same file again \
      submits only what is not there yet: after an interruption it goes on where it was. The daemon remembers a key \
      until IDEMPOTENCY_WINDOW after its job has ended; to submit the same lines anew, give --run another name.

      \(CommandOutput.exitCodes) With --file 1 means that lines were refused.
      """)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "The queue (default: default).") var queue: String?
  @Option(help: "Which jobs of the queue it belongs with: a tenant, a customer.") var group: String?
  @Option(help: "What kind of job it is, such as email.send.") var type: String?
  @Option(parsing: .unconditional, help: "low, medium, high, critical, or -128 to 127, higher first.")
  var priority: PriorityArgument?
  @Option(help: "Not before this much time, such as 10m.") var delay: String?
  @Option(help: "Not before this time, such as 2027-01-31T09:00:00Z.") var runAt: String?
  @Option(help: "Retries after the first attempt: 0 to 1000, or unlimited.") var maxRetries: RetriesArgument?
  @Option(help: "Pauses between attempts, such as 2s..1m or 2s..1m,factor=3,jitter=equal.") var retry: RetryArgument?
  @Option(help: "How long a worker may be silent before another one gets the job, such as 30s.") var lease: String?
  @Option(help: "How long an attempt may run, such as 10m; 0s: as long as its worker says so.") var timeout: String?
  @Option(help: "A job that it waits for: it is BLOCKED until that is ACKED. May be given again.") var dependsOn:
    [String] = []
  @Option(help: "The batch that it joins.") var batch: String?
  @Option(help: "What becomes of it if such a job is not ACKED: cancel (default), run or hold.") var onDead: String?
  @Option(help: "Until the jobs that it waits for are acked (default), or ended, whatever became of them.")
  var when: String?
  @Option(help: "Leases that end by their time before it is DEAD, whatever retries are left.") var maxExpiries: Int?
  @Option(help: "Too late to begin after this time, such as 2027-01-31T09:00:00Z.") var expiresAt: String?
  @Option(help: "Too late to begin after this much time, such as 10m.") var expiresIn: String?
  @Option(help: "What becomes of it then: dead (the default) or cancel.") var onExpire: String?
  @Option(help: "While a job of this key is there no other is made.") var unique: String?
  @Option(help: "The same of jobs that are alike in these parts: type, queue, group, payload, with commas between.")
  var uniqueBy: String?
  @Option(help: "How long: started, ended (the default), or a time from the submit, such as 1h.") var uniqueUntil:
    String?
  @Option(help: "What becomes of this one then: existing (the default), reject or replace.") var onConflict: String?
  @Option(help: "With replace: how long it may be put off at most, such as 1m.") var maxWait: String?
  @Option(help: "How long the finished job is kept, such as 7d.") var retention: String?
  @Option(help: "A tag; may be given more than once.") var tag: [String] = []
  @Option(help: "Something to know beside the payload, name=value; may be given more than once.")
  var metadata: [MetadataArgument] = []
  @Option(help: "The same key again gives the same job.") var idempotencyKey: String?
  @Option(help: "The trace that the job belongs to (W3C Trace Context).") var traceparent: String?
  @Option(help: "What goes with it.") var tracestate: String?
  @Option(help: "Where the daemon delivers it by HTTP, instead of a worker leasing it.") var callbackURL: String?
  @Flag(help: "The payload is plain text in UTF-8, not JSON.") var text = false
  @Option(help: "A file with a job a line, JSON; - is standard input.", completion: .file()) var file: String?
  @Flag(help: "Of --file: each line is a payload.") var payloads = false
  @Option(name: .customLong("run"), help: "Of --file: a name for this run; another one submits the same lines anew.")
  var runName: String?
  @Option(help: "Of --file: where lines that are refused are written.", completion: .file()) var rejects: String?
  @Argument(help: "The payload, JSON; - reads it from standard input, -- before it lets it begin with -.")
  var payload: String?

  func validate() throws {
    guard file != nil else {
      if payload == nil { throw ValidationError("There is no payload: give one, or --file.") }
      if payloads || runName != nil || rejects != nil {
        throw ValidationError("--payloads, --run and --rejects go with --file.")
      }
      return
    }
    if payload != nil { throw ValidationError("Give a payload or --file, not both.") }
    if text { throw ValidationError("--text goes with a payload: lines of a file are JSON.") }
    if idempotencyKey != nil {
      throw ValidationError("--idempotency-key names one job: lines of a file have keys of their own.")
    }
  }

  func run() async throws {
    if let file { return try await submit(file: file) }
    guard let payload else { preconditionFailure("validated") }
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
    try writeOptions(to: &body)
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs", body: body, done: .job("submitted"))
  }

  /// Every field but the payload that a flag gives.
  private func writeOptions(to body: inout JSONWriter) throws {
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
    retry?.write(to: &body)
    if let lease { body.field("lease", lease) }
    if let timeout { body.field("timeout", timeout) }
    if !dependsOn.isEmpty {
      body.key("depends_on")
      body.beginArray()
      for job in dependsOn { body.string(job) }
      body.endArray()
    }
    if let batch { body.field("batch", batch) }
    if let onDead { body.field("on_dead", onDead) }
    if let when { body.field("when", when) }
    if let maxExpiries { body.field("max_expiries", maxExpiries) }
    if let expiresAt { body.field("expires_at", expiresAt) }
    if let expiresIn { body.field("expires_in", expiresIn) }
    if let onExpire { body.field("on_expire", onExpire) }
    try addUnique(to: &body)
    if let retention { body.field("retention", retention) }
    if !tag.isEmpty {
      body.key("tags")
      body.beginArray()
      for text in tag { body.string(text) }
      body.endArray()
    }
    if !metadata.isEmpty {
      body.key("metadata")
      body.beginObject()
      for one in metadata {
        body.anyKey(one.name)
        body.string(one.value)
      }
      body.endObject()
    }
    if let traceparent { body.field("traceparent", traceparent) }
    if let tracestate { body.field("tracestate", tracestate) }
    if let callbackURL { body.field("callback_url", callbackURL) }
    if let idempotencyKey { body.field("idempotency_key", idempotencyKey) }
  }

  private func submit(file: String) async throws {
    try CommandOutput.check()
    try DescriptorLimit.ofClient()
    let logger = Logger(label: "roost") { _ in LineLogHandler(level: .error) }
    var submission = try FileSubmission(
      daemon.client(logger: logger), path: file, isPayloads: payloads, defaults: try defaults(), run: runName ?? "",
      rejects: rejects)
    try await submission.submit()
    let tally = submission.tally
    try CommandOutput.write(line: Terminal.isOutput ? tally.text : tally.json, after: tally.text)
    guard tally.refused == 0 else {
      throw CommandFailure(.refused, "\(counted(tally.refused, "line")) of \(tally.lines) were refused")
    }
  }

  /// What flags say for all lines.
  private func defaults() throws -> [JobLine.Field] {
    var body = JSONWriter()
    body.beginObject()
    try writeOptions(to: &body)
    body.endObject()
    var fields: [JobLine.Field] = []
    var reader = JSONReader(body.bytes)
    try reader.dictionary("") { (name, json) throws(Rejection) in
      fields.append(JobLine.Field(name: name, value: try json.rawValue()))
    }
    return fields
  }

  private func addUnique(to body: inout JSONWriter) throws {
    guard unique != nil || uniqueBy != nil else {
      guard uniqueUntil == nil, onConflict == nil, maxWait == nil else {
        throw ValidationError("--unique-until, --on-conflict and --max-wait go with --unique or --unique-by")
      }
      return
    }
    body.key("unique")
    body.beginObject()
    if let unique { body.field("key", unique) }
    if let uniqueBy {
      body.key("by")
      body.beginArray()
      for part in uniqueBy.split(separator: ",") { body.string(String(part)) }
      body.endArray()
    }
    switch uniqueUntil {
    case nil: break
    case "started"?, "ended"?: body.field("until", uniqueUntil!)
    case let time?:
      body.key("until")
      body.beginObject()
      body.field("for", time)
      body.endObject()
    }
    if let onConflict { body.field("on_conflict", onConflict) }
    if let maxWait { body.field("max_wait", maxWait) }
    body.endObject()
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
