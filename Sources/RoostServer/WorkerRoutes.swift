import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What workers do with jobs: lease, acknowledge, fail, extend, hand back.
let workerRoutes: [Route] = [
  Route("POST", "/jobs/lease", .lease, fields: leaseTable.allNames, leaseJob),
  Route("POST", "/jobs/{id}/ack", .ack, fields: ackTable.allNames, acknowledgeJob),
  Route("POST", "/jobs/{id}/fail", .ack, fields: failTable.allNames, failJob),
  Route("POST", "/jobs/{id}/extend", .ack, fields: extendTable.allNames, extendLease),
  Route("POST", "/jobs/{id}/release", .ack, fields: releaseTable.allNames, releaseJob),
]

private enum LeaseField: String, CaseIterable { case queues, lease, wait, workerID = "worker_id" }
private enum AckField: String, CaseIterable { case result, resultError = "result_error", leaseID = "lease_id" }
private enum FailField: String, CaseIterable { case error, retryable, retryAfter = "retry_after", leaseID = "lease_id" }
private enum ExtendField: String, CaseIterable { case leaseID = "lease_id", lease }
private enum ReleaseField: String, CaseIterable { case leaseID = "lease_id", delay }

private let leaseTable = FieldTable(LeaseField.self)
private let ackTable = FieldTable(AckField.self)
private let failTable = FieldTable(FailField.self)
private let extendTable = FieldTable(ExtendField.self)
private let releaseTable = FieldTable(ReleaseField.self)

@Sendable
private func leaseJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  let wish = try decodeLease(request)
  for queue in wish.queues { try request.requireQueue(queue) }
  let job = wish.waitMilliseconds > 0 ? try await waitForJob(wish, request, backend) : try await grant(wish, backend)
  guard let job else { throw Rejection(.noJobsAvailable, "no job is ready: ask again later, or with wait") }
  var json = JSONWriter(capacity: job.body.payload.count + 448)
  json.leased(job)
  var answer = Answer(200, json)
  answer.grant = (job.id, job.leaseID)
  return answer
}

private func decodeLease(_ request: RouteRequest) throws(Rejection) -> LeaseRequest {
  var wish = LeaseRequest(
    queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "", keyID: request.caller.keyID)
  try decodeOptional(request.body, leaseTable) { (field, json) throws(Rejection) in
    switch field {
    case .queues:
      var queues: [String] = []
      try json.array("queues") { (place, json) throws(Rejection) in
        let queue = try json.queueName("queues[\(place)]")
        if !queues.contains(queue) { queues.append(queue) }
        guard queues.count <= Bounds.queuesPerLease else { throw tooManyQueues }
      }
      guard !queues.isEmpty else { throw tooManyQueues }
      wish.queues = queues
    case .lease: wish.leaseMilliseconds = try json.duration("lease", Bounds.lease)
    case .wait: wish.waitMilliseconds = try json.duration("wait", Bounds.wait)
    case .workerID: wish.workerID = try json.plainText("worker_id", 0...200)
    }
  }
  return wish
}

private let tooManyQueues = Rejection(
  .outOfRange, field: "queues", "queues must name between 1 and \(Bounds.queuesPerLease) queues")

private func grant(_ wish: LeaseRequest, _ backend: Backend) async throws(Rejection) -> LeasedJob? {
  try await refusable { () throws(Refusal) in try await backend.engine.lease(wish) }
}

/// Waits for a job until its client hangs up: no job may go to a connection that nobody reads.
private func waitForJob(
  _ wish: LeaseRequest, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> LeasedJob? {
  let job = try await whileConnected(request) { () throws(Rejection) in try await grant(wish, backend) }
  guard let job, request.isDisconnected() else { return job }
  await backend.engine.undelivered(job.id, leaseID: job.leaseID)
  return nil
}

@Sendable
private func acknowledgeJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var result: ArraySlice<UInt8>?
  var error: String?
  var leaseID: LeaseID?
  try decodeOptional(request.body, ackTable) { (field, json) throws(Rejection) in
    switch field {
    case .result:
      let raw = try json.rawValue()
      guard raw.count <= Bounds.resultBytes else {
        throw Rejection(.payloadTooLarge, field: "result", "result must have at most \(Bounds.resultBytes) bytes")
      }
      result = raw.elementsEqual("\"\"".utf8) ? nil : raw
    case .resultError:
      let text = try json.string("result_error", limit: Bounds.errorBytes)
      error = text.isEmpty ? nil : text
    case .leaseID: leaseID = try json.leaseID("lease_id")
    }
  }
  guard let error else { return try await succeed(request, backend, leaseID, result) }
  guard result == nil else {
    throw Rejection(.contradiction, field: "result_error", "result and result_error contradict each other: give one")
  }
  return try await fail(request, backend, leaseID, error, isRetryable: true, retryAfter: nil)
}

private func succeed(
  _ request: RouteRequest, _ backend: Backend, _ leaseID: LeaseID?, _ result: ArraySlice<UInt8>?
) async throws(Rejection) -> Answer {
  let state = try await refusable { () throws(Refusal) in
    try await backend.engine.acknowledge(
      request.jobID, leaseID: leaseID, keyID: request.caller.keyID, viewer: request.viewer, result: result)
  }
  var json = stateAnswer(request.jobID, state)
  json.endObject()
  return Answer(200, json)
}

private func fail(
  _ request: RouteRequest, _ backend: Backend, _ leaseID: LeaseID?, _ error: String, isRetryable: Bool,
  retryAfter: Int64?
) async throws(Rejection) -> Answer {
  let outcome = try await refusable { () throws(Refusal) in
    try await backend.engine.fail(
      request.jobID, leaseID: leaseID, keyID: request.caller.keyID, viewer: request.viewer, error: error,
      retryable: isRetryable, retryAfterMilliseconds: retryAfter)
  }
  var json = stateAnswer(request.jobID, outcome.state)
  if let time = outcome.runAtMilliseconds { json.field("run_at", milliseconds: time) }
  json.endObject()
  return Answer(200, json)
}

@Sendable
private func failJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var error: String?
  var isRetryable = true
  var retryAfter: Int64?
  var leaseID: LeaseID?
  try decodeOptional(request.body, failTable) { (field, json) throws(Rejection) in
    switch field {
    case .error: error = try json.string("error", limit: Bounds.errorBytes)
    case .retryable: isRetryable = try json.boolean("retryable")
    case .retryAfter: retryAfter = try json.duration("retry_after", 0...604_800_000)
    case .leaseID: leaseID = try json.leaseID("lease_id")
    }
  }
  guard let error, !error.isEmpty else {
    throw Rejection(.missingField, field: "error", "error is missing: say what went wrong")
  }
  if !isRetryable, retryAfter != nil {
    throw Rejection(.contradiction, field: "retry_after", "retry_after contradicts retryable: false: give one of them")
  }
  return try await fail(
    request, backend, try required(leaseID), error, isRetryable: isRetryable, retryAfter: retryAfter)
}

@Sendable
private func extendLease(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var leaseID: LeaseID?
  var duration: Int64?
  try decodeOptional(request.body, extendTable) { (field, json) throws(Rejection) in
    switch field {
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .lease: duration = try json.duration("lease", Bounds.lease)
    }
  }
  let (token, wanted) = (try required(leaseID), duration)
  let outcome = try await refusable { () throws(Refusal) in
    try await backend.engine.extend(
      request.jobID, leaseID: token, viewer: request.viewer, leaseMilliseconds: wanted)
  }
  var json = JSONWriter(capacity: 96)
  json.beginObject()
  json.field("lease_until", milliseconds: outcome.leaseUntilMilliseconds)
  json.field("cancel_requested", outcome.cancelRequested)
  json.endObject()
  return Answer(200, json)
}

@Sendable
private func releaseJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var leaseID: LeaseID?
  var delay: Int64 = 0
  try decodeOptional(request.body, releaseTable) { (field, json) throws(Rejection) in
    switch field {
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .delay: delay = try json.duration("delay", Bounds.tenYears)
    }
  }
  let (token, pause) = (try required(leaseID), delay)
  let state = try await refusable { () throws(Refusal) in
    try await backend.engine.release(
      request.jobID, leaseID: token, viewer: request.viewer, delayMilliseconds: pause)
  }
  var json = stateAnswer(request.jobID, state)
  json.endObject()
  return Answer(200, json)
}

private func required(_ leaseID: LeaseID?) throws(Rejection) -> LeaseID {
  guard let leaseID else {
    throw Rejection(.leaseIDRequired, field: "lease_id", "lease_id is missing: send the one that came with the job")
  }
  return leaseID
}
