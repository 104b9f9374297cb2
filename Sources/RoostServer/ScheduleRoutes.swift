import Foundation
import RoostAPI
import RoostCore
import RoostCron
import RoostEngine
import RoostKeys

/// Schedules: jobs that are made at instants, by a cron expression or at equal distances.
let scheduleRoutes: [Route] = [
  Route("GET", "/schedules", .read, parameters: ["owner_id", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    let owner = try listedOwner(request)
    let limit = try request.query.limit()
    let after = try scheduleCursor(request)
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.schedules(owner: owner, limit: limit, after: after)
    }
    var json = JSONWriter(capacity: page.schedules.count * 768 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for schedule in page.schedules { json.schedule(schedule) }
    json.endArray()
    if page.hasMore, let last = page.schedules.last { json.field("next_cursor", cursor(behind: last)) }
    json.endObject()
    return Answer(200, json)
  },
  Route("POST", "/schedules/preview", .read, fields: previewTable.allNames) { (request, backend) throws(Rejection) in
    try preview(request, backend)
  },
  Route("GET", "/schedules/{schedule}", .read, parameters: ["owner_id"]) { (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    return scheduleAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.schedule(name) })
  },
  Route(
    "PUT", "/schedules/{schedule}", .submit, parameters: ["owner_id"],
    fields: scheduleTable.allNames + SubmitBody.fields.map { "job.\($0)" }.filter { !refusedFields.contains($0) },
    audit: .always("schedule.set")
  ) { (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    let definition = try decodeSchedule(request, name, backend)
    let (schedule, isNew) = try await refusable { () throws(Refusal) in
      try await backend.engine.set(schedule: name, definition)
    }
    return scheduleAnswer(isNew ? 201 : 200, schedule)
  },
  Route("DELETE", "/schedules/{schedule}", .submit, parameters: ["owner_id"], audit: .always("schedule.delete")) {
    (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    try requireNoFields(request.body)
    return scheduleAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.remove(schedule: name) })
  },
  Route(
    "POST", "/schedules/{schedule}/pause", .submit, parameters: ["owner_id"], fields: reasonTable.allNames,
    audit: .always("schedule.pause")
  ) { (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    var said = ""
    try decodeOptional(request.body, reasonTable) { (_, json) throws(Rejection) in
      said = try json.plainText("reason", 0...255)
    }
    let reason = said
    return scheduleAnswer(
      200,
      try await refusable { () throws(Refusal) in try await backend.engine.pause(schedule: name, reason: reason) })
  },
  Route("POST", "/schedules/{schedule}/resume", .submit, parameters: ["owner_id"], audit: .always("schedule.resume")) {
    (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    try requireNoFields(request.body)
    return scheduleAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.resume(schedule: name) })
  },
  Route(
    "POST", "/schedules/{schedule}/trigger", .submit, parameters: ["owner_id"], audit: .always("schedule.trigger")
  ) { (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    try requireNoFields(request.body)
    let known = try await refusable { () throws(Refusal) in try await backend.engine.schedule(name) }
    try request.requireQueue(known.body.queue)
    let job = try await refusable { () throws(Refusal) in try await backend.engine.trigger(schedule: name) }
    var json = JSONWriter(capacity: 224)
    json.submitted(job)
    return Answer(201, json)
  },
  Route(
    "POST", "/schedules/{schedule}/backfill", .submit, parameters: ["owner_id"], fields: backfillTable.allNames,
    audit: .always("schedule.backfill")
  ) { (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    let (from, to) = try decodeBackfill(request.body)
    let known = try await refusable { () throws(Refusal) in try await backend.engine.schedule(name) }
    try request.requireQueue(known.body.queue)
    guard backend.engine.instants(of: known, from: from, to: to) <= Schedule.mostCaughtUp else {
      throw Rejection(
        .outOfRange, field: "to",
        "the instants from one to the other must be \(Schedule.mostCaughtUp) at most: take a shorter time")
    }
    let operation = try await refusable { () throws(Refusal) in
      try await backend.engine.backfill(schedule: name, from: from, to: to)
    }
    var json = JSONWriter(capacity: 256)
    json.operation(operation)
    return Answer(202, json)
  },
  Route("GET", "/schedules/{schedule}/runs", .read, parameters: ["owner_id"]) {
    (request, backend) throws(Rejection) in
    let name = try scheduleName(request)
    let schedule = try await refusable { () throws(Refusal) in try await backend.engine.schedule(name) }
    var json = JSONWriter(capacity: schedule.recent.count * 160 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for run in schedule.recent { json.run(run) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
]

// MARK: Names

/// Whether a text may name a schedule: 1 to 128 bytes of `[A-Za-z0-9._:-]`, of which the first is no `_`.
func isScheduleName(_ text: String) -> Bool {
  isQueueName(text) && text.utf8.count <= Bounds.scheduleBytes && text.utf8.first != UInt8(ascii: "_")
}

/// The schedule that a path names. Whose it is the key says, or `owner_id` where the caller is an admin.
private func scheduleName(_ request: RouteRequest) throws(Rejection) -> ScheduleName {
  guard isScheduleName(request.parameter) else {
    throw Rejection(
      .outOfRange, field: "schedule",
      "a schedule has 1 to \(Bounds.scheduleBytes) characters of A-Z a-z 0-9 . _ : - and does not begin with _")
  }
  return ScheduleName(owner: try scheduleOwner(request) ?? request.caller.ownerID.text, name: request.parameter)
}

/// The owner that a query names, if the caller may look at what is that owner's.
private func scheduleOwner(_ request: RouteRequest) throws(Rejection) -> String? {
  guard let owner = request.query["owner_id"] else { return nil }
  let isOwn = Name(owner) == Name(request.caller.ownerID.text)
  guard isOwn || request.caller.type == .admin else { throw Rejection(Refusal.scheduleNotFound) }
  guard (1...200).contains(owner.utf8.count), owner.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
    throw Rejection(.outOfRange, field: "owner_id", "owner_id must have 1 to 200 bytes without control characters")
  }
  return owner
}

/// Whose schedules a list shows; nil: everybody's.
private func listedOwner(_ request: RouteRequest) throws(Rejection) -> String? {
  let own = request.caller.ownerID.text
  if request.caller.type == .admin { return try scheduleOwner(request) }
  // A foreign owner has none, as far as anybody else can tell.
  let owner = request.query["owner_id"] ?? own
  return Name(owner) == Name(own) ? own : "\u{0}"
}

/// Owner and name of the last of the page before, in hexadecimal digits.
private func scheduleCursor(_ request: RouteRequest) throws(Rejection) -> ScheduleName? {
  guard let text = request.query["cursor"] else { return nil }
  let digits = Array(text.utf8)
  var bytes: [UInt8] = []
  for place in stride(from: 0, to: digits.count - 1, by: 2) {
    guard let byte = UInt8(String(decoding: digits[place...place + 1], as: UTF8.self), radix: 16),
      digits[place] != UInt8(ascii: "+")
    else { break }
    bytes.append(byte)
  }
  let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
  guard bytes.count * 2 == digits.count, parts.count == 2, let owner = String(validating: parts[0], as: UTF8.self),
    let name = String(validating: parts[1], as: UTF8.self), isScheduleName(name)
  else { throw Rejection(.outOfRange, field: "cursor", "cursor must be the next_cursor of the page before") }
  return ScheduleName(owner: owner, name: name)
}

private func cursor(behind schedule: ScheduleView) -> String {
  (Array(schedule.owner.utf8) + [0] + Array(schedule.name.utf8)).map { byte in
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }.joined()
}

private func scheduleAnswer(_ status: Int, _ schedule: ScheduleView) -> Answer {
  var json = JSONWriter(capacity: 1_024)
  json.schedule(schedule)
  return Answer(status, json)
}

// MARK: Bodies

private enum ScheduleField: String, CaseIterable {
  case cron, timezone, every, from, onGap = "on_gap", onRepeat = "on_repeat", job, overlap, catchUp = "catch_up",
    catchUpWindow = "catch_up_window", jitter, until, maxRuns = "max_runs", pauseOnFailure = "pause_on_failure"
}

private enum ReasonField: String, CaseIterable { case reason }

private enum BackfillField: String, CaseIterable { case from, to }

private enum PreviewField: String, CaseIterable {
  case cron, timezone, after, count, onGap = "on_gap", onRepeat = "on_repeat"
}

private let scheduleTable = FieldTable(ScheduleField.self)
private let reasonTable = FieldTable(ReasonField.self)
private let backfillTable = FieldTable(BackfillField.self)
private let previewTable = FieldTable(PreviewField.self)

/// What a job of a schedule does not say: each would make them one, or set them apart from the instant.
private let refusedFields = ["job.idempotency_key", "job.run_at"]

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

private func decodeSchedule(
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
    if job.runAtMilliseconds != nil {
      throw Rejection(
        .contradiction, field: "job.run_at", "a schedule's job has no run_at: its instant says when; delay adds to it")
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
private func decodeBackfill(_ body: [UInt8]) throws(Rejection) -> (from: Int64, to: Int64) {
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

private func preview(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> Answer {
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
  fileprivate mutating func choice<Value>(
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

// MARK: Answers

extension JSONWriter {
  mutating func schedule(_ schedule: ScheduleView) {
    let definition = schedule.definition
    beginObject()
    field("schedule", schedule.name)
    field("owner_id", schedule.owner)
    field("state", schedule.pause != nil ? "paused" : schedule.isOver ? "finished" : "active")
    timing(definition.timing)
    field("overlap", definition.overlap.name)
    field("catch_up", definition.catchUp.name)
    if let window = definition.windowMilliseconds { field("catch_up_window", DurationText.text(milliseconds: window)) }
    if definition.jitterMilliseconds > 0 {
      field("jitter", DurationText.text(milliseconds: definition.jitterMilliseconds))
    }
    if let until = definition.until { field("until", instant: until) }
    if let most = definition.maxRuns { field("max_runs", most) }
    if let most = definition.pauseOnFailure { field("pause_on_failure", most) }
    key("job")
    job(of: schedule)
    instants("next", schedule.next)
    if let last = schedule.last { field("last", instant: last) }
    if let pending = schedule.pending { field("pending", instant: pending) }
    if let hold = schedule.hold { field("held_by", hold.name) }
    field("runs", schedule.runs)
    field("running", schedule.openRuns)
    if schedule.failures > 0 { field("failures", schedule.failures) }
    key("misses")
    beginObject()
    for miss in schedule.misses {
      anyKey(miss.reason.name)
      integer(miss.count)
    }
    endObject()
    field("paused", schedule.pause != nil)
    if let pause = schedule.pause { self.pause(pause) }
    field("created_at", milliseconds: schedule.createdAtMilliseconds)
    field("changed_at", milliseconds: schedule.changedAtMilliseconds)
    endObject()
  }

  private mutating func timing(_ timing: ScheduleDefinition.Timing) {
    switch timing {
    case .cron(let cron, let timezone, let skipsGaps, let passes):
      field("cron", cron)
      field("timezone", timezone)
      if skipsGaps { field("on_gap", GapRule.skip.rawValue) }
      if passes != .first { field("on_repeat", RepeatRule(passes).rawValue) }
    case .every(let seconds, let from):
      field("every", DurationText.text(milliseconds: seconds * 1_000))
      if let from { field("from", instant: from) }
    }
  }

  /// What was said of the job, as it was said.
  private mutating func job(of schedule: ScheduleView) {
    let (job, body) = (schedule.definition.job, schedule.body)
    beginObject()
    field("payload", raw: body.payload)
    if !body.type.isEmpty { field("type", body.type) }
    field("queue", body.queue)
    if !body.group.isEmpty { field("group", body.group) }
    if job.given.contains(.priority) { field("priority", job.priority) }
    if job.given.contains(.due) { field("delay", DurationText.text(milliseconds: job.delayMilliseconds)) }
    if job.given.contains(.maxRetries) {
      key("max_retries")
      retries(Int(job.maxRetries))
    }
    if job.given.contains(.retry) {
      key("retry")
      retry(job.policy.retry)
    }
    if job.policy.leaseMilliseconds > 0 {
      field("lease", DurationText.text(milliseconds: Int64(job.policy.leaseMilliseconds)))
    }
    if job.given.contains(.timeout) {
      field("timeout", DurationText.text(milliseconds: Int64(job.policy.timeoutMilliseconds)))
    }
    if job.policy.retentionMilliseconds >= 0 {
      field("retention", DurationText.text(milliseconds: job.policy.retentionMilliseconds))
    }
    if let metadata = body.metadata { field("metadata", raw: metadata) }
    if let tags = body.tags { field("tags", raw: tags) }
    if let trace = body.traceparent { field("traceparent", trace) }
    endObject()
  }

  fileprivate mutating func run(_ run: ScheduleRunView) {
    beginObject()
    field("at", instant: run.at)
    field("outcome", run.kind == .missed ? "missed" : "\(run.kind)")
    if let job = run.job { field("job_id", job.description) }
    if let state = run.state { field("state", state.name) }
    if let miss = run.miss { field("reason", miss.name) }
    if run.count > 1 { field("count", run.count) }
    endObject()
  }

  fileprivate mutating func instants(_ name: StaticString, _ seconds: [Int64]) {
    key(name)
    beginArray()
    for instant in seconds { string(Timestamp.text(seconds: instant)) }
    endArray()
  }

  fileprivate mutating func field(_ name: StaticString, instant seconds: Int64) {
    field(name, Timestamp.text(seconds: seconds))
  }

  /// The schedule that made a job, if one did.
  mutating func schedule(of body: JobBody) {
    guard let made = body.schedule else { return }
    key("schedule")
    beginObject()
    field("name", made.name)
    field("at", instant: made.instant)
    endObject()
  }
}
