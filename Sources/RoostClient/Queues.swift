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
  /// How long an attempt of a job that does not say may run; `.zero`: as long as its lease is extended.
  public var timeout: Duration?
  /// With how many leases that end by their time a job that does not say is DEAD, 1 to 1000.
  public var maxExpiries: Int?
  /// How long finished jobs that do not say are kept.
  public var retention: Duration?
  /// A job that has been ready for longer leaves, CANCELLED; a second to ten years.
  public var maxAge: Duration?
  /// How long dead letters stay.
  public var deadRetention: Duration?
  /// How many dead letters stay, those that died last; the others leave.
  public var maxDead: Int?
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
  /// Whether a job whose lease ended by its time, so that the attempt is spent, is ready at once and not after a pause.
  public var requeueExpired: Bool?
  /// Where what fails for good goes, instead of being DEAD.
  public var deadLetter: DeadLetter?
  /// Whose its groups are. It can be changed only while the queue holds no jobs.
  public var groupScope: GroupScope?
  /// What holds for each of its groups.
  public var groups: GroupsSettings?
  /// How its jobs are delivered by HTTP.
  public var push: Push?

  public init() {}

  /// A queue that takes what failed in another: there it begins anew.
  public struct DeadLetter: Sendable, Hashable {
    /// Another queue than this one.
    public var queue: String
    /// After so many attempts, 1 to 1000, also where retries are left; nil: instead of being DEAD alone.
    public var after: Int?

    public init(queue: String, after: Int? = nil) {
      (self.queue, self.after) = (queue, after)
    }
  }

  /// How a queue's jobs are delivered by HTTP.
  public struct Push: Sendable, Hashable {
    /// Where they all go, instead of workers leasing them; nil: only jobs with a ``JobOptions/callbackURL`` are delivered.
    public var url: String?
    /// How many are delivered to one host at once, 1 to 10,000; nil: the daemon's default.
    public var concurrency: Int?
    /// How long a delivery may take, 100 ms to 30 minutes; nil: the daemon's default.
    public var timeout: Duration?
    /// What is posted; nil: an object with the payload and what is known of the job.
    public var body: Body?

    public enum Body: String, Sendable {
      /// An object with the payload and what is known of the job.
      case job
      /// The payload alone.
      case payload
    }

    public init(url: String? = nil, concurrency: Int? = nil, timeout: Duration? = nil, body: Body? = nil) {
      (self.url, self.concurrency, self.timeout, self.body) = (url, concurrency, timeout, body)
    }
  }

  /// Jobs of this many retries are tried for ever.
  public static let unlimitedRetries = Int.max

  public enum GroupScope: String, Sendable {
    /// Jobs of different owners are in different groups, whatever these are called.
    case owner
    /// Jobs of all owners that say the same group are in one.
    case queue
  }

  public enum FullPolicy: String, Sendable {
    /// The submit is refused with `queue_full`.
    case reject
    /// The oldest ready job of the lowest priority in the same group makes room.
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

/// What stands first in a list of queues.
public enum QueueOrder: String, Sendable, CaseIterable {
  case name
  /// What wants a look: jobs that die or wait long.
  case trouble
  /// The most waiting jobs.
  case waiting
  /// The job that has been READY longest.
  case oldest
  /// The most dead letters.
  case dead
  /// The most submits and leases a minute.
  case rate
}

extension Client {
  /// The queues that this key may see.
  ///
  /// - Parameters:
  ///   - order: What stands first.
  ///   - text: Only those whose names hold it.
  ///   - limit: So many at most, 1 to 200; nil: all.
  public func queues(
    sortedBy order: QueueOrder = .name, matching text: String? = nil, limit: Int? = nil
  ) async throws -> [QueueStatus] {
    let given = [
      ("sort", order == .name ? nil : order.rawValue), ("match", text), ("limit", limit.map(String.init)),
    ].compactMap { name, value in value.map { "\(name)=\(percentEncoded($0))" } }
    let path = given.isEmpty ? "/queues" : "/queues?\(given.joined(separator: "&"))"
    let answer = try JSONFields(try await transport.send(.get(path)))
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

  func queuePath(_ name: String) -> String { "/queues/" + percentEncoded(name) }
}

extension QueueStatus {
  init(_ fields: JSONFields) throws(RoostError) {
    name = try fields.required("name", JSONFields.text)
    counts = fields.integers("counts").reduce(into: [:]) { $0[JobState(rawValue: $1.key)] = $1.value }
    oldestReadyAge = fields.duration("oldest_ready_age")
    waitingBytes = fields.integer("waiting_bytes") ?? 0
    settings = QueueSettings(fields.object("settings"))
    heldBy = fields.text("held_by")
    pause = try fields.object("pause").map { (pause) throws(RoostError) in try Pause(pause) }
  }
}

extension QueueStatus.Pause {
  init(_ fields: JSONFields) throws(RoostError) {
    since = try fields.required("since", JSONFields.date)
    until = fields.date("until")
    reason = fields.text("reason")
  }
}

extension QueueSettings.Rate {
  init?(_ fields: JSONFields) {
    guard let limit = fields.integer("limit"), let per = fields.duration("per") else { return nil }
    self.init(limit: limit, per: per, burst: fields.integer("burst") ?? 1)
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
    timeout = fields.duration("timeout")
    maxExpiries = fields.integer("max_expiries")
    retention = fields.duration("retention")
    maxAge = fields.duration("max_age")
    deadRetention = fields.duration("dead_retention")
    maxDead = fields.integer("max_dead")
    maxLength = fields.integer("max_length")
    maxBytes = fields.integer("max_bytes")
    onFull = fields.text("on_full").flatMap { FullPolicy(rawValue: $0) }
    maxPayloadBytes = fields.integer("max_payload_bytes")
    concurrency = fields.integer("concurrency")
    rate = fields.object("rate").flatMap { Rate($0) }
    aging = fields.duration("aging")
    deadLetter = fields.object("dead_letter").flatMap { fields in
      fields.text("queue").map { DeadLetter(queue: $0, after: fields.integer("after")) }
    }
    requeueExpired = fields.raw("requeue_expired").map { _ in fields.flag("requeue_expired") }
    groupScope = fields.text("group_scope").flatMap { GroupScope(rawValue: $0) }
    groups = fields.object("groups").map { GroupsSettings($0) }
    push = fields.object("push").map { fields in
      Push(
        url: fields.text("url"), concurrency: fields.integer("concurrency"), timeout: fields.duration("timeout"),
        body: fields.text("body").flatMap { Push.Body(rawValue: $0) })
    }
  }
}

extension RetryPolicy {
  fileprivate init(_ fields: JSONFields) {
    self.init()
    if let value = fields.duration("initial") { initial = value }
    if let value = fields.raw("factor").flatMap({ Double(String(decoding: $0, as: UTF8.self)) }) { factor = value }
    if let value = fields.duration("max") { max = value }
    if let value = fields.text("jitter").flatMap({ Jitter(rawValue: $0) }) {
      jitter = value
    } else {
      added = fields.duration("jitter")
    }
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
    change("timeout", old.timeout, new.timeout) { $0.field($1, duration: $2) }
    change("max_expiries", old.maxExpiries, new.maxExpiries) { $0.field($1, $2) }
    change("retention", old.retention, new.retention) { $0.field($1, duration: $2) }
    change("max_age", old.maxAge, new.maxAge) { $0.field($1, duration: $2) }
    change("dead_retention", old.deadRetention, new.deadRetention) { $0.field($1, duration: $2) }
    change("max_dead", old.maxDead, new.maxDead) { $0.field($1, $2) }
    change("max_length", old.maxLength, new.maxLength) { $0.field($1, $2) }
    change("max_bytes", old.maxBytes, new.maxBytes) { $0.field($1, $2) }
    change("on_full", old.onFull, new.onFull) { $0.field($1, $2.rawValue) }
    change("max_payload_bytes", old.maxPayloadBytes, new.maxPayloadBytes) { $0.field($1, $2) }
    change("concurrency", old.concurrency, new.concurrency) { $0.field($1, $2) }
    change("rate", old.rate, new.rate) { $0.field($1, $2) }
    change("aging", old.aging, new.aging) { $0.field($1, duration: $2) }
    change("requeue_expired", old.requeueExpired, new.requeueExpired) { $0.field($1, $2) }
    change("dead_letter", old.deadLetter, new.deadLetter) { json, name, taker in
      json.key(name)
      json.beginObject()
      json.field("queue", taker.queue)
      if let after = taker.after { json.field("after", after) }
      json.endObject()
    }
    change("group_scope", old.groupScope, new.groupScope) { $0.field($1, $2.rawValue) }
    change(groups: old.groups, new.groups)
    change("push", old.push, new.push) { json, name, push in
      json.key(name)
      json.beginObject()
      if let url = push.url { json.field("url", url) }
      if let concurrency = push.concurrency { json.field("concurrency", concurrency) }
      if let timeout = push.timeout { json.field("timeout", duration: timeout) }
      if let body = push.body { json.field("body", body.rawValue) }
      json.endObject()
    }
    endObject()
  }

  mutating func field(_ name: StaticString, _ rate: QueueSettings.Rate) {
    key(name)
    beginObject()
    field("limit", rate.limit)
    field("per", duration: rate.per)
    field("burst", rate.burst)
    endObject()
  }

  mutating func change<Value: Equatable>(
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
