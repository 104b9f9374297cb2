import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What clients do with jobs: submit, read, cancel, run now.
let jobRoutes: [Route] = [
  Route("POST", "/jobs", .submit, fields: SubmitBody.fields, direct: directSubmit) {
    (request, backend) throws(Rejection) in
    let job = try await submitJob(request, backend)
    var json = JSONWriter(capacity: 224)
    json.submitted(job)
    return Answer(job.isIdempotent || job.isDuplicate ? 200 : 201, json)
  },
  Route("GET", "/jobs/{id}", .read, parameters: ["payload", "wait"]) { (request, backend) throws(Rejection) in
    let withPayload = try request.query.flag("payload")
    let wait = try request.query.duration("wait", Bounds.wait) ?? 0
    let job = try await readJob(waitMilliseconds: wait, request, backend)
    var json = JSONWriter(capacity: 512)
    json.job(job, withPayload: withPayload, withResult: true)
    return Answer(200, json)
  },
  Route(
    "POST", "/jobs/{id}/cancel", .cancel, fields: cancelTable.allNames, audit: .ofAdmins("job.cancel")
  ) { (request, backend) throws(Rejection) in
    var reason: String?
    try decodeOptional(request.body, cancelTable) { (_, json) throws(Rejection) in
      reason = cutText(try json.string("reason"))
    }
    let outcome = try await cancelJob(reason: reason, request, backend)
    var json = stateAnswer(request.jobID, outcome.state)
    json.field("cancel_requested", outcome.cancelRequested)
    json.endObject()
    return Answer(200, json)
  },
  Route(
    "PATCH", "/jobs/{id}", .cancel, fields: changeTable.allNames, audit: .ofAdmins("job.change")
  ) { (request, backend) throws(Rejection) in
    let change = try decodeChange(request, backend)
    try await refusable { () throws(Refusal) in
      try await backend.engine.change(request.jobID, viewer: request.viewer, change)
    }
    let job = try await read(request, backend)
    var json = JSONWriter(capacity: 512)
    json.job(job, withPayload: false, withResult: true)
    return Answer(200, json)
  },
  Route("POST", "/jobs/{id}/dlq", .cancel, fields: cancelTable.allNames, audit: .ofAdmins("job.bury")) {
    (request, backend) throws(Rejection) in
    var reason = ""
    try decodeOptional(request.body, cancelTable) { (_, json) throws(Rejection) in
      reason = cutText(try json.string("reason"))
    }
    let given = reason
    let state = try await refusable { () throws(Refusal) in
      try await backend.engine.bury(request.jobID, viewer: request.viewer, reason: given)
    }
    var json = stateAnswer(request.jobID, state)
    json.endObject()
    return Answer(200, json)
  },
  Route("DELETE", "/jobs/{id}", .cancel, audit: .ofAdmins("job.delete")) { (request, backend) throws(Rejection) in
    try await deleteJob(request, backend, onlyDead: false)
  },
  Route("POST", "/jobs/{id}/retry", .cancel, audit: .ofAdmins("job.retry")) { (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    let state = try await refusable { () throws(Refused) in
      try await backend.engine.runNow(request.jobID, viewer: request.viewer)
    }
    var json = stateAnswer(request.jobID, state)
    json.endObject()
    return Answer(200, json)
  },
  Route("POST", "/jobs/{id}/unblock", .cancel, audit: .ofAdmins("job.unblock")) {
    (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    let state = try await refusable { () throws(Refusal) in
      try await backend.engine.unblock(request.jobID, viewer: request.viewer)
    }
    var json = stateAnswer(request.jobID, state)
    json.endObject()
    return Answer(200, json)
  },
]

/// Submits the job that the body describes.
package func submitJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Submitted {
  let spec = try decodeSubmit(request, backend)
  let job = try await refusable { () throws(Refused) in
    try await backend.engine.submit(spec, owner: request.caller.ownerID.text)
  }
  request.span?.names(job: job.id)
  return job
}

/// Reads the job that is asked for; with a wait, once it has ended or the time is over.
package func readJob(
  waitMilliseconds: Int64, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> JobView {
  waitMilliseconds > 0 ? try await waitForEnd(waitMilliseconds, request, backend) : try await read(request, backend)
}

/// Cancels the job that is asked for.
package func cancelJob(
  reason: String?, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> (state: JobState, cancelRequested: Bool) {
  try await refusable { () throws(Refusal) in
    try await backend.engine.cancel(request.jobID, viewer: request.viewer, reason: reason)
  }
}

/// Removes a job that has ended.
func deleteJob(
  _ request: RouteRequest, _ backend: Backend, onlyDead: Bool
) async throws(Rejection) -> Answer {
  try requireNoFields(request.body)
  let state = try await refusable { () throws(Refusal) in
    try await backend.engine.delete(request.jobID, viewer: request.viewer, onlyDead: onlyDead)
  }
  var json = stateAnswer(request.jobID, state)
  json.field("deleted", 1)
  json.endObject()
  return Answer(200, json)
}

private let directSubmit = DirectRoute { (request, backend, lane, ticket) throws(Rejection) in
  let spec = try decodeSubmit(request, backend)
  lane.submit(spec, owner: request.caller.ownerID.text, ticket: ticket)
  return DirectRequest(.submit(queue: spec.queue))
}

/// Decodes the job that the body describes, and refuses a queue that the caller may not use.
package func decodeSubmit(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> JobSpec {
  var spec = try SubmitBody.decode(
    request.body, header: request.idempotencyKey, maxPayloadBytes: backend.maxPayloadBytes)
  request.trace(&spec)
  try request.requireQueue(spec.queue)
  return spec
}

private func read(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> JobView {
  try await refusable { () throws(Refusal) in
    try await backend.engine.job(request.jobID, viewer: request.viewer)
  }
}

/// Waits until the job has ended, the time is over, the client is gone, or its key has ended.
private func waitForEnd(
  _ milliseconds: Int64, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> JobView {
  try await whileWelcome(request, backend) { () throws(Rejection) in
    try await refusable { () throws(Refusal) in
      try await backend.engine.waitForEnd(
        request.jobID, viewer: request.viewer, waitMilliseconds: milliseconds)
    }
  }.value
}

private enum ChangeField: String, CaseIterable {
  case priority, maxRetries = "max_retries", delay, runAt = "run_at", queue, group, payload, tags
}

private let changeTable = FieldTable(ChangeField.self)

private func decodeChange(_ request: RouteRequest, _ backend: Backend) throws(Rejection) -> JobChange {
  var change = JobChange()
  var (delay, runAt): (Int64?, Int64?)
  var json = JSONReader(request.body)
  guard !json.isAtEnd() else { return change }
  try json.object("", changeTable) { (field, json) throws(Rejection) in
    let name = field.rawValue
    // Of these null says something: a payload may be null, and what it was is taken away.
    switch field {
    case .payload: return change.payload = try json.rawValue()
    case .group where try json.takeNull(): return change.group = ""
    case .tags where try json.takeNull(): return change.tags = []
    default: if try json.takeNull() { return }
    }
    switch field {
    case .payload: preconditionFailure("the payload is taken raw")
    case .group: change.group = try json.groupName(name)
    case .tags: change.tags = try json.tags(name)
    case .priority: change.priority = try json.priority(name)
    case .maxRetries: change.maxRetries = try json.retries(name)
    case .delay: delay = try json.duration(name, Bounds.tenYears)
    case .runAt: runAt = try json.runAt(name)
    case .queue: change.queue = try json.queueName(name)
    }
  }
  try json.finish()
  if let payload = change.payload {
    change.payloadBytes = try SubmitBody.payloadBytes(payload, "payload", limit: backend.maxPayloadBytes)
  }
  if delay != nil, runAt != nil {
    throw Rejection(.contradiction, field: "run_at", "delay and run_at contradict each other: give one of them")
  }
  change.due = delay.map { .delay($0) } ?? runAt.map { .runAt($0) }
  if let queue = change.queue { try request.requireQueue(queue) }
  return change
}

private enum CancelField: String, CaseIterable { case reason }

private let cancelTable = FieldTable(CancelField.self)

/// `{job_id, state`, left open for more.
func stateAnswer(_ id: JobID, _ state: JobState) -> JSONWriter {
  var json = JSONWriter(capacity: 128)
  json.beginObject()
  json.field("job_id", id.description)
  json.field("state", state.name)
  return json
}
