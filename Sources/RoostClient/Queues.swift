import Foundation
import RoostAPI

/// A queue as it was when it was asked for.
public struct QueueStatus: Sendable, Identifiable {
  public let name: String
  /// How many jobs are in each state.
  public let counts: [JobState: Int]
  /// How long the job that is ready for longest has waited.
  public let oldestReadyAge: Duration?
  /// Bytes in the log of the jobs that wait.
  public let waitingBytes: Int
  /// What was set for it.
  public let settings: QueueSettings
  /// Nil while it is not paused.
  public let pause: Pause?
  /// Why it gives none of its ready jobs: `paused`, `concurrency`, `rate`; nil: it does.
  public let heldBy: String?

  public var id: String { name }

  /// How many jobs are in a state.
  public func count(_ state: JobState) -> Int { counts[state] ?? 0 }

  /// Since when a queue gives no jobs.
  public struct Pause: Sendable, Hashable {
    public let since: Date
    /// When it goes on by itself; nil: when it is resumed.
    public let until: Date?
    /// As whoever paused it said.
    public let reason: String?
  }
}

/// What a queue decides for its jobs, and what it takes and gives. Nil: the daemon's default.
public struct QueueSettings: Sendable, Hashable {
  /// Of jobs that do not say, 0 to 1000 or ``unlimitedRetries``.
  public var maxRetries: Int?
  /// Of jobs that do not say.
  public var retry: RetryPolicy?
  /// Of jobs that do not say.
  public var priority: JobPriority?
  /// Of jobs that say neither `delay` nor `runAt`.
  public var delay: Duration?
  /// Of jobs whose worker does not say either, 100 ms to 12 hours.
  public var lease: Duration?
  /// How long finished jobs that do not say are kept.
  public var retention: Duration?
  /// The most jobs that may wait.
  public var maxLength: Int?
  /// The most bytes that waiting jobs may take in the log.
  public var maxBytes: Int?
  /// What becomes of a submit where one of these is reached.
  public var onFull: FullPolicy?
  /// The largest payload, below the daemon's own bound.
  public var maxPayloadBytes: Int?
  /// The most jobs that may run at once.
  public var concurrency: Int?
  /// How fast jobs may be leased.
  public var rate: Rate?
  /// A job that has been ready for so long counts as one priority higher, for twice as long two, and so on.
  public var aging: Duration?

  public init() {}

  /// Jobs of this many retries are tried for ever.
  public static let unlimitedRetries = Int.max

  public enum FullPolicy: String, Sendable {
    /// The submit is refused with `queue_full`.
    case reject
    /// The oldest ready job of the lowest priority makes room, if it is one of the submitter's.
    case dropOldest = "drop_oldest"
  }

  /// At most `limit` leases in `per`, evenly spread but for a burst.
  public struct Rate: Sendable, Hashable {
    /// 1 to a million.
    public var limit: Int
    /// 100 ms to 30 days.
    public var per: Duration
    /// How many may come at once after a pause, 1 to a million.
    public var burst: Int

    public init(limit: Int, per: Duration, burst: Int = 1) {
      (self.limit, self.per, self.burst) = (limit, per, burst)
    }
  }
}

extension Client {
  /// The queues that this key may see.
  public func queues() async throws -> [QueueStatus] {
    let answer = try JSONFields(try await transport.send(.get("/queues")))
    var queues: [QueueStatus] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      queues.append(try QueueStatus(JSONFields(bytes)))
    }
    return queues
  }

  /// One queue.
  ///
  /// - Throws: ``RoostError`` with code `queue_not_found` before its first job, setting or pause.
  public func queue(_ name: String) async throws -> QueueStatus {
    try QueueStatus(JSONFields(try await transport.send(.get(queuePath(name)))))
  }

  /// Changes settings of a queue, also before its first job. The key must be one that may manage queues.
  ///
  /// ```swift
  /// try await client.configureQueue("email") { settings in
  ///   settings.concurrency = 8
  ///   settings.rate = nil
  /// }
  /// ```
  ///
  /// - Parameter change: Gets the settings as they are; only what it changes is sent.
  @discardableResult
  public func configureQueue(
    _ name: String, _ change: (inout QueueSettings) throws -> Void
  ) async throws -> QueueStatus {
    var old = QueueSettings()
    do {
      old = try await queue(name).settings
    } catch let error as RoostError where error.code == .queueNotFound {
      // It begins with its settings.
    }
    var new = old
    try change(&new)
    var body = JSONWriter()
    body.change(from: old, to: new)
    return try QueueStatus(JSONFields(try await transport.send(.patch(queuePath(name), body.bytes))))
  }

  /// Pauses a queue, also before its first job: what runs goes on, submits are taken, nothing is leased.
  ///
  /// - Parameters:
  ///   - reason: At most 255 bytes.
  ///   - until: When it goes on by itself; nil: when it is resumed.
  @discardableResult
  public func pauseQueue(_ name: String, reason: String? = nil, until: Date? = nil) async throws -> QueueStatus {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    if let until { body.field("until", milliseconds: until.milliseconds) }
    body.endObject()
    return try QueueStatus(JSONFields(try await transport.send(.post(queuePath(name) + "/pause", body.bytes))))
  }

  /// Ends a queue's pause.
  @discardableResult
  public func resumeQueue(_ name: String) async throws -> QueueStatus {
    try QueueStatus(JSONFields(try await transport.send(.post(queuePath(name) + "/resume"))))
  }

  private func queuePath(_ name: String) -> String { "/queues/" + percentEncoded(name) }
}

extension QueueStatus {
  init(_ fields: JSONFields) throws(RoostError) {
    name = try fields.required("name", JSONFields.text)
    counts = fields.integers("counts").reduce(into: [:]) { $0[JobState(rawValue: $1.key)] = $1.value }
    oldestReadyAge = fields.duration("oldest_ready_age")
    waitingBytes = fields.integer("waiting_bytes") ?? 0
    settings = QueueSettings(fields.object("settings"))
    heldBy = fields.text("held_by")
    if let pause = fields.object("pause") {
      self.pause = Pause(
        since: try pause.required("since", JSONFields.date), until: pause.date("until"), reason: pause.text("reason"))
    } else {
      pause = nil
    }
  }
}

extension QueueSettings {
  fileprivate init(_ fields: JSONFields?) {
    guard let fields else { return }
    maxRetries = fields.retries("max_retries")
    retry = fields.object("retry").map { RetryPolicy($0) }
    priority = fields.integer("priority").map { JobPriority(rawValue: $0) }
    delay = fields.duration("delay")
    lease = fields.duration("lease")
    retention = fields.duration("retention")
    maxLength = fields.integer("max_length")
    maxBytes = fields.integer("max_bytes")
    onFull = fields.text("on_full").flatMap { FullPolicy(rawValue: $0) }
    maxPayloadBytes = fields.integer("max_payload_bytes")
    concurrency = fields.integer("concurrency")
    if let rate = fields.object("rate"), let limit = rate.integer("limit"), let per = rate.duration("per") {
      self.rate = Rate(limit: limit, per: per, burst: rate.integer("burst") ?? 1)
    }
    aging = fields.duration("aging")
  }
}

extension RetryPolicy {
  fileprivate init(_ fields: JSONFields) {
    self.init()
    if let value = fields.duration("initial") { initial = value }
    if let value = fields.raw("factor").flatMap({ Double(String(decoding: $0, as: UTF8.self)) }) { factor = value }
    if let value = fields.duration("max") { max = value }
    if let value = fields.text("jitter").flatMap({ Jitter(rawValue: $0) }) { jitter = value }
  }
}

extension JSONFields {
  /// A number of retries; `unlimited` is ``QueueSettings/unlimitedRetries``.
  func retries(_ name: String) -> Int? {
    text(name) == "unlimited" ? QueueSettings.unlimitedRetries : integer(name)
  }
}

extension JSONWriter {
  mutating func field(_ name: StaticString, retries: Int) {
    if retries == QueueSettings.unlimitedRetries { field(name, "unlimited") } else { field(name, retries) }
  }

  /// What is another; `null` where it is left to the daemon again.
  fileprivate mutating func change(from old: QueueSettings, to new: QueueSettings) {
    beginObject()
    change("max_retries", old.maxRetries, new.maxRetries) { $0.field($1, retries: $2) }
    change("retry", old.retry, new.retry) { $0.field($1, $2) }
    change("priority", old.priority, new.priority) { $0.field($1, $2.rawValue) }
    change("delay", old.delay, new.delay) { $0.field($1, duration: $2) }
    change("lease", old.lease, new.lease) { $0.field($1, duration: $2) }
    change("retention", old.retention, new.retention) { $0.field($1, duration: $2) }
    change("max_length", old.maxLength, new.maxLength) { $0.field($1, $2) }
    change("max_bytes", old.maxBytes, new.maxBytes) { $0.field($1, $2) }
    change("on_full", old.onFull, new.onFull) { $0.field($1, $2.rawValue) }
    change("max_payload_bytes", old.maxPayloadBytes, new.maxPayloadBytes) { $0.field($1, $2) }
    change("concurrency", old.concurrency, new.concurrency) { $0.field($1, $2) }
    change("rate", old.rate, new.rate) { json, name, rate in
      json.key(name)
      json.beginObject()
      json.field("limit", rate.limit)
      json.field("per", duration: rate.per)
      json.field("burst", rate.burst)
      json.endObject()
    }
    change("aging", old.aging, new.aging) { $0.field($1, duration: $2) }
    endObject()
  }

  private mutating func change<Value: Equatable>(
    _ name: StaticString, _ old: Value?, _ new: Value?, _ write: (inout JSONWriter, StaticString, Value) -> Void
  ) {
    guard old != new else { return }
    if let new {
      write(&self, name, new)
    } else {
      key(name)
      null()
    }
  }
}

/// Something that the daemon does to many jobs, in the background; it goes on across restarts.
public struct Operation: Sendable, Identifiable {
  public let id: String
  /// `cancel`, `delete`, `replay`, `purge` or `delete_queue`.
  public let action: String
  /// `running`, `done` or `stopped`.
  public let state: String
  /// Jobs that were changed so far.
  public let done: Int
  public let startedAt: Date
  public let finishedAt: Date?

  public var isOver: Bool { state != "running" }
}

/// Which jobs an operation is for. What is left out does not narrow them.
public struct JobSelection: Sendable {
  public var queue: String?
  public var type: String?
  public var ownerID: String?
  public var states: [JobState]?
  /// Only jobs that were submitted longer ago.
  public var olderThan: Duration?
  /// At most so many jobs.
  public var limit: Int?

  public init(
    queue: String? = nil, type: String? = nil, ownerID: String? = nil, states: [JobState]? = nil,
    olderThan: Duration? = nil, limit: Int? = nil
  ) {
    (self.queue, self.type, self.ownerID) = (queue, type, ownerID)
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
  }

  /// Does something to all jobs that match, of those that there are now, each once. The key must be one that may manage
  /// queues.
  ///
  /// It is sent again only where the daemon certainly did not take it.
  public func perform(_ action: BulkAction, on jobs: JobSelection) async throws -> Operation {
    var request = Transport.Request.post("/operations", body(action, jobs, isDry: false))
    request.isIdempotent = false
    return try Operation(JSONFields(try await transport.send(request)))
  }

  /// How many jobs ``perform(_:on:)`` would change now.
  public func count(_ action: BulkAction, on jobs: JobSelection) async throws -> Int {
    let answer = try JSONFields(try await transport.send(.post("/operations", body(action, jobs, isDry: true))))
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

  private func body(_ action: BulkAction, _ jobs: JobSelection, isDry: Bool) -> [UInt8] {
    var body = JSONWriter()
    body.beginObject()
    body.field("action", action.rawValue)
    if let queue = jobs.queue { body.field("queue", queue) }
    if let type = jobs.type { body.field("type", type) }
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
    startedAt = try fields.required("started_at", JSONFields.date)
    finishedAt = fields.date("finished_at")
  }
}
