import ArgumentParser
import RoostAPI
import RoostClient

/// `roost history`: what happened to a job.
struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Show a job's attempts, the last one first.", discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var shown: ListOptions
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws { try await daemon.show("/jobs/\(job.id)/history", shown, as: .history) }
}

/// `roost cancel`: calls a job off.
struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Call a job off: one that runs is ended by its worker.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "Why, for whoever asks.") var reason: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/cancel", body: body, done: "cancelled")
  }
}

/// `roost retry`: runs a job now.
struct RetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Run a job now that waits for its time, or again if it is DEAD or CANCELLED.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/retry", done: "told to run again")
  }
}

/// `roost fail`: reports a leased job as failed.
struct FailCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fail", abstract: "Report that a leased job failed: it is retried while attempts are left.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var lease: LeaseToken
  @Option(parsing: .unconditional, help: "Why, for whoever looks at the job.") var error: String
  @Flag(help: "Trying again would not help: it is DEAD.") var permanent = false
  @Option(help: "When it is tried again, such as 5m (default: as the job says).") var retryAfter: String?
  @Option(help: "How long the job's group gives no other job, such as 30s.") var holdGroup: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func validate() throws {
    if error.isEmpty { throw ValidationError("--error is empty: say what went wrong.") }
    if permanent, retryAfter != nil {
      throw ValidationError("--permanent is not tried again: leave --retry-after out.")
    }
  }

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    lease.write(to: &body)
    body.field("error", error)
    if permanent { body.field("retryable", false) }
    if let retryAfter { body.field("retry_after", retryAfter) }
    if let holdGroup { body.field("hold_group", holdGroup) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/fail", body: body, done: "failed")
  }
}

/// `roost extend`: keeps a leased job.
struct ExtendCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extend", abstract: "Keep a leased job for longer, and say how far it is.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var token: LeaseToken
  @Option(help: "How long from now, such as 30s (default: as the job says).") var lease: String?
  @Option(parsing: .unconditional, help: "How far it is, JSON.") var progress: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    token.write(to: &body)
    if let lease { body.field("lease", lease) }
    if let progress {
      body.field(
        "progress",
        raw: try oneJSONValue(Array(progress.utf8), "--progress", "Put a text in double quotes: '\"half\"'"))
    }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/extend", body: body)
  }
}

/// `roost release`: hands a leased job back.
struct ReleaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "Hand a leased job back, its attempt not counted.",
    discussion: CommandOutput.exitCodes)

  @OptionGroup var daemon: DaemonAddress
  @OptionGroup var lease: LeaseToken
  @Option(help: "Not before this much time, such as 10m.") var delay: String?
  @Option(help: "How long the job's group gives no other job, such as 30s.") var holdGroup: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    lease.write(to: &body)
    if let delay { body.field("delay", delay) }
    if let holdGroup { body.field("hold_group", holdGroup) }
    body.endObject()
    try await daemon.connection().printAnswer(to: .post, "/jobs/\(job.id)/release", body: body, done: "handed back")
  }
}

/// The fencing token of an attempt.
struct LeaseToken: ParsableArguments {
  @Option(help: "The lease under which it is held; without it another lease of the same key passes, too.")
  var leaseId: String?

  func write(to body: inout JSONWriter) { if let leaseId { body.field("lease_id", leaseId) } }
}
