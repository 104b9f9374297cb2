import Foundation
import RoostAPI

/// When a schedule makes jobs, and what they are.
public struct Schedule: Sendable {
  /// When it fires.
  public enum Timing: Sendable, Hashable {
    /// A cron expression of five fields, or of six with the seconds first, in a time zone such as `Europe/Berlin`.
    case cron(String, timezone: String = "UTC")
    /// At equal distances of whole seconds; counted from `from`, or from the first time the schedule was set.
    case every(Duration, from: Date? = nil)
  }

  /// What becomes of an instant while a run before it has not ended.
  public enum Overlap: String, Sendable {
    /// It is missed.
    case skip
    /// One waits for the end, others are missed.
    case bufferOne = "buffer_one"
    /// It fires.
    case allow
    /// The run is cancelled, and the new one begins when it has ended.
    case cancelOther = "cancel_other"
  }

  /// What becomes of instants that came more than a minute ago, as while the daemon was down.
  public enum CatchUp: String, Sendable {
    case none
    /// The last of them fires.
    case last
    /// All within ``Schedule/catchUpWindow`` fire, at most 1,000.
    case all
  }

  /// What becomes of a fixed time of a cron expression that the clocks skip.
  public enum GapRule: String, Sendable {
    /// It fires at the first instant behind the gap.
    case fire
    case skip
  }

  /// In which pass a fixed time fires that the clocks show twice.
  public enum RepeatRule: String, Sendable {
    case first, last, both
  }

  public var timing: Timing
  /// The payload of each job.
  public var payload: RawJSON
  /// Of each job; neither ``JobOptions/runAt`` nor ``JobOptions/idempotencyKey``.
  public var options: JobOptions
  public var overlap = Overlap.skip
  public var catchUp = CatchUp.last
  /// How late an instant may be made up for; nil: a day where all are, else without bound.
  public var catchUpWindow: Duration?
  /// Each job is delayed by a random time up to this one.
  public var jitter: Duration?
  /// The last instant that may fire.
  public var until: Date?
  /// How often it fires.
  public var maxRuns: Int?
  /// So many DEAD runs, one behind the other, pause it.
  public var pauseOnFailure: Int?
  public var onGap = GapRule.fire
  public var onRepeat = RepeatRule.first

  public init(_ timing: Timing, payload: RawJSON, _ options: JobOptions = JobOptions()) {
    self.timing = timing
    self.payload = payload
    self.options = options
  }

  /// A schedule of jobs whose payload knows its type.
  public init(_ timing: Timing, _ payload: some JobPayload, _ options: JobOptions = JobOptions()) throws(RoostError) {
    let job = try NewJob(payload, options)
    self.init(timing, payload: job.payload, job.options)
  }
}

/// A schedule as it was when it was asked for.
public struct ScheduleStatus: Sendable, Identifiable {
  public let name: String
  public let ownerID: String
  public let state: State
  /// Its cron expression in English, as it follows "fires": `at 02:30 on weekdays`; nil where no short phrase says it.
  public let words: String?
  /// The next instants, ten at most.
  public let next: [Date]
  /// The last instant that fired or was missed.
  public let last: Date?
  /// One that waits for the end of a run.
  public let pending: Date?
  /// How often it fired.
  public let runs: Int
  /// Jobs of it that have not ended.
  public let running: Int
  /// DEAD runs, one behind the other.
  public let failures: Int
  /// How many instants were missed, by reason: `overlap`, `late`, `superseded`, `too_many`, `queue_full`, `no_room`,
  /// `refused`, `paused`.
  public let misses: [String: Int]
  /// Nil while it is not paused.
  public let pause: QueueStatus.Pause?
  /// Why an instant waits that is due: `queue_full`, `no_room`; nil: none does.
  public let heldBy: String?
  public let createdAt: Date
  public let changedAt: Date

  public var id: String { name }

  public enum State: String, Sendable {
    case active
    case paused
    /// It will not fire any more.
    case finished
  }
}

/// What became of an instant of a schedule.
public struct ScheduleRun: Sendable {
  /// Of several instants that were missed in a row the first.
  public let at: Date
  public let outcome: Outcome
  /// Nil: no job was made.
  public let job: JobID?
  /// Of the job, as far as it is known.
  public let state: JobState?
  /// Why it was missed.
  public let reason: String?
  /// How many instants in a row.
  public let count: Int

  public enum Outcome: String, Sendable {
    case fired, missed, backfilled
    /// It had waited for the end of the run before.
    case started
    /// ``Client/triggerSchedule(_:owner:)`` asked for it.
    case triggered
  }
}

extension Client {
  /// Makes a schedule, or changes one. Setting the same again changes nothing; a change repeats no instant.
  ///
  /// ```swift
  /// try await client.setSchedule("nightly", Schedule(.cron("30 2 * * *", timezone: "Europe/Berlin"), Report()))
  /// ```
  ///
  /// - Parameters:
  ///   - name: 1 to 128 characters of `A-Z a-z 0-9 . _ : -`, the first one not `_`; each owner has names of its own.
  ///   - owner: Whose; nil: this key's owner. Others are for admins.
  /// - Throws: ``RoostError`` with code `out_of_range` and its field for an expression or a zone that there is not.
  @discardableResult
  public func setSchedule(_ name: String, _ schedule: Schedule, owner: String? = nil) async throws -> ScheduleStatus {
    var body = JSONWriter(capacity: schedule.payload.bytes.count + 256)
    body.schedule(schedule)
    return try await scheduleAnswer(.put(schedulePath(name, owner), body.bytes))
  }

  /// One schedule.
  ///
  /// - Throws: ``RoostError`` with code `schedule_not_found`.
  public func schedule(_ name: String, owner: String? = nil) async throws -> ScheduleStatus {
    try await scheduleAnswer(.get(schedulePath(name, owner)))
  }

  /// The schedules of this key's owner by name, or everybody's for an admin: a page of at most 200, and where to go on.
  ///
  /// - Parameter cursor: What the page before said; nil: from the beginning.
  public func schedules(
    owner: String? = nil, limit: Int = 200, cursor: String? = nil
  ) async throws -> (schedules: [ScheduleStatus], nextCursor: String?) {
    let query = [
      "limit=\(limit)", owner.map { "owner_id=" + percentEncoded($0) }, cursor.map { "cursor=" + percentEncoded($0) },
    ].compactMap { $0 }
    let answer = try JSONFields(
      try await transport.send(.get("/schedules?" + query.joined(separator: "&"))))
    var schedules: [ScheduleStatus] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      schedules.append(try ScheduleStatus(JSONFields(bytes)))
    }
    return (schedules, answer.text("next_cursor"))
  }

  /// Takes a schedule away; the jobs that it made stay.
  public func deleteSchedule(_ name: String, owner: String? = nil) async throws {
    _ = try await transport.send(.delete(schedulePath(name, owner)))
  }

  /// Nothing fires until it is resumed.
  ///
  /// - Parameter reason: At most 255 bytes.
  @discardableResult
  public func pauseSchedule(
    _ name: String, owner: String? = nil, reason: String? = nil
  ) async throws -> ScheduleStatus {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    return try await scheduleAnswer(.post(schedulePath(name, owner, "/pause"), body.bytes))
  }

  /// Goes on with the next instant; those that came meanwhile are not made up for.
  @discardableResult
  public func resumeSchedule(_ name: String, owner: String? = nil) async throws -> ScheduleStatus {
    try await scheduleAnswer(.post(schedulePath(name, owner, "/resume")))
  }

  /// Makes a job of a schedule now; its instants stay as they are.
  ///
  /// It is not repeated by itself: a second request would make a second job.
  @discardableResult
  public func triggerSchedule(_ name: String, owner: String? = nil) async throws -> SubmittedJob {
    var request = Transport.Request.post(schedulePath(name, owner, "/trigger"))
    request.isIdempotent = false
    return try SubmittedJob(JSONFields(try await transport.send(request)))
  }

  /// Makes the jobs of all instants between two times that have passed, 1,000 at most, in the background.
  ///
  /// It is not repeated by itself: a second request would make the jobs twice.
  ///
  /// - Returns: The operation's id.
  @discardableResult
  public func backfillSchedule(
    _ name: String, from: Date, to: Date, owner: String? = nil
  ) async throws -> String {
    var body = JSONWriter()
    body.beginObject()
    body.field("from", milliseconds: from.milliseconds)
    body.field("to", milliseconds: to.milliseconds)
    body.endObject()
    var request = Transport.Request.post(schedulePath(name, owner, "/backfill"), body.bytes)
    request.isIdempotent = false
    return try JSONFields(try await transport.send(request)).required("operation_id", JSONFields.text)
  }

  /// What became of a schedule's last instants, the latest first.
  public func runs(ofSchedule name: String, owner: String? = nil) async throws -> [ScheduleRun] {
    let answer = try JSONFields(try await transport.send(.get(schedulePath(name, owner, "/runs"))))
    return try answer.required("items", JSONFields.elements).map { (bytes) throws(RoostError) in
      try ScheduleRun(JSONFields(bytes))
    }
  }

  /// The next instants of a cron expression, as the daemon computes them.
  ///
  /// - Parameters:
  ///   - after: Nil: now.
  ///   - count: 1 to 1000.
  public func previewSchedule(
    _ cron: String, timezone: String = "UTC", after: Date? = nil, count: Int = 10
  ) async throws -> [Date] {
    var body = JSONWriter()
    body.beginObject()
    body.field("cron", cron)
    body.field("timezone", timezone)
    if let after { body.field("after", milliseconds: after.milliseconds) }
    body.field("count", count)
    body.endObject()
    return try JSONFields(try await transport.send(.post("/schedules/preview", body.bytes))).dates("next")
  }

  private func scheduleAnswer(_ request: Transport.Request) async throws -> ScheduleStatus {
    try ScheduleStatus(JSONFields(try await transport.send(request)))
  }

  private func schedulePath(_ name: String, _ owner: String?, _ verb: String = "") -> String {
    "/schedules/" + percentEncoded(name) + verb + (owner.map { "?owner_id=" + percentEncoded($0) } ?? "")
  }
}

extension ScheduleStatus {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    name = try fields.required("schedule", JSONFields.text)
    ownerID = try fields.required("owner_id", JSONFields.text)
    state = fields.text("state").flatMap { State(rawValue: $0) } ?? .active
    next = fields.dates("next")
    words = fields.text("words")
    last = fields.date("last")
    pending = fields.date("pending")
    runs = fields.integer("runs") ?? 0
    running = fields.integer("running") ?? 0
    failures = fields.integer("failures") ?? 0
    misses = fields.integers("misses")
    pause = try fields.object("pause").map { (pause) throws(RoostError) in try QueueStatus.Pause(pause) }
    heldBy = fields.text("held_by")
    createdAt = try fields.required("created_at", JSONFields.date)
    changedAt = try fields.required("changed_at", JSONFields.date)
  }
}

extension ScheduleRun {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    at = try fields.required("at", JSONFields.date)
    outcome = try fields.required("outcome") { fields in { fields.text($0).flatMap { Outcome(rawValue: $0) } } }
    job = fields.text("job_id").map { JobID($0) }
    state = fields.text("state").map { JobState(rawValue: $0) }
    reason = fields.text("reason")
    count = fields.integer("count") ?? 1
  }
}

extension JSONFields {
  fileprivate func dates(_ name: String) -> [Date] {
    (elements(name) ?? []).compactMap { bytes in
      Timestamp.milliseconds(String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)).map {
        Date(milliseconds: $0)
      }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func schedule(_ schedule: Schedule) {
    beginObject()
    switch schedule.timing {
    case .cron(let cron, let timezone):
      field("cron", cron)
      field("timezone", timezone)
      field("on_gap", schedule.onGap.rawValue)
      field("on_repeat", schedule.onRepeat.rawValue)
    case .every(let distance, let from):
      field("every", duration: distance)
      if let from { field("from", milliseconds: from.milliseconds) }
    }
    field("overlap", schedule.overlap.rawValue)
    field("catch_up", schedule.catchUp.rawValue)
    if let window = schedule.catchUpWindow { field("catch_up_window", duration: window) }
    if let jitter = schedule.jitter { field("jitter", duration: jitter) }
    if let until = schedule.until { field("until", milliseconds: until.milliseconds) }
    if let maxRuns = schedule.maxRuns { field("max_runs", maxRuns) }
    if let failures = schedule.pauseOnFailure { field("pause_on_failure", failures) }
    key("job")
    submit(schedule.payload, schedule.options, idempotencyKey: nil)
    endObject()
  }
}
