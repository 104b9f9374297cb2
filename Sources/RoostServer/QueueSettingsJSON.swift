import RoostAPI
import RoostCore

private enum SettingsField: String, CaseIterable {
  case maxRetries = "max_retries", retry, priority, delay, lease, timeout, retention, maxLength = "max_length",
    maxBytes = "max_bytes", onFull = "on_full", maxPayloadBytes = "max_payload_bytes", maxAge = "max_age",
    deadRetention = "dead_retention", maxDead = "max_dead", concurrency, rate, aging,
    requeueExpired = "requeue_expired", maxExpiries = "max_expiries", deadLetter = "dead_letter",
    groupScope = "group_scope", groups, push
}

private enum DeadLetterField: String, CaseIterable { case queue, after }

/// The groups of a queue belong to it alone, not to it and an owner.
private let queueScope = "queue"

private let deadLetterTable = FieldTable(DeadLetterField.self)

enum RateField: String, CaseIterable { case limit, per, burst }

private let settingsTable = FieldTable(SettingsField.self)
let rateTable = FieldTable(RateField.self)

/// The fields of a queue's settings.
let settingFields =
  settingsTable.allNames + retryFields.map { "retry.\($0)" } + rateTable.allNames.map { "rate.\($0)" }
  + deadLetterTable.allNames.map { "dead_letter.\($0)" } + groupSettingFields + pushFields

/// What a body changes: a value sets, `null` returns to the daemon's default, what is absent stays.
///
/// - Returns: Besides, the queue that is to take what fails, and where jobs are to be delivered; each empty where the change
///   says of none.
func decodeSettings(
  _ body: [UInt8], maxPayloadBytes: Int
) throws(Rejection) -> (change: QueueSettingsChange, deadLetter: String, target: [UInt8]) {
  var change = QueueSettingsChange()
  var deadLetter = ""
  var target: [UInt8] = []
  var json = JSONReader(body)
  guard !json.isAtEnd() else { return (change, deadLetter, target) }
  try json.object("", settingsTable) { (field, json) throws(Rejection) in
    if try json.takeNull() {
      for setting in field.settings { change.set(setting, nil) }
    } else if field == .deadLetter {
      let taker = try readDeadLetter(&json)
      change.set(.deadLetter, taker.after)
      deadLetter = taker.queue
    } else if field == .push {
      target = try readPush(&json, &change)
    } else {
      try read(field, &json, &change, maxPayloadBytes)
    }
  }
  try json.finish()
  return (change, deadLetter, target)
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
    case .maxAge: [.maxAge]
    case .deadRetention: [.deadRetention]
    case .maxDead: [.maxDead]
    case .concurrency: [.concurrency]
    case .rate: QueueSetting.ofRate
    case .aging: [.aging]
    case .requeueExpired: [.requeueExpired]
    case .maxExpiries: [.maxExpiries]
    case .deadLetter: [.deadLetter]
    case .groupScope: [.groupScope]
    case .groups: GroupsField.allCases.flatMap(\.settings)
    case .push: pushSettings
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
  case .delay, .lease, .retention, .aging, .maxAge, .deadRetention:
    change.set(setting, try json.duration(name, setting.range))
  case .timeout: change.set(setting, try json.timeout(name))
  case .maxLength, .maxBytes, .maxDead, .concurrency, .maxExpiries:
    change.set(setting, try json.integer(name, setting.range))
  case .maxPayloadBytes: change.set(setting, try json.integer(name, 1...Int64(mostPayload)))
  case .onFull:
    let text = try json.string(name)
    guard let policy = QueueFullPolicy.allCases.first(where: { $0.name == text }) else {
      throw json.outOfRange(name, "reject or drop_oldest")
    }
    change.set(setting, policy.rawValue)
  case .requeueExpired: change.set(setting, try json.boolean(name) ? 1 : nil)
  case .deadLetter, .push: preconditionFailure("it is read with its text")
  case .groupScope:
    let text = try json.string(name)
    guard text == "owner" || text == queueScope else { throw json.outOfRange(name, "owner or queue") }
    change.set(setting, text == queueScope ? 1 : nil)
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
  /// Those that were set.
  mutating func settings(_ settings: QueueSettings, deadLetter: String, pushURL: String?) {
    beginObject()
    for field in SettingsField.allCases {
      if field == .groups {
        groups(settings)
        continue
      }
      if field == .push {
        push(settings, url: pushURL)
        continue
      }
      guard let value = settings[field.settings[0]] else { continue }
      anyKey(field.rawValue)
      switch field {
      case .maxRetries: retries(Int(value))
      case .retry: if let policy = settings.retry { retry(policy) }
      case .delay, .lease, .timeout, .retention, .aging, .maxAge, .deadRetention:
        string(DurationText.text(milliseconds: value))
      case .priority, .maxLength, .maxBytes, .maxPayloadBytes, .maxDead, .concurrency, .maxExpiries: integer(value)
      case .onFull: string(QueueFullPolicy(rawValue: value)?.name ?? "")
      case .rate: rate(field.settings.map { settings[$0] ?? 0 })
      case .requeueExpired: bool(true)
      case .groupScope: string(queueScope)
      case .deadLetter:
        beginObject()
        self.field("queue", deadLetter)
        if value > 0 { self.field("after", value) }
        endObject()
      case .groups, .push: break
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
    field(
      "jitter",
      policy.jitter == .added
        ? DurationText.text(milliseconds: Int64(policy.addedMilliseconds)) : "\(policy.jitter)")
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
