import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What is done to many jobs at once: it goes on in the background, a piece with each commit.
let operationRoutes: [Route] = [
  Route(
    "POST", "/operations", .manageQueues, fields: OperationBody.fields, audit: .always("operation.begin")
  ) { (request, backend) throws(Rejection) in
    return try await begin(OperationBody(ofAny: request), backend)
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
    "POST", "/queues/{queue}/purge", .manageQueues, fields: OperationBody.purgeFields, audit: .always("queue.purge")
  ) { (request, backend) throws(Rejection) in
    return try await begin(OperationBody(ofPurge: request), backend)
  },
  Route(
    "POST", "/queues/{queue}/move", .manageQueues, fields: OperationBody.moveFields, audit: .always("queue.move")
  ) { (request, backend) throws(Rejection) in
    return try await begin(OperationBody(ofMove: request), backend)
  },
  Route("DELETE", "/queues/{queue}", .manageQueues, parameters: ["purge"], audit: .always("queue.delete")) {
    (request, backend) throws(Rejection) in
    let name = try managedQueue(request)
    try requireNoFields(request.body)
    var body = OperationBody(OperationSpec(kind: .deleteQueue, queue: name))
    body.spec.isForEmpty = try !request.query.flag("purge")
    return try await begin(body, backend)
  },
]

/// Begins it. A count that needs the records of jobs takes its time: it is an operation, too.
private func begin(_ body: OperationBody, _ backend: Backend) async throws(Rejection) -> Answer {
  var spec = body.spec
  (spec.text, spec.terms.isDry) = (body.text.stored, body.isDry && !body.text.isEmpty)
  guard body.isDry, body.text.isEmpty else {
    let begun = try await refusable { () throws(Refusal) in try await backend.engine.begin(spec) }
    guard let begun else { throw Rejection(.queueNotFound, "there is no such queue") }
    var answer = try answer(202, begun)
    if body.isDry { answer.audited = (spec.queue ?? "*", ["dry_run": "true"]) }
    return answer
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

extension JSONWriter {
  mutating func operation(_ operation: OperationView) {
    let isBackfill = operation.kind == .backfill
    beginObject()
    field("operation_id", "\(operation.id)")
    field("action", operation.kind.name)
    field("state", operation.phase.name)
    progress(operation)
    if let queue = operation.queue { field("queue", queue) }
    if let target = operation.target { field("to", target) }
    if isBackfill {
      field("schedule", operation.type ?? "")
    } else if let type = operation.type {
      field("type", type)
    }
    if let group = operation.group { field("group", group) }
    if let owner = operation.owner { field("owner_id", owner) }
    if !isBackfill, operation.states != Set(operation.kind.states) {
      key("states")
      beginArray()
      for state in JobState.allCases where operation.states.contains(state) { string(state.name) }
      endArray()
    }
    if !isBackfill {
      if let time = operation.beforeMilliseconds { field("submitted_before", milliseconds: time) }
      if let limit = operation.limit { field("limit", limit) }
      terms(operation.terms)
      if let filter = TextFilter(stored: operation.text) { text(filter) }
    }
    field("started_at", milliseconds: operation.startedAtMilliseconds)
    if let time = operation.endedAtMilliseconds { field("finished_at", milliseconds: time) }
    endObject()
  }

  private mutating func progress(_ operation: OperationView) {
    let isJudged = !operation.text.isEmpty
    if let matched = operation.terms.matched, !isJudged { field("matched", matched) }
    if isJudged {
      if let candidates = operation.terms.matched { field("candidates", candidates) }
      field("examined", operation.examined)
    }
    if operation.terms.isDry {
      field("dry_run", true)
      field("matches", operation.done)
      key("first")
      beginArray()
      for id in operation.shown { string(id.description) }
      endArray()
    }
    field("done", operation.terms.isDry ? 0 : operation.done)
    guard operation.skipped > 0 || operation.kept > 0 else { return }
    field("skipped", operation.skipped + operation.kept)
    key("skipped_because")
    beginObject()
    if operation.skipped > 0 { field("not_unique", operation.skipped) }
    if operation.kept > 0 { field("result_needed", operation.kept) }
    endObject()
  }

  private mutating func terms(_ terms: OperationTerms) {
    if terms.since > .min { field("since", milliseconds: terms.since) }
    if terms.until < .max { field("until", milliseconds: terms.until) }
    if terms.pace.limit > 0 {
      key("rate")
      beginObject()
      field("limit", UInt64(terms.pace.limit))
      field("per", DurationText.text(milliseconds: Int64(terms.pace.periodMilliseconds)))
      endObject()
    }
    if terms.pace.delayMilliseconds > 0 {
      field("delay", DurationText.text(milliseconds: terms.pace.delayMilliseconds))
    }
  }

  private mutating func text(_ filter: TextFilter) {
    if let tag = filter.tag { field("tag", tag) }
    if let metadata = filter.metadata { field("metadata", metadata.text) }
    if let error = filter.error { field("error", error) }
    if let reason = filter.reason { field("reason", reason) }
    if let shape = filter.shape { field("shape", shape) }
  }
}
