import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Queues: what they hold, what is set for them, and pausing them.
let queueRoutes: [Route] = [
  Route("GET", "/queues", .read, parameters: ["sort", "match", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    let listing = try QueueListing(request.query)
    let page = listing.page(
      of: backend.engine.queues(viewer: request.viewer).filter { request.maySee(queue: $0.name) }
    ) { backend.metrics.rates.rates(of: $0) }
    var json = JSONWriter(capacity: page.items.count * 512 + 64)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for (queue, rates) in page.items { json.queue(queue, rates) }
    json.endArray()
    json.field("matches", page.matches)
    if let next = page.next { json.field("next_cursor", String(next, radix: 16)) }
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/queues/{queue}", .read) { (request, backend) throws(Rejection) in
    let name = try queueName(request.parameter, request)
    return try queueAnswer(backend, await refusable { () throws(Refusal) in try await backend.engine.queue(name) })
  },
  Route(
    "PATCH", "/queues/{queue}", .manageQueues, fields: settingFields,
    audit: .always("queue.configure")
  ) { (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    let (change, deadLetter, target) = try decodeSettings(request.body, maxPayloadBytes: backend.maxPayloadBytes)
    if !deadLetter.isEmpty {
      try request.requireQueue(deadLetter)
      guard deadLetter != name else {
        throw Rejection(
          .contradiction, field: "dead_letter.queue", "dead_letter.queue is this very queue: name another")
      }
    }
    return try queueAnswer(
      backend,
      await refusable { () throws(Refusal) in
        try await backend.engine.configure(queue: name, change, deadLetter: deadLetter, target: target)
      })
  },
  Route(
    "POST", "/queues/{queue}/pause", .manageQueues, fields: pauseTable.allNames, audit: .always("queue.pause")
  ) { (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    let pause = try decodePause(request.body)
    return try queueAnswer(
      backend,
      await refusable { () throws(Refusal) in
        try await backend.engine.pause(queue: name, reason: pause.reason, untilMilliseconds: pause.until)
      })
  },
  Route("POST", "/queues/{queue}/resume", .manageQueues, audit: .always("queue.resume")) {
    (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    try requireNoFields(request.body)
    return try queueAnswer(
      backend, await refusable { () throws(Refusal) in try await backend.engine.resume(queue: name) })
  },
]

/// The queue of a path, if the caller may use it: who may only look at others does not change them.
func managedQueue(_ request: RouteRequest) throws(Rejection) -> String {
  let name = try queueName(request.parameter, request)
  try request.requireQueue(name)
  return name
}

/// A queue's name from a path or a filter, if the caller may look at that queue.
func queueName(_ text: String, _ request: RouteRequest) throws(Rejection) -> String {
  guard isQueueName(text) else {
    throw Rejection(.outOfRange, field: "queue", "a queue has 1 to 200 characters of A-Z a-z 0-9 . _ : -")
  }
  try request.requireVisible(queue: text)
  return text
}

private func queueAnswer(_ backend: Backend, _ found: QueueView?) throws(Rejection) -> Answer {
  guard let queue = found else {
    throw Rejection(.queueNotFound, "there is no such queue: it begins with its first job, setting or pause")
  }
  var json = JSONWriter(capacity: 512)
  json.queue(queue, backend.metrics.rates.rates(of: queue))
  return Answer(200, json)
}

// MARK: Pauses

enum PauseField: String, CaseIterable { case reason, until }

let pauseTable = FieldTable(PauseField.self)

func decodePause(_ body: [UInt8]) throws(Rejection) -> (reason: String, until: Int64?) {
  var pause: (reason: String, until: Int64?) = ("", nil)
  try decodeOptional(body, pauseTable) { (field, json) throws(Rejection) in
    switch field {
    case .reason: pause.reason = try json.plainText("reason", 0...255)
    case .until:
      let time = try json.timestamp("until")
      guard Bounds.runAt.contains(time), time > 0 else { throw json.outOfRange("until", "a time before the year 2100") }
      pause.until = time
    }
  }
  return pause
}

// MARK: Answers

extension JSONWriter {
  /// A queue: counts, rates, totals, settings, and why it gives no jobs, if so.
  mutating func queue(_ queue: QueueView, _ rates: QueueRates.Rates) {
    beginObject()
    field("name", queue.name)
    key("counts")
    beginObject()
    for state in JobState.allCases {
      anyKey(state.name)
      integer(queue.count(state))
    }
    endObject()
    field("waiting_bytes", queue.waitingBytes)
    if let age = queue.oldestReadyMilliseconds { field("oldest_ready_age", DurationText.text(milliseconds: age)) }
    key("rates")
    beginObject()
    field("submitted_per_minute", rates.submitted)
    field("leased_per_minute", rates.leased)
    field("acked_per_minute", rates.acked)
    field("failed_per_minute", rates.failed)
    field("dead_per_minute", rates.dead)
    endObject()
    key("totals")
    beginObject()
    field("submitted", queue.totals.submitted)
    field("leased", queue.totals.leased)
    field("acked", queue.totals.acked)
    field("failed", queue.totals.failed)
    field("dead", queue.totals.dead)
    endObject()
    field("paused", queue.pause != nil)
    if let pause = queue.pause { self.pause(pause) }
    if let hold = queue.hold { field("held_by", hold.rawValue) }
    key("settings")
    settings(queue.settings, deadLetter: queue.deadLetterQueue, pushURL: queue.target?.url)
    endObject()
  }

  mutating func pause(_ pause: QueuePause) {
    key("pause")
    beginObject()
    field("since", milliseconds: pause.sinceMilliseconds)
    if let until = pause.untilMilliseconds { field("until", milliseconds: until) }
    if !pause.reason.isEmpty { field("reason", pause.reason) }
    endObject()
  }
}
