import Foundation
import RoostAPI

/// A group of a queue's jobs: those of one owner with the same ``JobOptions/group``, or of one owner without one.
public struct GroupStatus: Sendable {
  /// Nil: the owner's jobs that say no group.
  public let name: String?
  /// Nil where groups belong to the queue alone (``QueueSettings/groupScope``).
  public let ownerID: String?
  /// Jobs that wait, ready or not.
  public let waiting: Int
  public let ready: Int
  public let running: Int
  /// How long the job that is ready for longest has waited.
  public let oldestReadyAge: Duration?
  /// What was set for this group alone; the rest its queue says for each of its groups.
  public let settings: GroupSettings
  /// Nil while it is not paused.
  public let pause: QueueStatus.Pause?
  /// Why it gives none of its ready jobs: `paused`, `concurrency`, `rate`, `held` (a worker asked for it), `order` (the next
  /// job is not ready); nil: it does.
  public let heldBy: String?
  /// How long `rate` and `held` last.
  public let heldFor: Duration?
}

/// What one group of a queue may do. Nil: what its queue says for each of its groups.
public struct GroupSettings: Sendable, Hashable {
  /// The most jobs of it that may run at once.
  public var concurrency: Int?
  /// How fast jobs of it may be leased.
  public var rate: QueueSettings.Rate?
  /// The most jobs of it that may wait.
  public var maxLength: Int?
  /// How many turns it has for each one of a group of weight 1, where the groups of its queue take turns; 1 to 1000.
  public var weight: Int?

  public init() {}
}

/// What a queue decides for each of its groups.
public struct GroupsSettings: Sendable, Hashable {
  /// The most jobs of each that may run at once.
  public var concurrency: Int?
  /// How fast jobs of each may be leased.
  public var rate: QueueSettings.Rate?
  /// The most jobs of each that may wait.
  public var maxLength: Int?
  /// Whether groups take turns. If not, the queue's jobs go by priority and age, whatever their groups.
  public var fair: Bool?
  /// Where groups take turns: whether a priority counts inside its group only.
  public var priority: Priority?
  /// Whether the jobs of a group run in the order of their submits. It can be changed only while the queue holds no jobs.
  public var ordered: Order?

  public init() {}

  /// A job that waits for a retry or a delay holds those behind it; jobs may ask for no priority.
  public enum Order: String, Sendable {
    /// One job of a group runs at a time.
    case strict
    /// One lease takes several jobs of a group, one behind the other; those behind them wait until they have ended.
    case perLease = "per_lease"
  }

  public enum Priority: String, Sendable {
    /// Turns decide between groups, priorities only inside one.
    case inside
    /// Turns are taken among the groups whose first jobs have the highest priority.
    case first
  }
}

extension Client {
  /// The groups of a queue that this key may see, in no order: a page of at most 200, and where to go on.
  ///
  /// - Parameter cursor: What the page before said; nil: from the beginning.
  public func groups(
    of queue: String, limit: Int = 200, cursor: String? = nil
  ) async throws -> (groups: [GroupStatus], nextCursor: String?) {
    let place = cursor.map { "&cursor=" + percentEncoded($0) } ?? ""
    let path = queuePath(queue) + "/groups?limit=\(limit)" + place
    let answer = try JSONFields(try await transport.send(.get(path)))
    var groups: [GroupStatus] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      groups.append(try GroupStatus(JSONFields(bytes)))
    }
    return (groups, answer.text("next_cursor"))
  }

  /// One group.
  ///
  /// - Parameters:
  ///   - name: Nil: the owner's jobs that say no group.
  ///   - owner: Whose; nil: this key's owner.
  /// - Throws: ``RoostError`` with code `group_not_found` before its first job, setting or pause.
  public func group(_ name: String?, of queue: String, owner: String? = nil) async throws -> GroupStatus {
    try await groupAnswer(.get(groupPath(name, queue, owner)))
  }

  /// Changes settings of a group, also before its first job. The key must be one that may manage queues.
  ///
  /// - Parameter change: Gets the settings as they are; only what it changes is sent.
  @discardableResult
  public func configureGroup(
    _ name: String?, of queue: String, owner: String? = nil, _ change: (inout GroupSettings) throws -> Void
  ) async throws -> GroupStatus {
    var old = GroupSettings()
    do {
      old = try await group(name, of: queue, owner: owner).settings
    } catch let error as RoostError where error.code == .groupNotFound {
      // It begins with its settings.
    }
    var new = old
    try change(&new)
    var body = JSONWriter()
    body.beginObject()
    body.change("concurrency", old.concurrency, new.concurrency) { $0.field($1, $2) }
    body.change("rate", old.rate, new.rate) { $0.field($1, $2) }
    body.change("max_length", old.maxLength, new.maxLength) { $0.field($1, $2) }
    body.change("weight", old.weight, new.weight) { $0.field($1, $2) }
    body.endObject()
    return try await groupAnswer(.patch(groupPath(name, queue, owner), body.bytes))
  }

  /// Pauses a group, also before its first job: what runs goes on, submits are taken, nothing of it is leased.
  ///
  /// - Parameters:
  ///   - reason: At most 255 bytes.
  ///   - until: When it goes on by itself; nil: when it is resumed.
  @discardableResult
  public func pauseGroup(
    _ name: String?, of queue: String, owner: String? = nil, reason: String? = nil, until: Date? = nil
  ) async throws -> GroupStatus {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    if let until { body.field("until", milliseconds: until.milliseconds) }
    body.endObject()
    return try await groupAnswer(.post(groupPath(name, queue, owner, "/pause"), body.bytes))
  }

  /// Ends a group's pause.
  @discardableResult
  public func resumeGroup(_ name: String?, of queue: String, owner: String? = nil) async throws -> GroupStatus {
    try await groupAnswer(.post(groupPath(name, queue, owner, "/resume")))
  }

  private func groupAnswer(_ request: Transport.Request) async throws -> GroupStatus {
    try GroupStatus(JSONFields(try await transport.send(request)))
  }

  private func groupPath(_ name: String?, _ queue: String, _ owner: String?, _ verb: String = "") -> String {
    let query = owner.map { "?owner_id=" + percentEncoded($0) } ?? ""
    return queuePath(queue) + "/groups/" + (name.map { percentEncoded($0) } ?? "_") + verb + query
  }
}

extension GroupStatus {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    name = fields.text("group")
    ownerID = fields.text("owner_id")
    waiting = fields.integer("waiting") ?? 0
    ready = fields.integer("ready") ?? 0
    running = fields.integer("running") ?? 0
    oldestReadyAge = fields.duration("oldest_ready_age")
    var settings = GroupSettings()
    if let own = fields.object("settings") {
      settings.concurrency = own.integer("concurrency")
      settings.rate = own.object("rate").flatMap { QueueSettings.Rate($0) }
      settings.maxLength = own.integer("max_length")
      settings.weight = own.integer("weight")
    }
    self.settings = settings
    pause = try fields.object("pause").map { (pause) throws(RoostError) in try QueueStatus.Pause(pause) }
    heldBy = fields.text("held_by")
    heldFor = fields.duration("held_for")
  }
}

extension GroupsSettings {
  init(_ fields: JSONFields) {
    concurrency = fields.integer("concurrency")
    rate = fields.object("rate").flatMap { QueueSettings.Rate($0) }
    maxLength = fields.integer("max_length")
    fair = fields.raw("fair").map { _ in fields.flag("fair") }
    priority = fields.text("priority").flatMap { Priority(rawValue: $0) }
    ordered = fields.text("ordered").flatMap { Order(rawValue: $0) }
  }
}

extension JSONWriter {
  /// What is another for each group; `null` for all where nothing is said any more.
  mutating func change(groups old: GroupsSettings?, _ new: GroupsSettings?) {
    guard old != new else { return }
    key("groups")
    guard let new else { return null() }
    let old = old ?? GroupsSettings()
    beginObject()
    change("concurrency", old.concurrency, new.concurrency) { $0.field($1, $2) }
    change("rate", old.rate, new.rate) { $0.field($1, $2) }
    change("max_length", old.maxLength, new.maxLength) { $0.field($1, $2) }
    change("fair", old.fair, new.fair) { $0.field($1, $2) }
    change("priority", old.priority, new.priority) { $0.field($1, $2.rawValue) }
    change("ordered", old.ordered, new.ordered) { $0.field($1, $2.rawValue) }
    endObject()
  }
}
