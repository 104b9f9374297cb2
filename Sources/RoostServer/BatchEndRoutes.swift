import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Batches: jobs that are one thing to whoever waits for them.
let batchEndRoutes: [Route] = [
  Route(
    "POST", "/batches", .submit, fields: batchTable.allNames + thenFields, audit: .ofAdmins("batch.open")
  ) { (request, backend) throws(Rejection) in
    let spec = try decodeBatch(request, backend)
    return batchAnswer(
      201,
      try await refusable { () throws(Refusal) in
        try await backend.engine.open(batch: spec, owner: request.caller.ownerID.text)
      })
  },
  Route("GET", "/batches", .read, parameters: ["owner_id", "limit", "cursor"]) { (request, backend) throws(Rejection) in
    let (owner, limit, cursor) = (try listedOwner(request), try request.query.limit(), try request.query.cursor())
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.batches(owner: owner, limit: limit, after: cursor)
    }
    var json = JSONWriter(capacity: page.items.count * 512 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for batch in page.items { json.batch(batch) }
    json.endArray()
    if let next = page.next { json.field("next_cursor", String(next, radix: 16)) }
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/batches/{id}", .read) { (request, backend) throws(Rejection) in
    let owner = batchOwner(request)
    return batchAnswer(
      200,
      try await refusable { () throws(Refusal) in
        try await backend.engine.batch(request.jobID, owner: owner)
      })
  },
  Route("POST", "/batches/{id}/close", .submit, audit: .ofAdmins("batch.close")) {
    (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    let owner = batchOwner(request)
    return batchAnswer(
      200,
      try await refusable { () throws(Refusal) in
        try await backend.engine.close(batch: request.jobID, owner: owner)
      })
  },
  Route("POST", "/batches/{id}/cancel", .cancel, audit: .ofAdmins("batch.cancel")) {
    (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    let owner = batchOwner(request)
    return batchAnswer(
      200,
      try await refusable { () throws(Refusal) in
        try await backend.engine.cancel(batch: request.jobID, owner: owner)
      })
  },
]

private enum BatchField: String, CaseIterable { case name, then, when, expiresIn = "expires_in" }

private let batchTable = FieldTable(BatchField.self)
private let thenRefused = [
  "idempotency_key", "run_at", "depends_on", "on_dead", "when", "batch", "lease_id", "ref", "unique",
]
private let thenFields = SubmitBody.fields.filter { field in
  !thenRefused.contains { field == $0 || field.hasPrefix($0 + ".") }
}.map { "then.\($0)" }

private func decodeBatch(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> BatchSpec {
  var spec = BatchSpec()
  try decodeOptional(request.body, batchTable) { (field, json) throws(Rejection) in
    let name = field.rawValue
    switch field {
    case .name: spec.name = try json.plainText(name, 1...Bounds.scheduleBytes)
    case .then: spec.then = try lastJob(&json, name, request, backend)
    case .when:
      let when = try json.string(name)
      guard when == "acked" || when == "ended" else { throw json.outOfRange(name, "acked or ended") }
      spec.isEnded = when == "ended"
    case .expiresIn: spec.expiresMilliseconds = try json.duration(name, 1_000...Bounds.tenYears.upperBound)
    }
  }
  guard let then = spec.then else { return spec }
  let definition = backend.engine.definition(ofLast: then, owner: request.caller.ownerID.text)
  guard definition.body.count <= ScheduleDefinition.mostBodyBytes else {
    throw Rejection(
      .outOfRange, field: "then", "then must have at most \(ScheduleDefinition.mostBodyBytes) bytes with all it carries"
    )
  }
  return spec
}

/// The job that is made when a batch is complete.
private func lastJob(
  _ json: inout JSONReader, _ name: String, _ request: RouteRequest, _ backend: Backend
) throws(Rejection) -> JobSpec {
  let most = min(backend.maxPayloadBytes, Bounds.schedulePayloadBytes)
  let job = try SubmitBody.decode(&json, in: name, header: nil, maxPayloadBytes: most)
  try requireAlone(job, name)
  if job.idempotencyKey != nil {
    throw Rejection(
      .contradiction, field: "then.idempotency_key", "then has no idempotency_key: it is made exactly once anyway")
  }
  if job.runAtMilliseconds != nil {
    throw Rejection(.contradiction, field: "then.run_at", "then has no run_at: it is made when the batch is complete")
  }
  if job.unique != nil {
    throw Rejection(
      .contradiction, field: "then.unique", "then is made exactly once, whatever other jobs there are: leave unique out"
    )
  }
  try request.requireQueue(job.queue)
  return job
}

/// Refuses what ties a job to others, where it is made for something else.
func requireAlone(_ job: JobSpec, _ name: String) throws(Rejection) {
  if job.options[.dependencies] != nil {
    throw Rejection(.contradiction, field: "\(name).depends_on", "\(name) waits for no other job")
  }
  if job.options[.batch] != nil {
    throw Rejection(.contradiction, field: "\(name).batch", "\(name) is of no batch")
  }
}

/// Whose batches the caller may see; nil: everybody's.
private func batchOwner(_ request: RouteRequest) -> String? {
  if case .all = request.viewer { return nil }
  return request.caller.ownerID.text
}

private func batchAnswer(_ status: Int, _ batch: BatchView) -> Answer {
  var json = JSONWriter(capacity: 512)
  json.batch(batch)
  return Answer(status, json)
}

extension JSONWriter {
  fileprivate mutating func batch(_ batch: BatchView) {
    beginObject()
    field("batch_id", batch.id.description)
    if !batch.name.isEmpty { field("name", batch.name) }
    field("owner_id", batch.owner)
    field("state", batch.phase.name)
    field("when", batch.isEnded ? "ended" : "acked")
    field("has_then", batch.hasJob)
    field("created_at", milliseconds: batch.createdAtMilliseconds)
    if let time = batch.closesAtMilliseconds { field("closes_at", milliseconds: time) }
    if let time = batch.closedAtMilliseconds { field("closed_at", milliseconds: time) }
    if let time = batch.completedAtMilliseconds { field("completed_at", milliseconds: time) }
    if let job = batch.job { field("then_job_id", job.description) }
    key("counts")
    beginObject()
    for (state, jobs) in batch.counts {
      anyKey(state.name)
      integer(jobs)
    }
    endObject()
    endObject()
  }
}
