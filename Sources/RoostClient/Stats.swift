import Foundation
import RoostAPI

/// How a daemon is doing: what waits, what happened, and how long jobs waited and ran.
public struct Stats: Sendable {
  /// How many jobs are in each state, over the queues that the key may see.
  public let counts: [JobState: Int]
  /// What happened since those queues began.
  public let totals: Events
  /// What happened lately, a minute.
  public let perMinute: Events
  /// What happened in the last minute, five minutes and hour; less where the daemon is younger.
  public let recent: Recent
  /// By queue and type, since the daemon started, the busiest first.
  public let items: [Item]

  public struct Events: Sendable, Hashable {
    public let submitted: Int
    public let leased: Int
    public let acked: Int
    public let failed: Int
    public let dead: Int
  }

  /// What happened up to now; submits are counted by queue, not by type.
  public struct Recent: Sendable, Hashable {
    public let minute: Events
    public let fiveMinutes: Events
    public let hour: Events
  }

  public struct Item: Sendable {
    /// Nil: those that have no figures of their own, together.
    public let queue: String?
    /// Empty: jobs that say no type.
    public let type: String
    public let leased: Int
    public let acked: Int
    public let failed: Int
    public let dead: Int
    /// From READY to the lease.
    public let wait: Durations
    /// From the lease to the end of the attempt.
    public let run: Durations
    public let recent: Recent
  }

  /// Of the last five to ten minutes; nil where there were none.
  public struct Durations: Sendable, Hashable {
    public let count: Int
    public let p50: Duration?
    public let p95: Duration?
    public let p99: Duration?
  }
}

/// A worker as the daemon sees it.
public struct WorkerStatus: Sendable {
  /// What it calls itself; empty if it does not say.
  public let id: String
  public let keyID: String
  /// Jobs in its hands.
  public let running: Int
  /// Requests of it that wait for a job.
  public let waiting: Int
  /// Of its jobs.
  public let queues: [String]
  /// Since when it has held the job that it has held longest.
  public let oldestSince: Date?
  public let oldestJob: JobID?
  public let lastLeasedAt: Date?
  /// When the first of its leases ends.
  public let leaseUntil: Date?
}

extension Client {
  /// How the daemon is doing, as far as queues are concerned that this key may see.
  public func stats() async throws -> Stats { try Stats(JSONFields(try await transport.send(.get("/stats")))) }

  /// Who holds jobs and who waits for one, those with the oldest job first. The key must be one that may lease.
  public func workers() async throws -> [WorkerStatus] {
    let answer = try JSONFields(try await transport.send(.get("/workers")))
    var workers: [WorkerStatus] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      workers.append(try WorkerStatus(JSONFields(bytes)))
    }
    return workers
  }
}

extension Stats {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    counts = fields.integers("counts").reduce(into: [:]) { $0[JobState(rawValue: $1.key)] = $1.value }
    totals = Events(fields.integers("totals"))
    perMinute = Events(fields.integers("rates").reduce(into: [:]) { $0[String($1.key.dropLast(11))] = $1.value })
    recent = Recent(fields.object("recent"))
    var items: [Item] = []
    for bytes in try fields.required("items", JSONFields.elements) { items.append(Item(try JSONFields(bytes))) }
    self.items = items
  }
}

extension Stats.Events {
  fileprivate init(_ counts: [String: Int]) {
    submitted = counts["submitted"] ?? 0
    leased = counts["leased"] ?? 0
    acked = counts["acked"] ?? 0
    failed = counts["failed"] ?? 0
    dead = counts["dead"] ?? 0
  }
}

extension Stats.Recent {
  fileprivate init(_ fields: JSONFields?) {
    minute = Stats.Events(fields?.integers("1m") ?? [:])
    fiveMinutes = Stats.Events(fields?.integers("5m") ?? [:])
    hour = Stats.Events(fields?.integers("1h") ?? [:])
  }
}

extension Stats.Item {
  fileprivate init(_ fields: JSONFields) {
    queue = fields.text("queue")
    type = fields.text("type") ?? ""
    leased = fields.integer("leased") ?? 0
    acked = fields.integer("acked") ?? 0
    failed = fields.integer("failed") ?? 0
    dead = fields.integer("dead") ?? 0
    wait = Stats.Durations(fields.object("wait"))
    run = Stats.Durations(fields.object("run"))
    recent = Stats.Recent(fields.object("recent"))
  }
}

extension Stats.Durations {
  fileprivate init(_ fields: JSONFields?) {
    count = fields?.integer("count") ?? 0
    p50 = fields?.duration("p50")
    p95 = fields?.duration("p95")
    p99 = fields?.duration("p99")
  }
}

extension WorkerStatus {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    id = fields.text("worker_id") ?? ""
    keyID = try fields.required("key_id", JSONFields.text)
    running = fields.integer("running") ?? 0
    waiting = fields.integer("waiting") ?? 0
    queues = try fields.json("queues")?.decode() ?? []
    oldestSince = fields.date("oldest_since")
    oldestJob = fields.text("oldest_job_id").map { JobID($0) }
    lastLeasedAt = fields.date("last_leased_at")
    leaseUntil = fields.date("lease_until")
  }
}
