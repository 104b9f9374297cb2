import Foundation
import RoostAPI

/// Something that the daemon does to many jobs, in the background; it goes on across restarts.
public struct Operation: Sendable, Identifiable {
  public let id: String
  /// `cancel`, `delete`, `replay`, `retry`, `move`, `purge` or `delete_queue`.
  public let action: String
  /// `running`, `waiting` (for the RUNNING jobs of a queue that is deleted), `done` or `stopped`.
  public let state: String
  /// Changes so far: a deletion cancels a job, and then removes it.
  public let done: Int
  /// How many jobs matched just before it began, or, with a filter that only their records can be held against, how
  /// many there were to read; nil where nobody counted.
  public let matched: Int?
  /// How many records were read for such a filter.
  public let examined: Int?
  /// Of a count, how many matched so far.
  public let matches: Int?
  /// Jobs that were left as they are.
  public let skipped: Int
  /// Why: as another holds their key (``JobOptions/unique``), or as others wait for their results.
  public let skippedAsNotUnique: Int
  public let skippedAsResultNeeded: Int
  public let startedAt: Date
  public let finishedAt: Date?

  public var isOver: Bool { state != "running" && state != "waiting" }
}

/// Which jobs an operation is for. What is left out does not narrow them.
public struct JobSelection: Sendable {
  public var queue: String?
  public var type: String?
  /// Groups of this name; `_`: jobs that say none.
  public var group: String?
  public var ownerID: String?
  public var states: [JobState]?
  /// Only jobs that were submitted longer ago.
  public var olderThan: Duration?
  /// Only jobs that were submitted, or dead letters that died, from then on and before then.
  public var since: Date?
  public var until: Date?
  /// Only jobs that carry this tag.
  public var tag: String?
  /// Only jobs whose metadata have this key, or `key=value`.
  public var metadata: String?
  /// Only jobs whose last error holds this text.
  public var error: String?
  /// Only dead letters that died for this reason, such as `attempts_exhausted`.
  public var reason: String?
  /// Only dead letters whose error has this shape.
  public var shape: String?
  /// At most so many jobs.
  public var limit: Int?

  public init(
    queue: String? = nil, type: String? = nil, group: String? = nil, ownerID: String? = nil,
    states: [JobState]? = nil, olderThan: Duration? = nil, since: Date? = nil, until: Date? = nil,
    tag: String? = nil, metadata: String? = nil, error: String? = nil, reason: String? = nil, shape: String? = nil,
    limit: Int? = nil
  ) {
    (self.queue, self.type, self.group, self.ownerID) = (queue, type, group, ownerID)
    (self.states, self.olderThan, self.limit) = (states, olderThan, limit)
    (self.since, self.until, self.tag, self.metadata) = (since, until, tag, metadata)
    (self.error, self.reason, self.shape) = (error, reason, shape)
  }
}

/// How fast an operation goes.
public struct OperationPace: Sendable {
  /// At most so many jobs in `per`.
  public var limit: Int?
  /// 1 ms to 1 day.
  public var per: Duration
  /// Jobs that are replayed or retried run so much later.
  public var delay: Duration?

  public init(limit: Int? = nil, per: Duration = .seconds(1), delay: Duration? = nil) {
    (self.limit, self.per, self.delay) = (limit, per, delay)
  }
}

extension Client {
  /// What an operation does to each job.
  public enum BulkAction: String, Sendable {
    /// Jobs that wait are CANCELLED.
    case cancel
    /// Jobs that have ended leave.
    case delete
    /// Dead letters begin anew.
    case replay
    /// Jobs that wait for their next attempt are READY at once; those that wait for their time, too, if `states` says so.
    case retry
  }

  /// Does something to all jobs that match, of those that there are now, each once. The key must be one that may manage
  /// queues.
  ///
  /// It is sent again only where the daemon certainly did not take it.
  public func perform(
    _ action: BulkAction, on jobs: JobSelection, pace: OperationPace = OperationPace()
  ) async throws -> Operation {
    try await begin(body(action.rawValue, jobs, pace, isDry: false))
  }

  /// Puts all waiting jobs that match into another queue, each in its state and at its place among the others there.
  public func move(
    _ jobs: JobSelection, to queue: String, pace: OperationPace = OperationPace()
  ) async throws -> Operation {
    try await begin(body("move", jobs, pace, to: queue, isDry: false))
  }

  /// Begins all dead letters that match anew, in another queue.
  public func replay(
    _ jobs: JobSelection, to queue: String, pace: OperationPace = OperationPace()
  ) async throws -> Operation {
    try await begin(body("replay", jobs, pace, to: queue, isDry: false))
  }

  private func begin(_ body: [UInt8]) async throws -> Operation {
    var request = Transport.Request.post("/operations", body)
    request.isIdempotent = false
    return try Operation(JSONFields(try await transport.send(request)))
  }

  /// How many jobs ``perform(_:on:pace:)`` would change now. Where their records must be read for that (`tag`,
  /// `metadata`, `error`, `reason`, `shape`) it takes its time, and waits for it.
  ///
  /// - Throws: ``RoostError`` with code `no_result` if somebody stopped the count.
  public func count(_ action: BulkAction, on jobs: JobSelection) async throws -> Int {
    var request = Transport.Request.post("/operations", body(action.rawValue, jobs, OperationPace(), isDry: true))
    request.isIdempotent = false
    let answer = try JSONFields(try await transport.send(request))
    guard let id = answer.text("operation_id") else { return try answer.required("matches", JSONFields.integer) }
    while true {
      let counting = try await operation(id)
      if counting.state == "stopped" { throw RoostError(.noResult, "operation \(id), which counts, was stopped") }
      if counting.isOver { return counting.matches ?? 0 }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// How far an operation is.
  ///
  /// - Throws: ``RoostError`` with code `operation_not_found`: of those that ended the last 16 are known.
  public func operation(_ id: String) async throws -> Operation {
    try Operation(JSONFields(try await transport.send(.get("/operations/" + percentEncoded(id)))))
  }

  /// Ends an operation where it is; what it did stays done.
  @discardableResult
  public func stopOperation(_ id: String) async throws -> Operation {
    try Operation(JSONFields(try await transport.send(.delete("/operations/" + percentEncoded(id)))))
  }

  /// Removes a queue's ended jobs and cancels those that wait; what runs goes on.
  ///
  /// It is sent again only where the daemon certainly did not take it: a second purge would take the jobs that have come
  /// since.
  public func purgeQueue(_ name: String) async throws -> Operation {
    var request = Transport.Request.post(queuePath(name) + "/purge")
    request.isIdempotent = false
    return try Operation(JSONFields(try await transport.send(request)))
  }

  /// Removes a queue, with its settings. Meanwhile it takes no jobs (`draining`), and what runs is waited for.
  ///
  /// It is sent again only where the daemon certainly did not take it: the queue may have begun anew since.
  ///
  /// - Parameter purge: Whether it may hold jobs, which are cancelled and removed.
  /// - Throws: ``RoostError`` with code `queue_not_empty`.
  public func deleteQueue(_ name: String, purge: Bool = false) async throws -> Operation {
    var request = Transport.Request.delete(queuePath(name) + (purge ? "?purge=true" : ""))
    request.isIdempotent = false
    return try Operation(JSONFields(try await transport.send(request)))
  }

  private func body(
    _ action: String, _ jobs: JobSelection, _ pace: OperationPace, to target: String? = nil, isDry: Bool
  ) -> [UInt8] {
    var body = JSONWriter()
    body.beginObject()
    body.field("action", action)
    if let target { body.field("to", target) }
    if let queue = jobs.queue { body.field("queue", queue) }
    if let type = jobs.type { body.field("type", type) }
    if let group = jobs.group { body.field("group", group) }
    if let owner = jobs.ownerID { body.field("owner_id", owner) }
    if let states = jobs.states {
      body.key("states")
      body.strings(states.map(\.rawValue))
    }
    if let age = jobs.olderThan { body.field("older_than", duration: age) }
    if let since = jobs.since { body.field("since", milliseconds: since.milliseconds) }
    if let until = jobs.until { body.field("until", milliseconds: until.milliseconds) }
    if let tag = jobs.tag { body.field("tag", tag) }
    if let metadata = jobs.metadata { body.field("metadata", metadata) }
    if let error = jobs.error { body.field("error", error) }
    if let reason = jobs.reason { body.field("reason", reason) }
    if let shape = jobs.shape { body.field("shape", shape) }
    if let limit = jobs.limit { body.field("limit", limit) }
    if let limit = pace.limit {
      body.key("rate")
      body.beginObject()
      body.field("limit", limit)
      body.field("per", duration: pace.per)
      body.endObject()
    }
    if let delay = pace.delay { body.field("delay", duration: delay) }
    if isDry { body.field("dry_run", true) }
    body.endObject()
    return body.bytes
  }
}

extension Operation {
  init(_ fields: JSONFields) throws(RoostError) {
    id = try fields.required("operation_id", JSONFields.text)
    action = try fields.required("action", JSONFields.text)
    state = try fields.required("state", JSONFields.text)
    done = fields.integer("done") ?? 0
    matched = fields.integer("matched") ?? fields.integer("candidates")
    examined = fields.integer("examined")
    matches = fields.integer("matches")
    skipped = fields.integer("skipped") ?? 0
    let reasons = fields.object("skipped_because")
    skippedAsNotUnique = reasons?.integer("not_unique") ?? 0
    skippedAsResultNeeded = reasons?.integer("result_needed") ?? 0
    startedAt = try fields.required("started_at", JSONFields.date)
    finishedAt = fields.date("finished_at")
  }
}
