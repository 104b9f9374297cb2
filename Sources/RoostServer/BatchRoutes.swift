import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Many jobs in one request and one commit: submit, acknowledge, fail, extend. Each item has its own result, in order.
let batchRoutes: [Route] = [
  Route(
    "POST", "/jobs/batch", .submit, fields: jobsTable.allNames + SubmitBody.itemFields.map { "jobs.\($0)" }, submitBatch
  ),
  Route("POST", "/jobs/ack", .ack, fields: itemFields(ackItemTable), acknowledgeBatch),
  Route("POST", "/jobs/fail", .ack, fields: itemFields(failItemTable), failBatch),
  Route("POST", "/jobs/extend", .ack, fields: itemFields(extendItemTable), extendBatch),
]

private enum JobsField: String, CaseIterable { case jobs }
private enum ItemsField: String, CaseIterable { case items }

private let jobsTable = FieldTable(JobsField.self)
private let itemsTable = FieldTable(ItemsField.self)
private let ackItemTable = FieldTable(AckField.self, except: [.leaseNext])
private let failItemTable = FieldTable(FailField.self)
private let extendItemTable = FieldTable(ExtendField.self)

private func itemFields<Field>(_ table: FieldTable<Field>) -> [String] {
  itemsTable.allNames + table.allNames.map { "items.\($0)" }
}

// MARK: Submit

@Sendable
private func submitBatch(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  try refuseBatchKey(request)
  if let lines = request.stream { return Answer(lines: JobLines(request, backend, lines)) }
  let items = try decodeList(request.body, jobsTable, "jobs") { (json) throws(Rejection) -> BatchItem in
    try decodeItem(&json, request, backend)
  }
  let results = try await submitItems(items, request, backend)
  var json = JSONWriter(capacity: 64 + results.count * 208)
  json.results(results) { (json, _, job) in json.submitted(job) }
  return Answer(200, json)
}

/// Decodes the item of a batch that the body describes, and refuses a queue that the caller may not use.
package func decodeItem(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> BatchItem {
  var json = JSONReader(request.body)
  let item = try decodeItem(&json, request, backend)
  try json.finish()
  return item
}

private func decodeItem(
  _ json: inout JSONReader, _ request: RouteRequest, _ backend: Backend
) throws(Rejection) -> BatchItem {
  var item = try SubmitBody.decodeItem(&json, maxPayloadBytes: backend.maxPayloadBytes)
  request.trace(&item.spec)
  try request.requireQueue(item.spec.queue)
  return item
}

/// Submits the items of a batch that were understood, in one commit: where some have names all of them, or none.
package func submitItems(
  _ items: [Result<BatchItem, Rejection>], _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [Result<Submitted, Rejection>] {
  request.span?.counts(items.count)
  if items.contains(where: { (try? $0.get().isOfGraph) ?? false }) {
    return try await submitGraph(items, request, backend).map { .success($0) }
  }
  return try await submitJobs(items.map { alone($0) }, request, backend)
}

/// An item of a batch that is no graph.
private func alone(_ item: Result<BatchItem, Rejection>) -> Result<JobSpec, Rejection> {
  do throws(Rejection) {
    var spec = try item.get().spec
    spec.options[.dependencies] = try item.get().waits.encoded()
    return .success(spec)
  } catch {
    return .failure(error)
  }
}

/// Refuses an idempotency key for a whole batch: it would be ignored, and its sender trusts in it.
func refuseBatchKey(_ request: RouteRequest) throws(Rejection) {
  guard request.idempotencyKey == nil else {
    throw Rejection(
      .contradiction, field: "Idempotency-Key", "a batch has no key of its own: give each job its idempotency_key")
  }
}

/// Submits what was understood, in one commit, and puts the outcomes in the order of the items.
package func submitJobs(
  _ items: [Result<JobSpec, Rejection>], _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [Result<Submitted, Rejection>] {
  let owner = request.caller.ownerID.text
  let outcomes = try await refusable { () throws(Refusal) in
    try await backend.engine.submit(batch: items.compactMap { try? $0.get() }, owner: owner)
  }
  return await merged(items, outcomes, backend)
}

// MARK: Work

@Sendable
private func acknowledgeBatch(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  try await finish(request, backend) { (json, jobID) throws(Rejection) in
    var body = AckBody()
    defer { jobID = body.jobID }
    try json.object("", ackItemTable) { (field, json) throws(Rejection) in
      if try !json.takeNull() { try body.read(field, &json, keyID: "") }
    }
    return try body.end(of: try itemID(body.jobID))
  }
}

@Sendable
private func failBatch(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  try await finish(request, backend) { (json, jobID) throws(Rejection) in
    var body = FailBody()
    defer { jobID = body.jobID }
    try json.object("", failItemTable) { (field, json) throws(Rejection) in
      if try !json.takeNull() { try body.read(field, &json) }
    }
    return try body.end(of: try itemID(body.jobID))
  }
}

private func finish(
  _ request: RouteRequest, _ backend: Backend,
  _ decode: (inout JSONReader, inout String?) throws(Rejection) -> AttemptEnd
) async throws(Rejection) -> Answer {
  let (items, names) = try decodeNamed(request.body, decode)
  request.span?.counts(items.count)
  let results = try await endAttempts(items, request, backend)
  var json = JSONWriter(capacity: 64 + items.count * 80)
  json.results(results, names: names) { (json, name, after) in
    json.beginObject()
    json.field("job_id", name)
    json.field("state", after.state.name)
    if let time = after.runAtMilliseconds { json.field("run_at", milliseconds: time) }
    json.endObject()
  }
  return Answer(200, json)
}

/// Ends the attempts that were understood, in one commit; the outcomes are in the order of the items.
package func endAttempts(
  _ items: [Result<AttemptEnd, Rejection>], _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [Result<AttemptEnd.After, Rejection>] {
  let (keyID, viewer) = (request.caller.keyID, request.viewer)
  let outcomes = try await refusable { () throws(Refusal) in
    try await backend.engine.finish(batch: items.compactMap { try? $0.get() }, keyID: keyID, viewer: viewer)
  }
  return await merged(items, outcomes, backend)
}

/// Extends the leases that were understood, in one commit; the outcomes are in the order of the items.
package func extendLeases(
  _ items: [Result<LeaseExtension, Rejection>], _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [Result<LeaseExtension.After, Rejection>] {
  let viewer = request.viewer
  let outcomes = try await refusable { () throws(Refusal) in
    try await backend.engine.extend(batch: items.compactMap { try? $0.get() }, viewer: viewer)
  }
  return await merged(items, outcomes, backend)
}

@Sendable
private func extendBatch(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var dropped: Set<String> = []
  let (items, names) = try decodeNamed(request.body) { (json, jobID) throws(Rejection) in
    var body = ExtendBody()
    defer {
      jobID = body.jobID
      if body.hasDroppedProgress, let jobID { dropped.insert(jobID) }
    }
    try json.object("", extendItemTable) { (field, json) throws(Rejection) in
      if try !json.takeNull() { try body.read(field, &json) }
    }
    return try body.extend(try itemID(body.jobID))
  }
  let results = try await extendLeases(items, request, backend)
  var json = JSONWriter(capacity: 64 + items.count * 128)
  json.results(results, names: names) { (json, name, after) in
    json.beginObject()
    json.field("job_id", name)
    json.field("lease_until", milliseconds: after.leaseUntilMilliseconds)
    json.field("cancel_requested", after.cancelRequested)
    if dropped.contains(name) { json.field("progress_dropped", true) }
    json.endObject()
  }
  return Answer(200, json)
}

/// The job that an item names; a text that is no id becomes one that no job has.
private func itemID(_ text: String?) throws(Rejection) -> JobID {
  guard let text else { throw Rejection(.missingField, field: "job_id", "job_id is missing: name the job") }
  return JobID(text) ?? JobID(high: 0, low: 0)
}

// MARK: Items and results

private func decodeNamed<Item>(
  _ body: [UInt8], _ decode: (inout JSONReader, inout String?) throws(Rejection) -> Item
) throws(Rejection) -> ([Result<Item, Rejection>], [String]) {
  var names: [String] = []
  let items = try decodeList(body, itemsTable, "items") { (json) throws(Rejection) -> Item in
    var name: String?
    defer { names.append(name ?? "") }
    return try decode(&json, &name)
  }
  return (items, names)
}

/// Decodes a body that is a list under one name. What is wrong with an item is the item's result; what is no JSON is
/// wrong with the whole.
private func decodeList<Field, Item>(
  _ body: [UInt8], _ table: FieldTable<Field>, _ name: String,
  _ decode: (inout JSONReader) throws(Rejection) -> Item
) throws(Rejection) -> [Result<Item, Rejection>] {
  var json = JSONReader(body)
  var items: [Result<Item, Rejection>]?
  try json.object("", table) { (_, json) throws(Rejection) in
    var read: [Result<Item, Rejection>] = []
    let tooMany = json.outOfRange(name, "a list of at most \(Engine.batchItems) items: send several batches")
    try json.array(name) { (place, json) throws(Rejection) in
      guard place < Engine.batchItems else { throw tooMany }
      let start = json
      do throws(Rejection) {
        read.append(.success(try decode(&json)))
      } catch {
        json = start
        _ = try json.rawValue()
        read.append(.failure(error))
      }
    }
    items = read
  }
  try json.finish()
  guard let items else { throw Rejection(.missingField, field: name, "\(name) is missing: it lists the jobs") }
  return items
}

/// Puts what the engine said of the understood items back among those that were not.
private func merged<Item: Sendable, Value: Sendable>(
  _ items: [Result<Item, Rejection>], _ outcomes: [Result<Value, Refused>], _ backend: Backend
) async -> [Result<Value, Rejection>] {
  let diskLow = await Rejection(Refusal.diskLow).explained(by: backend.engine)
  var next = outcomes.makeIterator()
  return items.map { item in
    switch item {
    case .failure(let rejection): .failure(rejection)
    case .success: next.next()!.mapError { $0.refusal == .diskLow ? diskLow : Rejection($0) }
    }
  }
}

extension JSONWriter {
  /// `{"results": […]}`: an item's own form where it succeeded, else `{job_id?, code, message, error, details?}`.
  fileprivate mutating func results<Value>(
    _ results: [Result<Value, Rejection>], names: [String] = [],
    _ write: (inout JSONWriter, _ name: String, Value) -> Void
  ) {
    beginObject()
    key("results")
    beginArray()
    for (place, result) in results.enumerated() {
      let name = place < names.count ? names[place] : ""
      switch result {
      case .success(let value): write(&self, name, value)
      case .failure(let rejection): refused(rejection, jobID: name)
      }
    }
    endArray()
    endObject()
  }

  /// The result of an item that was refused.
  mutating func refused(_ rejection: Rejection, jobID: String) {
    beginObject()
    if !jobID.isEmpty { field("job_id", jobID) }
    codeAndMessage(rejection)
    endObject()
  }
}
