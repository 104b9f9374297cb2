import Foundation
import RoostAPI
import RoostCore
import RoostCron
import RoostEngine

// What callers say of schedules.

private enum ScheduleField: String, CaseIterable {
  case cron, timezone, every, from, onGap = "on_gap", onRepeat = "on_repeat", job, overlap, catchUp = "catch_up",
    catchUpWindow = "catch_up_window", jitter, until, maxRuns = "max_runs", pauseOnFailure = "pause_on_failure"
}

enum ReasonField: String, CaseIterable { case reason }

enum BackfillField: String, CaseIterable { case from, to }

enum PreviewField: String, CaseIterable {
  case cron, timezone, after, count, onGap = "on_gap", onRepeat = "on_repeat"
}

private let scheduleTable = FieldTable(ScheduleField.self)
let reasonTable = FieldTable(ReasonField.self)
let backfillTable = FieldTable(BackfillField.self)
let previewTable = FieldTable(PreviewField.self)

/// What a job of a schedule does not say: each would make them one, or set them apart from the instant.
private let refusedFields = [
  "job.idempotency_key", "job.run_at", "job.expires_at", "job.depends_on", "job.on_dead",
  "job.when", "job.batch", "job.lease_id",
]

/// All fields of a schedule, those of its job too.
let scheduleFields =
  scheduleTable.allNames + SubmitBody.fields.map { "job.\($0)" }.filter { !refusedFields.contains($0) }

private struct ScheduleBody {
  var cron: String?
  var timezone: String?
  var every: Int64?
  var from: Int64?
  var onGap: GapRule?
  var onRepeat: RepeatRule?
  var job: JobSpec?
  var overlap = ScheduleOverlap.skip
  var catchUp = ScheduleCatchUp.last
  var window: Int64?
  var jitter: Int64 = 0
  var until: Int64?
  var maxRuns: UInt64?
  var pauseOnFailure: UInt32?
}

func decodeSchedule(
  _ request: RouteRequest, _ name: ScheduleName, _ backend: Backend
) throws(Rejection) -> ScheduleDefinition {
  var body = ScheduleBody()
  var json = JSONReader(request.body)
  try json.object("", scheduleTable) { (field, json) throws(Rejection) in
    if try !json.takeNull() { try read(field, &json, &body, backend) }
  }
  try json.finish()
  guard let job = body.job else {
    throw Rejection(.missingField, field: "job", "job is missing: what to submit at each instant, as in POST /jobs")
  }
  try request.requireQueue(job.queue)
  let timing = try timing(of: body, backend)
  var definition = backend.engine.definition(timing, job: job, owner: name.owner)
  definition.overlap = body.overlap
  definition.catchUp = body.catchUp
  definition.windowMilliseconds = body.window
  definition.jitterMilliseconds = body.jitter
  definition.until = body.until
  definition.maxRuns = body.maxRuns
  definition.pauseOnFailure = body.pauseOnFailure
  guard definition.body.count <= ScheduleDefinition.mostBodyBytes else {
    throw Rejection(
      .outOfRange, field: "job", "job must have at most \(ScheduleDefinition.mostBodyBytes) bytes with all it carries")
  }
  return definition
}

private func read(
  _ field: ScheduleField, _ json: inout JSONReader, _ body: inout ScheduleBody, _ backend: Backend
) throws(Rejection) {
  let name = field.rawValue
  switch field {
  case .cron: body.cron = try json.cron(name)
  case .timezone: body.timezone = try json.plainText(name, 1...TimeZoneDatabase.maxNameBytes)
  case .every:
    let milliseconds = try json.duration(name, Bounds.every)
    guard milliseconds % 1_000 == 0 else { throw json.outOfRange(name, "a number of whole seconds, such as 90s") }
    body.every = milliseconds / 1_000
  case .from: body.from = try json.instant(name)
  case .onGap: body.onGap = try json.gapRule(name)
  case .onRepeat: body.onRepeat = try json.repeatRule(name)
  case .job:
    let most = min(backend.maxPayloadBytes, Bounds.schedulePayloadBytes)
    let job = try SubmitBody.decode(&json, in: name, header: nil, maxPayloadBytes: most)
    if job.idempotencyKey != nil {
      throw Rejection(
        .contradiction, field: "job.idempotency_key",
        "a schedule's job has no idempotency_key: each instant is one job anyway")
    }
    try requireAlone(job, name)
    if job.runAtMilliseconds != nil {
      throw Rejection(
        .contradiction, field: "job.run_at", "a schedule's job has no run_at: its instant says when; delay adds to it")
    }
    if job.expiry.map({ !$0.isRelative }) ?? false {
      throw Rejection(
        .contradiction, field: "job.expires_at",
        "a schedule's job has no expires_at, as it is made again and again: expires_in counts from each instant")
    }
    body.job = job
  case .overlap: body.overlap = try json.choice(name, ScheduleOverlap.allCases, \.name)
  case .catchUp: body.catchUp = try json.choice(name, ScheduleCatchUp.allCases, \.name)
  case .catchUpWindow: body.window = try json.duration(name, Bounds.tenYears)
  case .jitter: body.jitter = try json.duration(name, Bounds.jitter)
  case .until: body.until = try json.instant(name)
  case .maxRuns: body.maxRuns = UInt64(try json.integer(name, 1...1_000_000_000))
  case .pauseOnFailure: body.pauseOnFailure = UInt32(try json.integer(name, 1...1_000_000))
  }
}

/// When it fires: by `cron` or by `every`, and neither with what belongs to the other.
private func timing(
  of body: ScheduleBody, _ backend: Backend
) throws(Rejection) -> ScheduleDefinition.Timing {
  guard let cron = body.cron else {
    guard let every = body.every else {
      throw Rejection(.missingField, field: "cron", "cron or every is missing: one of them says when it fires")
    }
    let others: [(String, Bool)] = [
      ("timezone", body.timezone != nil), ("on_gap", body.onGap != nil), ("on_repeat", body.onRepeat != nil),
    ]
    for (field, isGiven) in others where isGiven {
      throw Rejection(
        .contradiction, field: field, "\(field) belongs to cron: every counts seconds, whatever clocks show")
    }
    return .every(every, from: body.from)
  }
  if body.every != nil {
    throw Rejection(.contradiction, field: "every", "cron and every contradict each other: give one of them")
  }
  if body.from != nil {
    throw Rejection(.contradiction, field: "from", "from belongs to every: a cron expression has no beginning")
  }
  let timezone = body.timezone ?? "UTC"
  let (gap, passes) = (body.onGap ?? .fire, body.onRepeat ?? .first)
  let zone = try zone(timezone, backend)
  guard (try? CronExpression(cron))?.next(after: seconds(.now), in: zone, onGap: gap, onRepeat: passes) != nil else {
    throw Rejection(.outOfRange, field: "cron", "cron must fire within 40 years, and this expression does not")
  }
  return .cron(cron, timezone: timezone, skipsGaps: gap == .skip, passes: ScheduleDefinition.Passes(passes))
}

private func zone(_ name: String, _ backend: Backend) throws(Rejection) -> TimeZoneTable {
  guard let zone = backend.engine.zones.zone(name) else {
    throw Rejection(
      .outOfRange, field: "timezone", "timezone must be a name of the system's time zones, such as Europe/Berlin")
  }
  return zone
}

private func seconds(_ date: Date) -> Int64 { Int64(date.timeIntervalSince1970.rounded(.down)) }

/// The first and the last instant that count, seconds since 1970.
func decodeBackfill(_ body: [UInt8]) throws(Rejection) -> (from: Int64, to: Int64) {
  var (from, to): (Int64?, Int64?) = (nil, nil)
  try decodeOptional(body, backfillTable) { (field, json) throws(Rejection) in
    let time = try json.instant(field.rawValue)
    guard time > 0, time <= seconds(.now) else { throw json.outOfRange(field.rawValue, "a time that has passed") }
    switch field {
    case .from: from = time
    case .to: to = time
    }
  }
  guard let from else { throw Rejection(.missingField, field: "from", "from is missing: the first time that counts") }
  guard let to else { throw Rejection(.missingField, field: "to", "to is missing: the last time that counts") }
  guard from <= to else { throw Rejection(.contradiction, field: "to", "to must not be before from") }
  return (from, to)
}

func preview(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> Answer {
  var (cron, timezone): (String?, String) = (nil, "UTC")
  var (after, count) = (seconds(.now), 10)
  var (gap, passes) = (GapRule.fire, RepeatRule.first)
  try decodeOptional(request.body, previewTable) { (field, json) throws(Rejection) in
    let name = field.rawValue
    switch field {
    case .cron: cron = try json.cron(name)
    case .timezone: timezone = try json.plainText(name, 1...TimeZoneDatabase.maxNameBytes)
    case .after: after = try json.timestamp(name) / 1_000
    case .count: count = Int(try json.integer(name, 1...Int64(CronExpression.maxCount)))
    case .onGap: gap = try json.gapRule(name)
    case .onRepeat: passes = try json.repeatRule(name)
    }
  }
  guard let cron, let expression = try? CronExpression(cron) else {
    throw Rejection(.missingField, field: "cron", "cron is missing: an expression such as \"30 2 * * *\"")
  }
  let fires = expression.next(
    count, after: after, in: try zone(timezone, backend), onGap: gap, onRepeat: passes)
  guard !fires.isEmpty else {
    throw Rejection(.outOfRange, field: "cron", "cron must fire within 40 years, and this expression does not")
  }
  var json = JSONWriter(capacity: fires.count * 28 + 128)
  json.beginObject()
  json.field("cron", cron)
  json.field("timezone", timezone)
  if let words = expression.words { json.field("words", words) }
  json.instants("next", fires)
  json.endObject()
  return Answer(200, json)
}

extension JSONReader {
  fileprivate mutating func cron(_ name: String) throws(Rejection) -> String {
    let text = try string(name)
    do throws(CronError) {
      return try CronExpression(text).text
    } catch {
      throw outOfRange(name, "a cron expression: \(error)")
    }
  }

  fileprivate mutating func gapRule(_ name: String) throws(Rejection) -> GapRule {
    try choice(name, GapRule.allCases, \.rawValue)
  }

  fileprivate mutating func repeatRule(_ name: String) throws(Rejection) -> RepeatRule {
    try choice(name, RepeatRule.allCases, \.rawValue)
  }

  /// One of several words.
  mutating func choice<Value>(
    _ name: String, _ values: [Value], _ word: (Value) -> String
  ) throws(Rejection) -> Value {
    let text = try string(name)
    guard let value = values.first(where: { word($0) == text }) else {
      throw outOfRange(name, values.map(word).joined(separator: ", ").replacingLast(", ", with: " or "))
    }
    return value
  }

  /// A time of RFC 3339 in whole seconds, since 1970.
  fileprivate mutating func instant(_ name: String) throws(Rejection) -> Int64 {
    let time = try timestamp(name)
    guard Bounds.runAt.contains(time) else { throw outOfRange(name, "a time before the year 2100") }
    return time / 1_000
  }
}

extension String {
  fileprivate func replacingLast(_ text: String, with other: String) -> String {
    guard let range = range(of: text, options: .backwards) else { return self }
    return replacingCharacters(in: range, with: other)
  }
}
