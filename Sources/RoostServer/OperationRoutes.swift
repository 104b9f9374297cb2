import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What is done to many jobs at once: it goes on in the background, a piece with each commit.
let operationRoutes: [Route] = [
  Route(
    "POST", "/operations", .manageQueues, fields: operationTable.allNames, audit: .always("operation.begin")
  ) { (request, backend) throws(Rejection) in
    let wanted = try decodeOperation(request)
    return try await begin(wanted.spec, isDry: wanted.isDry, backend)
  },
  Route("GET", "/operations", .manageQueues, audit: .refused("operation.read")) {
    (request, backend) throws(Rejection) in
    let operations = try await refusable { () throws(Refusal) in try await backend.engine.operations() }
    var json = JSONWriter(capacity: operations.count * 256 + 16)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for operation in operations.reversed() where mayUse(operation, request) { json.operation(operation) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/operations/{id}", .manageQueues, audit: .refused("operation.read")) {
    (request, backend) throws(Rejection) in
    return try answer(200, await known(request, backend))
  },
  Route("DELETE", "/operations/{id}", .manageQueues, audit: .always("operation.stop")) {
    (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    guard let id = try await known(request, backend)?.id else { return try answer(200, nil) }
    return try answer(200, await refusable { () throws(Refusal) in try await backend.engine.stopOperation(id) })
  },
  Route(
    "POST", "/queues/{queue}/purge", .manageQueues, fields: purgeTable.allNames, audit: .always("queue.purge")
  ) { (request, backend) throws(Rejection) in
    let wanted = try decodePurge(request)
    return try await begin(wanted.spec, isDry: wanted.isDry, backend)
  },
  Route(
    "POST", "/queues/{queue}/move", .manageQueues, fields: moveTable.allNames, audit: .always("queue.move")
  ) { (request, backend) throws(Rejection) in
    let wanted = try decodeMove(request)
    return try await begin(wanted.spec, isDry: wanted.isDry, backend)
  },
  Route("DELETE", "/queues/{queue}", .manageQueues, parameters: ["purge"], audit: .always("queue.delete")) {
    (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    try requireNoFields(request.body)
    var spec = OperationSpec(kind: .deleteQueue, queue: name)
    spec.isForEmpty = try !request.query.flag("purge")
    return try await begin(spec, isDry: false, backend)
  },
]

private func begin(
  _ spec: OperationSpec, isDry: Bool, _ backend: Backend
) async throws(Rejection) -> Answer {
  guard isDry else {
    let begun = try await refusable { () throws(Refusal) in try await backend.engine.begin(spec) }
    guard let begun else { throw Rejection(.queueNotFound, "there is no such queue") }
    return try answer(202, begun)
  }
  let counted = try await refusable { () throws(Refusal) in try await backend.engine.count(spec) }
  var json = JSONWriter(capacity: 512)
  json.beginObject()
  json.field("matches", counted.matches)
  json.key("first")
  json.beginArray()
  for id in counted.first { json.string(id.description) }
  json.endArray()
  json.endObject()
  var answer = Answer(200, json)
  answer.audited = (spec.queue ?? "*", ["dry_run": "true"])
  return answer
}

private func answer(_ status: Int, _ operation: OperationView?) throws(Rejection) -> Answer {
  guard let operation else {
    throw Rejection(.operationNotFound, "there is no such operation: of those that ended the last 16 are known")
  }
  var json = JSONWriter(capacity: 256)
  json.operation(operation)
  return Answer(status, json)
}

/// The operation that the path names, if the caller may use its queue. A text that is no number names none.
private func known(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> OperationView? {
  guard request.parameter.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let id = UInt64(request.parameter) else {
    return nil
  }
  let found = try await refusable { () throws(Refusal) in try await backend.engine.operation(id) }
  return found.flatMap { mayUse($0, request) ? $0 : nil }
}

private func mayUse(_ operation: OperationView, _ request: RouteRequest) -> Bool {
  operation.queue.map { request.caller.mayUse(queue: $0) } ?? request.caller.allowsAllQueues
}

// MARK: Bodies

private enum OperationField: String, CaseIterable {
  case action, queue, to, type, group, owner = "owner_id", states, olderThan = "older_than", limit, dryRun = "dry_run"
}

private enum PurgeField: String, CaseIterable {
  case states, type, group, olderThan = "older_than", dryRun = "dry_run"
}

private enum MoveField: String, CaseIterable {
  case to, states, type, group, olderThan = "older_than", limit, dryRun = "dry_run"
}

private let moveTable = FieldTable(MoveField.self)
private let operationTable = FieldTable(OperationField.self)
private let purgeTable = FieldTable(PurgeField.self)

private func decodeOperation(_ request: RouteRequest) throws(Rejection) -> (spec: OperationSpec, isDry: Bool) {
  var (kind, states): (OperationKind?, Set<JobState>?) = (nil, nil)
  var spec = OperationSpec(kind: .cancel)
  var isDry = false
  try decodeOptional(request.body, operationTable) { (field, json) throws(Rejection) in
    switch field {
    case .action: kind = try json.action("action")
    case .queue: spec.queue = try json.queueName("queue")
    case .to: spec.target = try json.queueName("to")
    case .type: spec.type = try json.plainText("type", 1...200)
    case .group: spec.group = try json.groupFilter("group")
    case .owner: spec.owner = try json.plainText("owner_id", 1...255)
    case .states: states = try json.states("states")
    case .olderThan: spec.beforeMilliseconds = try json.pastTime("older_than")
    case .limit: spec.limit = UInt64(try json.integer("limit", 1...Int64(JobNumber.limit)))
    case .dryRun: isDry = try json.boolean("dry_run")
    }
  }
  guard let kind else {
    throw Rejection(.missingField, field: "action", "action is missing: cancel, delete, replay, retry or move")
  }
  spec.kind = kind
  // What is to run next week is not what a bulk retry is for, unless somebody says so.
  spec.states = try states == nil && kind == .retry ? [.retry] : allowed(states, kind)
  try requireUse(of: spec.queue, request)
  try checkTarget(spec, request)
  return (spec, isDry)
}

/// Whether jobs may go where they are to go.
private func checkTarget(_ spec: OperationSpec, _ request: RouteRequest) throws(Rejection) {
  guard let target = spec.target else {
    if spec.kind == .move {
      throw Rejection(.missingField, field: "to", "to is missing: which queue takes them")
    }
    return
  }
  guard spec.kind == .move || spec.kind == .replay else {
    throw Rejection(
      .contradiction, field: "to", "to goes with move and replay alone")
  }
  guard target != spec.queue || spec.kind == .replay else {
    throw Rejection(.contradiction, field: "to", "to is the queue itself: name another")
  }
  try request.requireQueue(target)
}

private func decodeMove(_ request: RouteRequest) throws(Rejection) -> (spec: OperationSpec, isDry: Bool) {
  var states: Set<JobState>?
  var spec = OperationSpec(kind: .move, queue: try managedQueue(request))
  var isDry = false
  try decodeOptional(request.body, moveTable) { (field, json) throws(Rejection) in
    switch field {
    case .to: spec.target = try json.queueName("to")
    case .states: states = try json.states("states")
    case .type: spec.type = try json.plainText("type", 1...200)
    case .group: spec.group = try json.groupFilter("group")
    case .olderThan: spec.beforeMilliseconds = try json.pastTime("older_than")
    case .limit: spec.limit = UInt64(try json.integer("limit", 1...Int64(JobNumber.limit)))
    case .dryRun: isDry = try json.boolean("dry_run")
    }
  }
  spec.states = try allowed(states, .move)
  try checkTarget(spec, request)
  return (spec, isDry)
}

/// Refuses a queue that the key may not use; nil: all of them.
private func requireUse(of queue: String?, _ request: RouteRequest) throws(Rejection) {
  if let queue { return try request.requireQueue(queue) }
  guard request.caller.allowsAllQueues else {
    throw Rejection(.queueForbidden, field: "queue", "this key may not use all queues: name one of its own")
  }
}

private func decodePurge(_ request: RouteRequest) throws(Rejection) -> (spec: OperationSpec, isDry: Bool) {
  var states: Set<JobState>?
  var spec = OperationSpec(kind: .purge, queue: try managedQueue(request))
  var isDry = false
  try decodeOptional(request.body, purgeTable) { (field, json) throws(Rejection) in
    switch field {
    case .states: states = try json.states("states")
    case .type: spec.type = try json.plainText("type", 1...200)
    case .group: spec.group = try json.groupFilter("group")
    case .olderThan: spec.beforeMilliseconds = try json.pastTime("older_than")
    case .dryRun: isDry = try json.boolean("dry_run")
    }
  }
  spec.states = try allowed(states, .purge)
  return (spec, isDry)
}

/// The states that were named, each one that the kind looks at; all of them where none was.
private func allowed(_ named: Set<JobState>?, _ kind: OperationKind) throws(Rejection) -> Set<JobState> {
  guard let named else { return Set(kind.states) }
  guard !named.isEmpty, named.isSubset(of: kind.states) else {
    let names = JobState.allCases.filter(kind.states.contains).map(\.name).joined(separator: ", ")
    throw Rejection(.outOfRange, field: "states", "states must be some of \(names)")
  }
  return named
}

extension JSONReader {
  fileprivate mutating func action(_ name: String) throws(Rejection) -> OperationKind {
    let text = try string(name)
    let known: [OperationKind] = [.cancel, .delete, .replay, .retry, .move]
    guard let kind = known.first(where: { $0.name == text }) else {
      throw outOfRange(name, "cancel, delete, replay, retry or move")
    }
    return kind
  }

  fileprivate mutating func states(_ name: String) throws(Rejection) -> Set<JobState> {
    var states: Set<JobState> = []
    try array(name) { (place, json) throws(Rejection) in
      let text = try json.string("\(name)[\(place)]").asciiLowercased
      guard let state = JobState.allCases.first(where: { $0.name.asciiLowercased == text }) else {
        throw json.outOfRange("\(name)[\(place)]", "one of \(JobState.allCases.map(\.name).joined(separator: ", "))")
      }
      states.insert(state)
    }
    return states
  }

  /// A duration before now, as wall time.
  fileprivate mutating func pastTime(_ name: String) throws(Rejection) -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000) - (try duration(name, Bounds.tenYears))
  }
}

extension JSONWriter {
  mutating func operation(_ operation: OperationView) {
    beginObject()
    field("operation_id", "\(operation.id)")
    field("action", operation.kind.name)
    field("state", operation.phase.name)
    field("done", operation.done)
    if operation.skipped > 0 { field("skipped", operation.skipped) }
    if let queue = operation.queue { field("queue", queue) }
    if let target = operation.target { field("to", target) }
    if operation.kind == .backfill {
      field("schedule", operation.type ?? "")
    } else if let type = operation.type {
      field("type", type)
    }
    if let group = operation.group { field("group", group) }
    if let owner = operation.owner { field("owner_id", owner) }
    if operation.kind != .backfill, operation.states != Set(operation.kind.states) {
      key("states")
      beginArray()
      for state in JobState.allCases where operation.states.contains(state) { string(state.name) }
      endArray()
    }
    if operation.kind != .backfill {
      if let time = operation.beforeMilliseconds { field("submitted_before", milliseconds: time) }
      if let limit = operation.limit { field("limit", limit) }
    }
    field("started_at", milliseconds: operation.startedAtMilliseconds)
    if let time = operation.endedAtMilliseconds { field("finished_at", milliseconds: time) }
    endObject()
  }
}
