import Foundation

/// A job's name: it comes with the submit and stays the same for ever.
public struct JobID: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  public init(_ text: String) {
    rawValue = text
  }

  public init(from decoder: any Decoder) throws {
    rawValue = try decoder.singleValueContainer().decode(String.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  public var description: String { rawValue }
}

/// Where a job is in its life. States that this version of the library does not list may come.
public struct JobState: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  /// Waits for a worker.
  public static let ready = JobState(rawValue: "READY")
  /// Waits for its time.
  public static let scheduled = JobState(rawValue: "SCHEDULED")
  /// A worker holds it.
  public static let running = JobState(rawValue: "RUNNING")
  /// Failed, and waits for its next attempt.
  public static let retry = JobState(rawValue: "RETRY")
  /// Done.
  public static let acked = JobState(rawValue: "ACKED")
  /// Failed for good.
  public static let dead = JobState(rawValue: "DEAD")
  /// Called off.
  public static let cancelled = JobState(rawValue: "CANCELLED")

  /// Waits for other jobs.
  public static let blocked = JobState(rawValue: "BLOCKED")

  /// Whether the job has ended: ACKED, DEAD or CANCELLED.
  public var isFinal: Bool { self == .acked || self == .dead || self == .cancelled }

  public var description: String { rawValue }
}

/// A job as it was when it was asked for.
public struct Job: Sendable, Identifiable {
  public let id: JobID
  public let queue: String
  /// The queue that it was submitted to, if it was moved; else nil.
  public let source: String?
  /// Nil if none was given.
  public let group: String?
  /// Empty if none was given.
  public let type: String
  public let state: JobState
  public let priority: JobPriority
  /// How many attempts have begun.
  public let attempts: Int
  /// Retries after the first attempt.
  public let maxRetries: Int
  /// Attempts that ended because the worker said so, or their timeout was over.
  public let failures: Int
  /// Attempts that ended because their leases did: as when the worker died.
  public let expiries: Int
  /// Attempts that were handed back; they are not spent.
  public let interruptions: Int
  /// With how many `expiries` it is DEAD; nil if it goes by its retries alone.
  public let maxExpiries: Int?
  public let createdAt: Date
  /// Not before this time; nil if it may run at once.
  public let runAt: Date?
  /// When the first attempt began.
  public let startedAt: Date?
  /// Until when a worker holds it.
  public let leaseUntil: Date?
  /// Until when its attempt may run, however often its lease is extended; nil if it has no timeout or does not run.
  public let deadline: Date?
  /// When it is too late to begin; nil if it may begin at any time.
  public let expiresAt: Date?
  public let finishedAt: Date?
  /// What the worker calls itself.
  public let workerID: String?
  /// Whether it was cancelled while running, and its worker has not ended it yet.
  public let isCancelRequested: Bool
  /// What the worker gave back; lists leave it out.
  public let result: RawJSON?
  /// Why the last attempt failed.
  public let error: String?
  /// What the worker last reported while running.
  public let progress: RawJSON?
  public let tags: [String]
  public let metadata: [String: String]
  public let traceparent: String?
  /// What goes with it.
  public let tracestate: String?
  /// The schedule that made it, if one did.
  public let schedule: ScheduledInstant?
  /// The batch that it is of.
  public let batch: BatchID?
  /// The jobs that it waits for, or waited for; lists leave them out.
  public let dependsOn: [JobID]
  /// That no other job of its owner may be like it, if it said so.
  public let unique: Unique?
  /// What was submitted, if it was asked for.
  public let payload: RawJSON?

  /// Decodes what the worker gave back.
  ///
  /// - Throws: ``RoostError`` with code `no_result` if the job is not ACKED or has no result (its error says why
  ///   the job failed), `decoding_failed` if the result is of another type.
  public func result<Value: Decodable>(as type: Value.Type = Value.self) throws(RoostError) -> Value {
    guard state == .acked else {
      let why = error.map { ": \($0)" } ?? ""
      throw RoostError(.noResult, "job \(id) is \(state)\(why)")
    }
    guard let result else { throw RoostError(.noResult, "job \(id) was done without a result") }
    return try result.decode(as: type)
  }

  init(_ fields: JSONFields) throws(RoostError) {
    id = JobID(try fields.required("job_id", JSONFields.text))
    queue = try fields.required("queue", JSONFields.text)
    source = fields.text("source")
    group = fields.text("group")
    type = fields.text("type") ?? ""
    state = JobState(rawValue: try fields.required("state", JSONFields.text))
    priority = JobPriority(rawValue: fields.integer("priority") ?? 0)
    attempts = fields.integer("attempts") ?? 0
    maxRetries = fields.retries("max_retries") ?? 0
    failures = fields.integer("failures") ?? 0
    expiries = fields.integer("expiries") ?? 0
    interruptions = fields.integer("interruptions") ?? 0
    maxExpiries = fields.integer("max_expiries")
    createdAt = try fields.required("created_at", JSONFields.date)
    runAt = fields.date("run_at")
    startedAt = fields.date("started_at")
    leaseUntil = fields.date("lease_until")
    deadline = fields.date("deadline")
    expiresAt = fields.date("expires_at")
    finishedAt = fields.date("finished_at")
    workerID = fields.text("worker_id")
    isCancelRequested = fields.flag("cancel_requested")
    result = fields.json("result")
    error = fields.text("result_error")
    progress = fields.json("progress")
    tags = try fields.json("tags")?.decode() ?? []
    metadata = fields.texts("metadata")
    traceparent = fields.text("traceparent")
    tracestate = fields.text("tracestate")
    schedule = fields.object("schedule").flatMap { ScheduledInstant($0) }
    batch = fields.text("batch").map { BatchID(rawValue: $0) }
    dependsOn = try fields.json("depends_on")?.decode() ?? []
    unique = fields.object("unique").flatMap { Unique($0) }
    payload = fields.json("payload")
  }
}

/// The schedule that made a job, and the instant that it made it for.
public struct ScheduledInstant: Sendable, Hashable {
  public let name: String
  public let at: Date

  package init(name: String, at: Date) { (self.name, self.at) = (name, at) }

  init?(_ fields: JSONFields) {
    guard let name = fields.text("name"), let at = fields.date("at") else { return nil }
    (self.name, self.at) = (name, at)
  }
}

/// What became of a submit.
public struct SubmittedJob: Sendable, Identifiable {
  public let id: JobID
  /// READY, SCHEDULED where it was delayed, BLOCKED where it waits for others; any other state if it is a duplicate.
  public let state: JobState
  public let queue: String
  /// Not before this time.
  public let runAt: Date
  public let createdAt: Date
  /// Whether a job with this idempotency key, or one that this would have been like (``JobOptions/unique``), was there
  /// already: this is that job, and no other was made.
  public let isDuplicate: Bool

  init(_ fields: JSONFields) throws(RoostError) {
    id = JobID(try fields.required("job_id", JSONFields.text))
    state = JobState(rawValue: try fields.required("state", JSONFields.text))
    queue = try fields.required("queue", JSONFields.text)
    runAt = try fields.required("run_at", JSONFields.date)
    createdAt = try fields.required("created_at", JSONFields.date)
    isDuplicate = fields.flag("idempotent") || fields.flag("duplicate")
  }
}
