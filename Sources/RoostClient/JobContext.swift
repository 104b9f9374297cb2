import Foundation
import Logging

/// What a handler knows of its job beside the payload, and how it reports progress.
public struct JobContext: Sendable {
  public let id: JobID
  /// Empty if none was given.
  public let type: String
  public let queue: String
  /// The queue that it was submitted to, if it was moved here because it failed there; else nil.
  public let source: String?
  /// Nil if none was given.
  public let group: String?
  /// 1 for the first attempt.
  public let attempt: Int
  /// Retries after the first attempt.
  public let maxRetries: Int
  public let priority: JobPriority
  public let createdAt: Date?
  /// When this attempt is over, however often its lease is extended: the handler is cancelled then. Nil if its job has no
  /// timeout.
  public let deadline: Date?
  /// Before when the job had to begin; nil if it might at any time.
  public let expiresAt: Date?
  public let metadata: [String: String]
  public let tags: [String]
  public let traceparent: String?
  /// What goes with it.
  public let tracestate: String?
  /// The schedule that made the job, if one did.
  public let schedule: ScheduledInstant?
  /// What became of the jobs that it waited for, in the order in which it named them.
  public let dependencies: [JobDependency]
  /// The lease's fencing token: it belongs to this attempt only. Written into your own store together with the effect,
  /// it tells whether this attempt or a later one had it.
  public let leaseID: String
  /// When the lease ends unless it is extended, which the worker sees to.
  package let leaseUntil: Date?
  /// Says the job's id, type, attempt and trace with each line.
  public let logger: Logger

  private let report: @Sendable (RawJSON) async throws -> Void

  /// Whether a failure of this attempt, unless it is snoozed, leaves the job DEAD.
  public var isLastAttempt: Bool { attempt > maxRetries }

  /// Tells how far the job is: it stands in ``Job/progress`` while the job runs. It also extends the lease.
  ///
  /// Each call is a request and waits for its answer: once or twice a second is plenty. If the daemon cannot be
  /// reached, the report is dropped and the job goes on.
  ///
  /// - Parameter progress: Anything small: a number, a text, an object; at most 16 KiB.
  /// - Throws: `CancellationError` if the job was cancelled or is no longer this worker's: stop working on it.
  ///   ``RoostError`` if the daemon refuses the report.
  public func reportProgress(_ progress: some Encodable) async throws {
    try await report(try RawJSON(encoding: progress))
  }

  /// One for a test of a handler: no daemon stands behind it.
  ///
  /// ```swift
  /// let outcome = try await handle(SendEmail(to: "ada"), JobContext(type: "email.send", attempt: 3, maxRetries: 2))
  /// ```
  ///
  /// - Parameter onProgress: Gets what the handler reports; what it throws, the handler gets.
  public init(
    id: JobID = JobID("test-job"), type: String = "", queue: String = "default", group: String? = nil,
    attempt: Int = 1, maxRetries: Int = 3, priority: JobPriority = .medium, createdAt: Date? = nil,
    deadline: Date? = nil, expiresAt: Date? = nil, metadata: [String: String] = [:], tags: [String] = [],
    traceparent: String? = nil, tracestate: String? = nil, dependencies: [JobDependency] = [],
    leaseID: String = "test-lease", logger: Logger = Logger(label: "roost.test"),
    onProgress: @escaping @Sendable (RawJSON) async throws -> Void = { _ in }
  ) {
    (self.id, self.type, self.queue, self.group) = (id, type, queue, group)
    (self.attempt, self.maxRetries, self.priority) = (attempt, maxRetries, priority)
    (self.createdAt, self.deadline, self.expiresAt) = (createdAt, deadline, expiresAt)
    (self.metadata, self.tags, self.dependencies) = (metadata, tags, dependencies)
    (self.traceparent, self.tracestate) = (traceparent, tracestate)
    (self.leaseID, self.logger) = (leaseID, logger)
    (source, schedule, leaseUntil) = (nil, nil, nil)
    report = onProgress
  }

  package init(_ job: LeasedJob, logger: Logger, report: @escaping @Sendable (RawJSON) async throws -> Void) {
    id = job.id
    type = job.type
    queue = job.queue
    source = job.source
    group = job.group
    attempt = job.attempt
    maxRetries = job.maxRetries
    priority = job.priority
    createdAt = job.createdAt
    deadline = job.deadline
    expiresAt = job.expiresAt
    metadata = job.metadata
    tags = job.tags
    traceparent = job.traceparent
    tracestate = job.tracestate
    schedule = job.schedule
    dependencies = job.dependencies
    leaseID = job.leaseID
    leaseUntil = job.leaseUntil
    var logger = logger
    logger[metadataKey: "job_id"] = "\(job.id)"
    logger[metadataKey: "type"] = "\(job.type)"
    logger[metadataKey: "attempt"] = "\(job.attempt)"
    if let trace = JobTrace.id(job.traceparent) { logger[metadataKey: "trace_id"] = "\(trace)" }
    self.logger = logger
    self.report = report
  }
}

/// What became of a job that another one waited for.
public struct JobDependency: Sendable, Identifiable {
  public let id: JobID
  /// Nil if it has left.
  public let state: JobState?
  /// What its worker gave back; nil if it gave nothing, was not ACKED, or is omitted.
  public let result: RawJSON?
  /// Whether it has a result that would have made the lease too large: ``Client/job(_:includingPayload:)`` has it.
  public let isResultOmitted: Bool

  /// One for a test of a handler.
  public init(id: JobID, state: JobState? = .acked, result: RawJSON? = nil, isResultOmitted: Bool = false) {
    (self.id, self.state, self.result, self.isResultOmitted) = (id, state, result, isResultOmitted)
  }

  init(_ fields: JSONFields) throws(RoostError) {
    id = JobID(try fields.required("job_id", JSONFields.text))
    state = fields.text("state").map { JobState(rawValue: $0) }
    result = fields.json("result")
    isResultOmitted = fields.flag("result_omitted")
  }
}

/// A job as a lease hands it out.
package struct LeasedJob: Sendable {
  package let id: JobID
  package let leaseID: String
  /// How long it is leased; nil if the daemon does not say.
  package let lease: Duration?
  /// How long the attempt may run, however often the lease is extended; nil: as long as it is.
  package let timeout: Duration?
  /// The same as a time.
  package let deadline: Date?
  package let expiresAt: Date?
  package let leaseUntil: Date?
  package let payload: RawJSON
  package let type: String
  package let queue: String
  package let source: String?
  package let group: String?
  package let priority: JobPriority
  package let attempt: Int
  package let maxRetries: Int
  package let createdAt: Date?
  package let metadata: [String: String]
  package let tags: [String]
  package let traceparent: String?
  package let tracestate: String?
  package let schedule: ScheduledInstant?
  package let dependencies: [JobDependency]

  package init(
    id: JobID, leaseID: String, lease: Duration?, timeout: Duration?, deadline: Date?, leaseUntil: Date?,
    expiresAt: Date? = nil, payload: RawJSON, type: String, queue: String, source: String?, group: String?,
    priority: JobPriority, attempt: Int,
    maxRetries: Int, createdAt: Date?, metadata: [String: String], tags: [String], traceparent: String?,
    tracestate: String? = nil, schedule: ScheduledInstant?, dependencies: [JobDependency] = []
  ) {
    (self.id, self.leaseID, self.lease, self.timeout) = (id, leaseID, lease, timeout)
    (self.deadline, self.leaseUntil, self.expiresAt) = (deadline, leaseUntil, expiresAt)
    (self.payload, self.type) = (payload, type)
    (self.queue, self.source, self.group, self.priority) = (queue, source, group, priority)
    (self.attempt, self.maxRetries, self.createdAt) = (attempt, maxRetries, createdAt)
    (self.metadata, self.tags, self.schedule) = (metadata, tags, schedule)
    (self.traceparent, self.tracestate, self.dependencies) = (traceparent, tracestate, dependencies)
  }

  init(_ fields: JSONFields) throws(RoostError) {
    id = JobID(try fields.required("job_id", JSONFields.text))
    leaseID = try fields.required("lease_id", JSONFields.text)
    lease = fields.duration("lease")
    timeout = fields.duration("timeout")
    deadline = fields.date("deadline")
    expiresAt = fields.date("expires_at")
    leaseUntil = fields.date("lease_until")
    payload = fields.raw("payload").map { RawJSON(trusted: $0) } ?? .null
    type = fields.text("type") ?? ""
    queue = try fields.required("queue", JSONFields.text)
    source = fields.text("source")
    group = fields.text("group")
    priority = JobPriority(rawValue: fields.integer("priority") ?? 0)
    attempt = try fields.required("attempt", JSONFields.integer)
    maxRetries = try fields.required("max_retries", JSONFields.retries)
    createdAt = fields.date("created_at")
    metadata = fields.texts("metadata")
    tags = try fields.json("tags")?.decode() ?? []
    traceparent = fields.text("traceparent")
    tracestate = fields.text("tracestate")
    schedule = fields.object("schedule").flatMap { ScheduledInstant($0) }
    var outcomes: [JobDependency] = []
    for bytes in fields.elements("dependencies") ?? [] { outcomes.append(try JobDependency(JSONFields(bytes))) }
    dependencies = outcomes
  }
}

extension RawJSON {
  static let null = RawJSON(trusted: Array("null".utf8)[...])
}
