import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Groups of a queue's jobs: what they hold, their own settings, and pausing them.
let groupRoutes: [Route] = [
  Route("GET", "/queues/{queue}/groups", .read, parameters: ["limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    let queue = try queueName(request.parameter, request)
    let limit = try request.query.limit()
    let cursor = try groupCursor(request.query)
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.groups(queue: queue, viewer: request.viewer, limit: limit, cursor: cursor)
    }
    var json = JSONWriter(capacity: page.groups.count * 160 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for group in page.groups { json.group(group) }
    json.endArray()
    if let next = page.next { json.field("next_cursor", String(next)) }
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/queues/{queue}/groups/{group}", .read, parameters: ["owner_id"]) {
    (request, backend) throws(Rejection) in
    let name = try groupName(request)
    let found = try await refusable { () throws(Refusal) in try await backend.engine.group(name) }
    // One that belongs to the queue alone tells of others' jobs.
    if request.caller.type == .client, found?.owner.isEmpty == true { throw noSuchGroup }
    return try groupAnswer(found)
  },
  Route(
    "PATCH", "/queues/{queue}/groups/{group}", .manageQueues, parameters: ["owner_id"],
    fields: ownTable.allNames + rateTable.allNames.map { "rate.\($0)" }, audit: .always("group.configure")
  ) { (request, backend) throws(Rejection) in
    let name = try managedGroup(request)
    let change = try decodeOwn(request.body)
    return try groupAnswer(
      await refusable { () throws(Refusal) in try await backend.engine.configure(group: name, change) })
  },
  Route(
    "POST", "/queues/{queue}/groups/{group}/pause", .manageQueues, parameters: ["owner_id"],
    fields: pauseTable.allNames, audit: .always("group.pause")
  ) { (request, backend) throws(Rejection) in
    let name = try managedGroup(request)
    let pause = try decodePause(request.body)
    return try groupAnswer(
      await refusable { () throws(Refusal) in
        try await backend.engine.pause(group: name, reason: pause.reason, untilMilliseconds: pause.until)
      })
  },
  Route(
    "POST", "/queues/{queue}/groups/{group}/resume", .manageQueues, parameters: ["owner_id"],
    audit: .always("group.resume")
  ) { (request, backend) throws(Rejection) in
    let name = try managedGroup(request)
    try requireNoFields(request.body)
    return try groupAnswer(
      await refusable { () throws(Refusal) in try await backend.engine.resume(group: name) })
  },
]

/// In a path: the jobs that say no group.
private let noGroup = "_"

/// The group that a path names. Whose it is the key says, or `owner_id` where the caller sees those of others.
private func groupName(_ request: RouteRequest) throws(Rejection) -> GroupName {
  let (queueText, group) = groupParts(request.parameter)
  let queue = try queueName(queueText, request)
  try checkGroup(group)
  let own = request.caller.ownerID.text
  let owner = request.query["owner_id"] ?? own
  guard Name(owner) == Name(own) || request.caller.type != .client else { throw noSuchGroup }
  guard (1...200).contains(owner.utf8.count), owner.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
    throw Rejection(.outOfRange, field: "owner_id", "owner_id must have 1 to 200 bytes without control characters")
  }
  return GroupName(queue: queue, owner: owner, group: group == noGroup ? "" : group)
}

/// What stands in a group's path: the queue and the group. By bytes, as a group may begin with a character that joins the
/// slash before it.
private func groupParts(_ parameter: String) -> (queue: String, group: String) {
  let parts = parameter.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
  return (String(decoding: parts[0], as: UTF8.self), parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "")
}

/// Whether a path names a queue and a group that there may be: what else stands in it could be anything.
func isGroupPath(_ parameter: String) -> Bool {
  let (queue, group) = groupParts(parameter)
  return isQueueName(queue) && (group == noGroup || isGroupName(group))
}

private func managedGroup(_ request: RouteRequest) throws(Rejection) -> GroupName {
  let name = try groupName(request)
  try request.requireQueue(name.queue)
  return name
}

private func checkGroup(_ group: String) throws(Rejection) {
  guard group == noGroup || isGroupName(group) else {
    throw Rejection(
      .outOfRange, field: "group",
      "a group has 1 to \(Bounds.groupBytes) bytes without control characters and does not begin with _; "
        + "_ alone stands for the jobs that say none")
  }
}

extension Query {
  /// The group whose jobs are wanted; `_`: those that say none.
  func group() throws(Rejection) -> String? {
    guard let group = self["group"] else { return nil }
    try checkGroup(group)
    return group
  }
}

extension JSONReader {
  /// A group, or `_` for the jobs that say none.
  mutating func groupFilter(_ name: String) throws(Rejection) -> String {
    let text = try string(name)
    try checkGroup(text)
    return text
  }
}

private func isGroupName(_ text: String) -> Bool {
  (1...Bounds.groupBytes).contains(text.utf8.count) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    && text.utf8.first != UInt8(ascii: "_")
}

private func groupCursor(_ query: Query) throws(Rejection) -> UInt32 {
  guard let text = query["cursor"] else { return 0 }
  guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let cursor = UInt32(text) else {
    throw Rejection(.outOfRange, field: "cursor", "cursor must be the next_cursor of the page before")
  }
  return cursor
}

private let noSuchGroup = Rejection(
  .groupNotFound, "there is no such group: it begins with its first job, setting or pause")

private func groupAnswer(_ found: GroupView?) throws(Rejection) -> Answer {
  guard let group = found else { throw noSuchGroup }
  var json = JSONWriter(capacity: 256)
  json.group(group)
  return Answer(200, json)
}

// MARK: Settings of one group

private enum OwnField: String, CaseIterable { case concurrency, rate, maxLength = "max_length", weight }

private let ownTable = FieldTable(OwnField.self)

extension OwnField {
  fileprivate var settings: [QueueSetting] {
    switch self {
    case .concurrency: [.concurrency]
    case .rate: QueueSetting.ofRate
    case .maxLength: [.maxLength]
    case .weight: [.weight]
    }
  }
}

private func decodeOwn(_ body: [UInt8]) throws(Rejection) -> QueueSettingsChange {
  var change = QueueSettingsChange()
  var json = JSONReader(body)
  guard !json.isAtEnd() else { return change }
  try json.object("", ownTable) { (field, json) throws(Rejection) in
    if try json.takeNull() {
      for setting in field.settings { change.set(setting, nil) }
    } else if field == .rate {
      try readRate(field.rawValue, field.settings, &json, &change)
    } else {
      change.set(field.settings[0], try json.integer(field.rawValue, field.settings[0].range))
    }
  }
  try json.finish()
  return change
}

// MARK: Settings of a queue for each of its groups

enum GroupsField: String, CaseIterable {
  case concurrency, rate, maxLength = "max_length", fair, priority, ordered

  var settings: [QueueSetting] {
    switch self {
    case .concurrency: [.groupConcurrency]
    case .rate: QueueSetting.ofGroupRate
    case .maxLength: [.groupMaxLength]
    case .fair: [.groupFair]
    case .priority: [.groupPriority]
    case .ordered: [.groupOrdered]
    }
  }
}

private let groupsTable = FieldTable(GroupsField.self)

let groupSettingFields =
  groupsTable.allNames.map { "groups.\($0)" } + rateTable.allNames.map { "groups.rate.\($0)" }

/// What is absent stays, as in the settings around it.
func readGroups(_ json: inout JSONReader, _ change: inout QueueSettingsChange) throws(Rejection) {
  try json.object("groups", groupsTable) { (field, json) throws(Rejection) in
    let name = field.rawValue
    if try json.takeNull() {
      for setting in field.settings { change.set(setting, nil) }
      return
    }
    switch field {
    case .concurrency, .maxLength: change.set(field.settings[0], try json.integer(name, field.settings[0].range))
    case .rate: try readRate(name, in: "groups.", field.settings, &json, &change)
    case .fair: change.set(.groupFair, try json.boolean(name) ? 1 : nil)
    case .priority:
      let text = try json.string(name)
      guard let priority = GroupPriority.allCases.first(where: { "\($0)" == text }) else {
        throw json.outOfRange(name, "inside or first")
      }
      change.set(.groupPriority, priority.rawValue)
    case .ordered:
      let text = try json.string(name)
      guard let sequence = GroupSequence.allCases.first(where: { $0.name == text }) else {
        throw json.outOfRange(name, "strict or per_lease, or null")
      }
      change.set(.groupOrdered, sequence.rawValue)
    }
  }
}

// MARK: Answers

extension JSONWriter {
  fileprivate mutating func group(_ group: GroupView) {
    beginObject()
    key("group")
    if group.name.isEmpty { null() } else { string(group.name) }
    if !group.owner.isEmpty { field("owner_id", group.owner) }
    field("waiting", group.waiting)
    field("ready", group.ready)
    field("running", group.running)
    if let age = group.oldestReadyMilliseconds { field("oldest_ready_age", DurationText.text(milliseconds: age)) }
    field("paused", group.pause != nil)
    if let pause = group.pause { self.pause(pause) }
    if let hold = group.hold { field("held_by", hold.rawValue) }
    if let left = group.holdLeftMilliseconds { field("held_for", DurationText.text(milliseconds: left)) }
    key("settings")
    beginObject()
    for setting in OwnField.allCases {
      guard let value = group.settings[setting.settings[0]] else { continue }
      anyKey(setting.rawValue)
      if setting == .rate { rate(setting.settings.map { group.settings[$0] ?? 0 }) } else { integer(value) }
    }
    endObject()
    endObject()
  }

  /// What a queue says of each of its groups, if it does.
  mutating func groups(_ settings: QueueSettings) {
    let said = GroupsField.allCases.filter { settings[$0.settings[0]] != nil }
    guard !said.isEmpty else { return }
    key("groups")
    beginObject()
    for field in said {
      let value = settings[field.settings[0]] ?? 0
      anyKey(field.rawValue)
      switch field {
      case .concurrency, .maxLength: integer(value)
      case .rate: rate(field.settings.map { settings[$0] ?? 0 })
      case .fair: bool(value == 1)
      case .ordered: string(GroupSequence(rawValue: value)?.name ?? "")
      case .priority: string(GroupPriority(rawValue: value).map { "\($0)" } ?? "")
      }
    }
    endObject()
  }
}
