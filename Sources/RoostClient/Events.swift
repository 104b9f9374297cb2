import Foundation
import RoostAPI

/// Something that happened at the daemon and is durable there.
public struct RoostEvent: Sendable {
  /// Where to go on behind it: see ``Client/events(_:after:)``. Nil: it has no place of its own.
  public let id: String?
  public let name: Name
  /// When it was committed; nil for a gap.
  public let at: Date?
  public let jobID: JobID?
  public let queue: String?
  public let type: String?
  public let group: String?
  public let ownerID: String?
  /// The schedule that made the job, or of which the event is.
  public let schedule: String?
  /// The job's state behind it.
  public let state: JobState?
  /// How the attempt ended: `acked`, `failed`, `timed_out`, `expired`, `released`, `undelivered`, `cancelled`.
  public let outcome: String?
  /// 1 for the first.
  public let attempt: Int?
  public let workerID: String?
  /// Why a queue is paused, an instant was missed, or there is a gap.
  public let reason: String?
  /// Instants that were missed, or events of a gap that nobody can attribute.
  public let count: Int?
  /// All of it, as it was sent.
  public let json: RawJSON

  /// What happened. Names that this version of the library does not list may come.
  public struct Name: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }
  }

  init(_ json: [UInt8]) throws(RoostError) {
    let fields = try JSONFields(json)
    id = fields.text("id")
    name = Name(rawValue: try fields.required("event", JSONFields.text))
    at = fields.date("at")
    jobID = fields.text("job_id").map { JobID($0) }
    queue = fields.text("queue")
    type = fields.text("type")
    group = fields.text("group")
    ownerID = fields.text("owner_id")
    schedule = fields.text("schedule")
    state = fields.text("state").map { JobState(rawValue: $0) }
    outcome = fields.text("outcome")
    attempt = fields.integer("attempt")
    workerID = fields.text("worker_id")
    reason = fields.text("reason")
    count = fields.integer("count")
    self.json = RawJSON(trusted: json[...])
  }
}

extension RoostEvent.Name {
  public static let jobSubmitted = Self(.jobSubmitted)
  public static let jobReady = Self(.jobReady)
  public static let jobLeased = Self(.jobLeased)
  public static let jobProgress = Self(.jobProgress)
  public static let jobAcked = Self(.jobAcked)
  /// It is tried again; see ``jobDead``.
  public static let jobFailed = Self(.jobFailed)
  public static let jobExpired = Self(.jobExpired)
  public static let jobReleased = Self(.jobReleased)
  public static let jobDead = Self(.jobDead)
  public static let jobCancelRequested = Self(.jobCancelRequested)
  public static let jobCancelled = Self(.jobCancelled)
  public static let jobReplayed = Self(.jobReplayed)
  public static let jobChanged = Self(.jobChanged)
  public static let jobMoved = Self(.jobMoved)
  /// It waits for no other job any more.
  public static let jobUnblocked = Self(.jobUnblocked)
  public static let jobPurged = Self(.jobPurged)
  public static let queueConfigured = Self(.queueConfigured)
  public static let queuePaused = Self(.queuePaused)
  public static let queueResumed = Self(.queueResumed)
  public static let queueDeleted = Self(.queueDeleted)
  public static let scheduleFired = Self(.scheduleFired)
  public static let scheduleMissed = Self(.scheduleMissed)
  public static let scheduleRemoved = Self(.scheduleRemoved)
  /// Some of what happened is not told: `reason` says why.
  public static let gap = Self(rawValue: "gap")

  private init(_ name: EventName) { rawValue = name.rawValue }
}

/// Which events are wanted; what is nil is not asked for.
public struct EventFilter: Sendable {
  public var queue: String?
  public var type: String?
  public var group: String?
  public var job: JobID?
  /// Those behind which the job is in one of these states; empty: any.
  public var states: [JobState] = []

  public init(
    queue: String? = nil, type: String? = nil, group: String? = nil, job: JobID? = nil, states: [JobState] = []
  ) {
    (self.queue, self.type, self.group, self.job, self.states) = (queue, type, group, job, states)
  }

  var query: String {
    var parts: [String] = []
    func add(_ name: String, _ value: String?) { if let value { parts.append("\(name)=\(percentEncoded(value))") } }
    add("queue", queue)
    add("type", type)
    add("group", group)
    add("job_id", job?.rawValue)
    if !states.isEmpty { add("state", states.map(\.rawValue).joined(separator: ",")) }
    return parts.joined(separator: "&")
  }
}

/// Where a stream of events begins.
public enum EventOrigin: Sendable, Hashable {
  /// With what happens from now on.
  case now
  /// With the oldest event that the daemon keeps.
  case oldest
  /// Behind the event with this id.
  case id(String)
}

extension Client {
  /// Follows what happens, in order, as far as the key may see it.
  ///
  /// ```swift
  /// for try await event in client.events(EventFilter(queue: "email")) { print(event.name, event.jobID ?? "") }
  /// ```
  ///
  /// When the connection breaks, or the daemon is started anew, the sequence connects again and goes on behind the last
  /// event, for as long as it takes. What it cannot tell any more it says with a ``RoostEvent/Name/gap``. Cancelling the
  /// task ends it.
  ///
  /// - Throws: ``RoostError`` where the daemon refuses it, such as `revoked_key` when the key ends.
  public func events(_ filter: EventFilter = EventFilter(), after origin: EventOrigin = .now) -> EventSequence {
    EventSequence(transport: transport, filter: filter, origin: origin, follows: true)
  }

  /// What the daemon keeps of what happened, up to now.
  ///
  /// - Throws: ``RoostError`` where the daemon refuses it or is not reached.
  public func pastEvents(_ filter: EventFilter = EventFilter(), after origin: EventOrigin = .oldest) -> EventSequence {
    EventSequence(transport: transport, filter: filter, origin: origin, follows: false)
  }
}
