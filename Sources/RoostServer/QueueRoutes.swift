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
    "PATCH", "/queues/{queue}", .manageQueues, fields: settingsTable.allNames + nestedSettingFields,
    audit: .always("queue.configure")
  ) { (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    let (change, deadLetter) = try decodeSettings(request.body, maxPayloadBytes: backend.maxPayloadBytes)
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
        try await backend.engine.configure(queue: name, change, deadLetter: deadLetter)
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

// MARK: Settings

private enum SettingsField: String, CaseIterable {
  case maxRetries = "max_retries", retry, priority, delay, lease, timeout, retention, maxLength = "max_length",
    maxBytes = "max_bytes", onFull = "on_full", maxPayloadBytes = "max_payload_bytes", concurrency, rate, aging,
    requeueExpired = "requeue_expired", deadLetter = "dead_letter", groups
}

private enum DeadLetterField: String, CaseIterable { case queue, after }

private let deadLetterTable = FieldTable(DeadLetterField.self)

enum RateField: String, CaseIterable { case limit, per, burst }

private let settingsTable = FieldTable(SettingsField.self)
let rateTable = FieldTable(RateField.self)

private let nestedSettingFields =
  retryFields.map { "retry.\($0)" } + rateTable.allNames.map { "rate.\($0)" }
  + deadLetterTable.allNames.map { "dead_letter.\($0)" } + groupSettingFields

/// What a body changes: a value sets, `null` returns to the daemon's default, what is absent stays.
///
/// - Returns: Besides, the queue that is to take what fails; empty where the change says of none.
private func decodeSettings(
  _ body: [UInt8], maxPayloadBytes: Int
) throws(Rejection) -> (change: QueueSettingsChange, deadLetter: String) {
  var change = QueueSettingsChange()
  var deadLetter = ""
  var json = JSONReader(body)
  guard !json.isAtEnd() else { return (change, deadLetter) }
  try json.object("", settingsTable) { (field, json) throws(Rejection) in
    if try json.takeNull() {
      for setting in field.settings { change.set(setting, nil) }
    } else if field == .deadLetter {
      let taker = try readDeadLetter(&json)
      change.set(.deadLetter, taker.after)
      deadLetter = taker.queue
    } else {
      try read(field, &json, &change, maxPayloadBytes)
    }
  }
  try json.finish()
  return (change, deadLetter)
}

/// - Returns: The queue, and after how many attempts; 0: instead of being DEAD alone.
private func readDeadLetter(_ json: inout JSONReader) throws(Rejection) -> (queue: String, after: Int64) {
  var taker: (queue: String, after: Int64) = ("", 0)
  try json.object("dead_letter", deadLetterTable) { (field, json) throws(Rejection) in
    if try json.takeNull() { return }
    switch field {
    case .queue: taker.queue = try json.queueName("queue")
    case .after: taker.after = try json.integer("after", 1...QueueSetting.deadLetter.range.upperBound)
    }
  }
  guard !taker.queue.isEmpty else {
    throw Rejection(.missingField, field: "dead_letter.queue", "dead_letter.queue is missing: where what fails goes")
  }
  return taker
}

extension SettingsField {
  fileprivate var settings: [QueueSetting] {
    switch self {
    case .maxRetries: [.maxRetries]
    case .retry: QueueSetting.ofRetry
    case .priority: [.priority]
    case .delay: [.delay]
    case .lease: [.lease]
    case .timeout: [.timeout]
    case .retention: [.retention]
    case .maxLength: [.maxLength]
    case .maxBytes: [.maxBytes]
    case .onFull: [.onFull]
    case .maxPayloadBytes: [.maxPayloadBytes]
    case .concurrency: [.concurrency]
    case .rate: QueueSetting.ofRate
    case .aging: [.aging]
    case .requeueExpired: [.requeueExpired]
    case .deadLetter: [.deadLetter]
    case .groups: GroupsField.allCases.flatMap(\.settings)
    }
  }
}

private func read(
  _ field: SettingsField, _ json: inout JSONReader, _ change: inout QueueSettingsChange, _ mostPayload: Int
) throws(Rejection) {
  let name = field.rawValue
  let setting = field.settings[0]
  switch field {
  case .maxRetries: change.set(setting, Int64(try json.retries(name)))
  case .retry:
    var settings = QueueSettings()
    settings.retry = try json.retryPolicy(name)
    for setting in field.settings { change.set(setting, settings[setting]) }
  case .priority: change.set(setting, Int64(try json.priority(name)))
  case .delay, .lease, .retention, .aging: change.set(setting, try json.duration(name, setting.range))
  case .timeout: change.set(setting, try json.timeout(name))
  case .maxLength, .maxBytes, .concurrency: change.set(setting, try json.integer(name, setting.range))
  case .maxPayloadBytes: change.set(setting, try json.integer(name, 1...Int64(mostPayload)))
  case .onFull:
    let text = try json.string(name)
    guard let policy = QueueFullPolicy.allCases.first(where: { $0.name == text }) else {
      throw json.outOfRange(name, "reject or drop_oldest")
    }
    change.set(setting, policy.rawValue)
  case .requeueExpired: change.set(setting, try json.boolean(name) ? 1 : nil)
  case .deadLetter: preconditionFailure("it is read with its name")
  case .rate: try readRate(name, field.settings, &json, &change)
  case .groups: try readGroups(&json, &change)
  }
}

/// - Parameters:
///   - name: Of the field, for errors.
///   - outer: The objects around it, each with a dot behind it.
///   - settings: Those of the limit, the period and the burst.
func readRate(
  _ name: String, in outer: String = "", _ settings: [QueueSetting], _ json: inout JSONReader,
  _ change: inout QueueSettingsChange
) throws(Rejection) {
  var (limit, period, burst): (Int64?, Int64?, Int64) = (nil, nil, 1)
  func missing(_ part: String, _ why: String) -> Rejection {
    Rejection(.missingField, field: "\(outer)\(name).\(part)", "\(outer)\(name).\(part) is missing: \(why)")
  }
  try json.object(name, rateTable) { (field, json) throws(Rejection) in
    if try json.takeNull() { return }
    switch field {
    case .limit: limit = try json.integer("limit", QueueSetting.rateLimit.range)
    case .per: period = try json.duration("per", QueueSetting.ratePeriod.range)
    case .burst: burst = try json.integer("burst", QueueSetting.rateBurst.range)
    }
  }
  guard let limit else { throw missing("limit", "so many leases") }
  guard let period else { throw missing("per", "in which time, such as 1m") }
  for (setting, value) in zip(settings, [limit, period, burst]) { change.set(setting, value) }
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
    settings(queue.settings, deadLetter: queue.deadLetterQueue)
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

  /// Those that were set.
  private mutating func settings(_ settings: QueueSettings, deadLetter: String) {
    beginObject()
    for field in SettingsField.allCases {
      if field == .groups {
        groups(settings)
        continue
      }
      guard let value = settings[field.settings[0]] else { continue }
      anyKey(field.rawValue)
      switch field {
      case .maxRetries: retries(Int(value))
      case .retry: if let policy = settings.retry { retry(policy) }
      case .delay, .lease, .timeout, .retention, .aging: string(DurationText.text(milliseconds: value))
      case .priority, .maxLength, .maxBytes, .maxPayloadBytes, .concurrency: integer(value)
      case .onFull: string(QueueFullPolicy(rawValue: value)?.name ?? "")
      case .rate: rate(field.settings.map { settings[$0] ?? 0 })
      case .requeueExpired: bool(true)
      case .deadLetter:
        beginObject()
        self.field("queue", deadLetter)
        if value > 0 { self.field("after", value) }
        endObject()
      case .groups: break
      }
    }
    endObject()
  }

  /// - Parameter values: Limit, period in milliseconds, burst.
  mutating func rate(_ values: [Int64]) {
    beginObject()
    field("limit", values[0])
    field("per", DurationText.text(milliseconds: values[1]))
    field("burst", values[2])
    endObject()
  }

  mutating func retry(_ policy: RetryPolicy) {
    beginObject()
    field("initial", DurationText.text(milliseconds: Int64(policy.initialMilliseconds)))
    key("factor")
    raw(Array(factorText(policy.factorThousandths).utf8)[...])
    field("max", DurationText.text(milliseconds: Int64(policy.maxMilliseconds)))
    field("jitter", "\(policy.jitter)")
    endObject()
  }

  private func factorText(_ thousandths: UInt32) -> String {
    thousandths % 1_000 == 0 ? "\(thousandths / 1_000)" : "\(Double(thousandths) / 1_000)"
  }

  /// A number of retries, or `unlimited`.
  mutating func retries(_ count: Int) {
    if count >= Int(JobPolicy.unlimitedRetries) { string("unlimited") } else { integer(count) }
  }
}
