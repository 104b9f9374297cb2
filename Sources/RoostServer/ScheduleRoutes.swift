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
    fields: scheduleFields,
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
func listedOwner(_ request: RouteRequest) throws(Rejection) -> String? {
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
