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
  /// Jobs that were passed over, as another holds their key (``JobOptions/unique``).
  public let skipped: Int
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
  /// At most so many jobs.
  public var limit: Int?

  public init(
    queue: String? = nil, type: String? = nil, group: String? = nil, ownerID: String? = nil,
    states: [JobState]? = nil, olderThan: Duration? = nil, limit: Int? = nil
  ) {
    (self.queue, self.type, self.group, self.ownerID) = (queue, type, group, ownerID)
    (self.states, self.olderThan, self.limit) = (states, olderThan, limit)
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
  public func perform(_ action: BulkAction, on jobs: JobSelection) async throws -> Operation {
    try await begin(body(action.rawValue, jobs, isDry: false))
  }

  /// Puts all waiting jobs that match into another queue, each in its state and at its place among the others there.
  public func move(_ jobs: JobSelection, to queue: String) async throws -> Operation {
    try await begin(body("move", jobs, to: queue, isDry: false))
  }

  /// Begins all dead letters that match anew, in another queue.
  public func replay(_ jobs: JobSelection, to queue: String) async throws -> Operation {
    try await begin(body("replay", jobs, to: queue, isDry: false))
  }

  private func begin(_ body: [UInt8]) async throws -> Operation {
    var request = Transport.Request.post("/operations", body)
    request.isIdempotent = false
    return try Operation(JSONFields(try await transport.send(request)))
  }

  /// How many jobs ``perform(_:on:)`` would change now.
  public func count(_ action: BulkAction, on jobs: JobSelection) async throws -> Int {
    let answer = try JSONFields(
      try await transport.send(.post("/operations", body(action.rawValue, jobs, isDry: true))))
    return try answer.required("matches", JSONFields.integer)
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
  public func purgeQueue(_ name: String) async throws -> Operation {
    try Operation(JSONFields(try await transport.send(.post(queuePath(name) + "/purge"))))
  }

  /// Removes a queue, with its settings. Meanwhile it takes no jobs (`draining`), and what runs is waited for.
  ///
  /// - Parameter purge: Whether it may hold jobs, which are cancelled and removed.
  /// - Throws: ``RoostError`` with code `queue_not_empty`.
  public func deleteQueue(_ name: String, purge: Bool = false) async throws -> Operation {
    let path = queuePath(name) + (purge ? "?purge=true" : "")
    return try Operation(JSONFields(try await transport.send(.delete(path))))
  }

  private func body(_ action: String, _ jobs: JobSelection, to target: String? = nil, isDry: Bool) -> [UInt8] {
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
    if let limit = jobs.limit { body.field("limit", limit) }
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
    skipped = fields.integer("skipped") ?? 0
    startedAt = try fields.required("started_at", JSONFields.date)
    finishedAt = fields.date("finished_at")
  }
}
