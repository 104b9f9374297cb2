import Foundation
import RoostAPI

/// What a job is besides its payload. Whatever is left out the queue or the daemon decides.
public struct JobOptions: Sendable {
  /// What kind of job it is, such as `email.send`: chooses the worker's handler. At most 200 bytes.
  public var type: String?
  /// 1 to 200 of `A-Z a-z 0-9 . _ : -`; `default` if left out.
  public var queue: String?
  /// Which jobs of the queue it belongs with: a tenant, a customer, an account. Groups have limits of their own, are
  /// paused by themselves and take turns where their queue says so (``QueueSettings/groups``). 1 to 128 bytes, not
  /// beginning with `_`.
  public var group: String?
  /// Higher goes first; what the queue says, else `.medium`, if left out.
  public var priority: JobPriority?
  /// Not before this long from now, at most ten years. Not together with `runAt`.
  public var delay: Duration?
  /// Not before this time, itself before 2100. Not together with `delay`.
  public var runAt: Date?
  /// Retries after the first attempt, 0 to 1000 or ``QueueSettings/unlimitedRetries``.
  public var maxRetries: Int?
  /// How long to wait between attempts.
  public var retry: RetryPolicy?
  /// How long a worker may be silent before the job goes to another one, 100 ms to 12 hours; a worker whose
  /// ``WorkerConfiguration/lease`` is set goes by that instead.
  public var lease: Duration?
  /// How long an attempt may run, however often its lease is extended: 100 ms to 30 days, `.zero` for without end. One
  /// that takes longer counts as failed. What the queue says, else the daemon, if left out.
  public var timeout: Duration?
  /// With how many leases that end by their time, as when its workers die, the job is DEAD whatever retries are left; 1 to
  /// 1000, 0: it goes by its retries alone. What the queue says if left out.
  public var maxExpiries: Int?
  /// How long the finished job is kept.
  public var retention: Duration?
  /// When it is too late to begin, before 2100: a job that still waits is DEAD then, see ``onExpire``. Not together with
  /// `expiresIn`.
  public var expiresAt: Date?
  /// The same, counted from the submit; more than zero, at most ten years.
  public var expiresIn: Duration?
  /// What becomes of a job that is too late; `.dead` if left out.
  public var onExpire: OnExpire?
  /// That no other job of the owner may be like it.
  public var unique: Unique?
  /// At most 64 texts of 1 to 200 bytes.
  public var tags: [String]
  /// Anything the worker should know beside the payload, at most 64 KiB.
  public var metadata: [String: String]
  /// W3C trace context, so that the worker's trace is linked to this one. Left out, the job belongs to the trace that is
  /// current where it is submitted, if the program has bootstrapped swift-distributed-tracing.
  public var traceparent: String?
  /// What goes with it, at most 512 bytes.
  public var tracestate: String?
  /// Jobs submitted with the same key are one job. If it is left out, the client makes one for each submit, so that
  /// repeating a request never makes two jobs; give one of your own to make repeating the *call* safe, too, such as
  /// after a crash of your program. 1 to 255 bytes.
  public var idempotencyKey: String?
  /// Jobs of the same owner, at most 1,000: the job is BLOCKED until all of them are ACKED.
  public var dependsOn: [JobID] = []
  /// What becomes of it if one of them ends DEAD or CANCELLED; `.cancel` if left out.
  public var onDead: OnDead?
  /// Until when it waits for them; `.acked` if left out.
  public var waitsUntil: DependencyEnd?

  /// The batch that it joins (``Client/openBatch(name:then:when:expiresIn:)``), which must be open.
  public var batch: BatchID?
  /// Of a job of the batch that runs (``JobContext/leaseID``): then it joins a closed one, too.
  public var batchLease: String?

  /// What a job that is not ACKED means for those that wait for it.
  public enum OnDead: String, Sendable {
    /// They are CANCELLED, and what waits for them, too.
    case cancel
    /// They run, as if it were ACKED.
    case run
    /// They stay BLOCKED until it is ACKED after all, or ``Client/unblock(_:)`` lets them run.
    case hold
  }

  /// When a job is no longer waited for.
  public enum DependencyEnd: String, Sendable {
    case acked
    /// However it ended.
    case ended
  }
  /// Where the daemon delivers the job by HTTP, instead of a worker leasing it: an `https` or `http` URL of at most 2,048
  /// bytes.
  public var callbackURL: String?

  public init(
    type: String? = nil, queue: String? = nil, group: String? = nil, priority: JobPriority? = nil,
    delay: Duration? = nil, runAt: Date? = nil, maxRetries: Int? = nil, retry: RetryPolicy? = nil,
    lease: Duration? = nil, timeout: Duration? = nil, maxExpiries: Int? = nil, retention: Duration? = nil,
    expiresAt: Date? = nil,
    expiresIn: Duration? = nil, onExpire: OnExpire? = nil, unique: Unique? = nil, tags: [String] = [],
    metadata: [String: String] = [:], traceparent: String? = nil,
    tracestate: String? = nil,
    idempotencyKey: String? = nil, dependsOn: [JobID] = [], onDead: OnDead? = nil, waitsUntil: DependencyEnd? = nil,
    batch: BatchID? = nil, callbackURL: String? = nil
  ) {
    self.dependsOn = dependsOn
    self.onDead = onDead
    self.waitsUntil = waitsUntil
    self.batch = batch
    self.type = type
    self.queue = queue
    self.group = group
    self.priority = priority
    self.delay = delay
    self.runAt = runAt
    self.maxRetries = maxRetries
    self.retry = retry
    self.lease = lease
    self.timeout = timeout
    self.maxExpiries = maxExpiries
    self.retention = retention
    self.expiresAt = expiresAt
    self.expiresIn = expiresIn
    self.onExpire = onExpire
    self.unique = unique
    self.tags = tags
    self.metadata = metadata
    self.traceparent = traceparent
    self.tracestate = tracestate
    self.idempotencyKey = idempotencyKey
    self.callbackURL = callbackURL
  }
}

/// What becomes of a job that waited too long.
public enum OnExpire: String, Sendable, Hashable {
  /// It is a dead letter, with the reason `expired`.
  case dead
  /// It is called off, with the reason `expired`.
  case cancel
}

extension JobOptions {
  /// The same, and what is left out as `defaults` say it.
  func joined(with defaults: JobOptions) -> JobOptions {
    var joined = self
    joined.type = type ?? defaults.type
    joined.queue = queue ?? defaults.queue
    joined.group = group ?? defaults.group
    joined.priority = priority ?? defaults.priority
    if delay == nil, runAt == nil { (joined.delay, joined.runAt) = (defaults.delay, defaults.runAt) }
    joined.maxRetries = maxRetries ?? defaults.maxRetries
    joined.retry = retry ?? defaults.retry
    joined.lease = lease ?? defaults.lease
    joined.timeout = timeout ?? defaults.timeout
    joined.maxExpiries = maxExpiries ?? defaults.maxExpiries
    joined.retention = retention ?? defaults.retention
    if expiresAt == nil, expiresIn == nil {
      (joined.expiresAt, joined.expiresIn) = (defaults.expiresAt, defaults.expiresIn)
    }
    joined.onExpire = onExpire ?? defaults.onExpire
    joined.unique = unique ?? defaults.unique
    joined.tags = tags + defaults.tags.filter { !tags.contains($0) }
    joined.metadata = defaults.metadata.merging(metadata) { _, own in own }
    if traceparent == nil {
      (joined.traceparent, joined.tracestate) = (defaults.traceparent, tracestate ?? defaults.tracestate)
    }
    joined.idempotencyKey = idempotencyKey ?? defaults.idempotencyKey
    if dependsOn.isEmpty { joined.dependsOn = defaults.dependsOn }
    joined.onDead = onDead ?? defaults.onDead
    joined.waitsUntil = waitsUntil ?? defaults.waitsUntil
    joined.batch = batch ?? defaults.batch
    joined.batchLease = batchLease ?? defaults.batchLease
    return joined
  }
}

/// What is to be another of a job that waits (``Client/change(_:_:)``); nil: as it is.
public struct JobChange: Sendable {
  public var priority: JobPriority?
  /// Those that are spent stay spent: one attempt is left at least.
  public var maxRetries: Int?
  /// From now; `.zero`: at once. Not together with `runAt`.
  public var delay: Duration?
  public var runAt: Date?
  /// Another queue, where it stands at its place among the others.
  public var queue: String?
  /// Another group; empty: none.
  public var group: String?
  /// Another payload, as JSON: ``RawJSON/init(encoding:)`` makes it of a value.
  public var payload: RawJSON?
  public var tags: [String]?
}

/// Which of the ready jobs of a queue goes first: −128 to 127, higher first.
public struct JobPriority: RawRepresentable, Sendable, Hashable, Comparable, ExpressibleByIntegerLiteral {
  public let rawValue: Int

  public init(rawValue: Int) {
    self.rawValue = rawValue
  }

  public init(integerLiteral value: Int) {
    rawValue = value
  }

  public static let low: JobPriority = -10
  public static let medium: JobPriority = 0
  public static let high: JobPriority = 10
  public static let critical: JobPriority = 20

  public static func < (left: JobPriority, right: JobPriority) -> Bool { left.rawValue < right.rawValue }
}

/// How long a failed job waits before its next attempt: `initial`, then `factor` times longer each time, up to `max`.
public struct RetryPolicy: Sendable, Hashable {
  /// At most a day.
  public var initial: Duration
  /// 1 to 100.
  public var factor: Double
  /// At most a week.
  public var max: Duration
  public var jitter: Jitter
  /// A random time up to this, at most a day, is added to each pause, in place of `jitter`; nil: none.
  public var added: Duration?

  public init(
    initial: Duration = .seconds(2), factor: Double = 2, max: Duration = .seconds(60), jitter: Jitter = .full
  ) {
    self.initial = initial
    self.factor = factor
    self.max = max
    self.jitter = jitter
  }

  /// How much of the pause is random.
  public enum Jitter: String, Sendable {
    /// None of it.
    case none
    /// All of it: between nothing and the pause.
    case full
    /// Half of it.
    case equal
    /// Between the first pause and three times the last one.
    case decorrelated
  }
}

extension JSONWriter {
  /// The body of a submit: payload first, then what is not left out.
  ///
  /// - Parameters:
  ///   - ref: What others of the same batch call it.
  ///   - items: What of the same batch it waits for.
  mutating func submit(
    _ payload: RawJSON, _ options: JobOptions, idempotencyKey: String?, ref: String? = nil, after items: [String] = []
  ) {
    beginObject()
    field("payload", raw: payload.bytes[...])
    if let type = options.type { field("type", type) }
    if let queue = options.queue { field("queue", queue) }
    if let group = options.group { field("group", group) }
    if let priority = options.priority { field("priority", priority.rawValue) }
    if let delay = options.delay { field("delay", duration: delay) }
    if let runAt = options.runAt { field("run_at", milliseconds: runAt.milliseconds) }
    if let maxRetries = options.maxRetries { field("max_retries", retries: maxRetries) }
    if let retry = options.retry { field("retry", retry) }
    if let lease = options.lease { field("lease", duration: lease) }
    if let timeout = options.timeout { field("timeout", duration: timeout) }
    if let maxExpiries = options.maxExpiries { field("max_expiries", maxExpiries) }
    if let retention = options.retention { field("retention", duration: retention) }
    if let expiresAt = options.expiresAt { field("expires_at", milliseconds: expiresAt.milliseconds) }
    if let expiresIn = options.expiresIn { field("expires_in", duration: expiresIn) }
    if let onExpire = options.onExpire { field("on_expire", onExpire.rawValue) }
    if let unique = options.unique { field("unique", unique) }
    if !options.tags.isEmpty {
      key("tags")
      strings(options.tags)
    }
    if !options.metadata.isEmpty {
      key("metadata")
      beginObject()
      for (name, value) in options.metadata.sorted(by: { $0.key < $1.key }) {
        anyKey(name)
        string(value)
      }
      endObject()
    }
    if let traceparent = options.traceparent { field("traceparent", traceparent) }
    if let tracestate = options.tracestate { field("tracestate", tracestate) }
    if let ref { field("ref", ref) }
    if !options.dependsOn.isEmpty || !items.isEmpty {
      key("depends_on")
      strings(options.dependsOn.map(\.rawValue) + items)
    }
    if let batch = options.batch { field("batch", batch.rawValue) }
    if let lease = options.batchLease { field("lease_id", lease) }
    if let onDead = options.onDead { field("on_dead", onDead.rawValue) }
    if let end = options.waitsUntil { field("when", end.rawValue) }
    if let url = options.callbackURL { field("callback_url", url) }
    if let key = options.idempotencyKey ?? idempotencyKey { field("idempotency_key", key) }
    endObject()
  }

  mutating func field(_ name: StaticString, _ retry: RetryPolicy) {
    key(name)
    beginObject()
    field("initial", duration: retry.initial)
    // What is no number in JSON is refused by the daemon, with the field's name.
    field("factor", raw: Array((retry.factor.isFinite ? "\(retry.factor)" : "\"\(retry.factor)\"").utf8)[...])
    field("max", duration: retry.max)
    if let added = retry.added { field("jitter", duration: added) } else { field("jitter", retry.jitter.rawValue) }
    endObject()
  }

  mutating func strings(_ texts: [String]) {
    beginArray()
    for text in texts { string(text) }
    endArray()
  }

  mutating func field(_ name: StaticString, duration: Duration) {
    field(name, DurationText.text(milliseconds: duration.milliseconds))
  }
}
