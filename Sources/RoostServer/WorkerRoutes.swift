import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What workers do with jobs: lease, acknowledge, fail, extend, hand back.
let workerRoutes: [Route] = [
  Route("POST", "/jobs/lease", .lease, fields: leaseTable.allNames, direct: directLease, leaseJob),
  Route(
    "POST", "/jobs/{id}/ack", .ack, fields: ackTable.allNames + leaseNextFields, direct: directAcknowledge,
    acknowledgeJob),
  Route("POST", "/jobs/{id}/fail", .ack, fields: failTable.allNames, direct: directFail, failJob),
  Route("POST", "/jobs/{id}/extend", .ack, fields: extendTable.allNames, direct: directExtend, extendLease),
  Route("POST", "/jobs/{id}/release", .ack, fields: releaseTable.allNames, releaseJob),
]

private enum LeaseField: String, CaseIterable {
  case queues, order, weights, lease, wait, workerID = "worker_id", maxJobs = "max_jobs", maxBytes = "max_bytes"
}
private enum ReleaseField: String, CaseIterable { case leaseID = "lease_id", delay, holdGroup = "hold_group" }

private let leaseTable = FieldTable(LeaseField.self)
private let ackTable = FieldTable(AckField.self, except: [.jobID])
private let failTable = FieldTable(FailField.self, except: [.jobID])
private let extendTable = FieldTable(ExtendField.self, except: [.jobID])
private let releaseTable = FieldTable(ReleaseField.self)

// MARK: Straight through the lane

private let directLease = DirectRoute { (request, _, lane, ticket) throws(Rejection) in
  let wish = try decodeLease(request)
  for queue in wish.one.queues { try request.requireQueue(queue) }
  guard wish.one.waitMilliseconds == 0, wish.maxJobs == nil else { return nil }
  lane.lease(wish.one, ticket: ticket)
  return DirectRequest(.lease)
}

private let directAcknowledge = DirectRoute { (request, _, lane, ticket) throws(Rejection) in
  let (end, next) = try decodeAck(request)
  guard next?.waitMilliseconds ?? 0 == 0 else { return nil }
  try leave(end, next: next, request, lane, ticket)
  return DirectRequest(.finish(request.jobID, next: next != nil))
}

private let directFail = DirectRoute { (request, _, lane, ticket) throws(Rejection) in
  try leave(try decodeFail(request), next: nil, request, lane, ticket)
  return DirectRequest(.finish(request.jobID, next: false))
}

private let directExtend = DirectRoute { (request, _, lane, ticket) throws(Rejection) in
  let (wish, hasDroppedProgress) = try decodeExtend(request)
  do throws(Refusal) { try lane.extend(wish, viewer: request.viewer, ticket: ticket) } catch { throw Rejection(error) }
  return DirectRequest(.extend(hasDroppedProgress: hasDroppedProgress))
}

private func leave(
  _ end: AttemptEnd, next: LeaseRequest?, _ request: RouteRequest, _ lane: Lane, _ ticket: UInt64
) throws(Rejection) {
  do throws(Refusal) {
    try lane.finish(end, keyID: request.caller.keyID, viewer: request.viewer, next: next, ticket: ticket)
  } catch {
    throw Rejection(error)
  }
}

// MARK: Leases

@Sendable
private func leaseJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  let wish = try decodeLease(request)
  for queue in wish.one.queues { try request.requireQueue(queue) }
  guard let maxJobs = wish.maxJobs else { return try await leaseOne(wish.one, request, backend) }
  return try await leaseSeveral(wish.one, maxJobs, wish.maxBytes, request, backend)
}

private func leaseOne(
  _ wish: LeaseRequest, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> Answer {
  let job = wish.waitMilliseconds > 0 ? try await waitForJob(wish, request, backend) : try await grant(wish, backend)
  guard let job else { throw noJob }
  request.span?.tookOne(job)
  var json = JSONWriter(capacity: job.body.payload.count + 448)
  json.leased(job)
  var answer = Answer(200, json)
  answer.grants = [(job.id, job.leaseID)]
  return answer
}

/// Leases jobs; with a wait, once there is one, the time is over, the client is gone, or its key has ended.
package func leaseJobs(
  _ wish: LeaseRequest, _ maxJobs: Int, _ maxBytes: Int, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [LeasedJob] {
  let lease = { @Sendable () async throws(Rejection) -> [LeasedJob] in
    try await refusable { () throws(Refusal) in
      try await backend.engine.lease(wish, maxJobs: maxJobs, maxBytes: maxBytes)
    }
  }
  let jobs: [LeasedJob]
  if wish.waitMilliseconds > 0 {
    let found = try await whileWelcome(request, backend, leases: { $0.map { ($0.id, $0.leaseID) } }, lease)
    jobs = found.isAwaited ? found.value : []
  } else {
    jobs = try await lease()
  }
  request.span?.counts(jobs.count)
  for job in jobs { request.span?.took(job) }
  return jobs
}

private func leaseSeveral(
  _ wish: LeaseRequest, _ maxJobs: Int, _ maxBytes: Int, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> Answer {
  let jobs = try await leaseJobs(wish, maxJobs, maxBytes, request, backend)
  var json = JSONWriter(capacity: jobs.reduce(32) { $0 + $1.body.payload.count + 448 })
  json.beginObject()
  json.key("jobs")
  json.beginArray()
  for job in jobs { json.leased(job) }
  json.endArray()
  json.endObject()
  var answer = Answer(200, json)
  answer.grants = jobs.map { ($0.id, $0.leaseID) }
  return answer
}

/// What the body asks for; the queues may be anybody's.
package func decodeLease(
  _ request: RouteRequest
) throws(Rejection) -> (one: LeaseRequest, maxJobs: Int?, maxBytes: Int) {
  var wish = LeaseRequest(
    queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "", keyID: request.caller.keyID)
  var maxJobs: Int?
  var maxBytes: Int?
  var choice = QueueChoice()
  try decodeOptional(request.body, leaseTable) { (field, json) throws(Rejection) in
    switch field {
    case .queues: choice.listed = try json.leaseQueues("queues")
    case .order: choice.isListed = try json.isListed("order")
    case .weights: choice.drawn = try json.weightedQueues("weights")
    case .lease: wish.leaseMilliseconds = try json.duration("lease", Bounds.lease)
    case .wait: wish.waitMilliseconds = try json.duration("wait", Bounds.wait)
    case .workerID: wish.workerID = try json.plainText("worker_id", 0...200)
    case .maxJobs: maxJobs = Int(try json.integer("max_jobs", 1...Int64(Engine.batchItems)))
    case .maxBytes: maxBytes = Int(try json.integer("max_bytes", 1...Int64(Bounds.leaseBytes)))
    }
  }
  try choice.apply(to: &wish)
  if maxJobs == nil, maxBytes != nil {
    throw Rejection(.contradiction, field: "max_bytes", "max_bytes goes with max_jobs: give both, or neither")
  }
  return (wish, maxJobs, maxBytes ?? Bounds.leaseBytes)
}

private func grant(_ wish: LeaseRequest, _ backend: Backend) async throws(Rejection) -> LeasedJob? {
  try await refusable { () throws(Refusal) in try await backend.engine.lease(wish) }
}

/// Waits for a job until its client hangs up or its key ends.
private func waitForJob(
  _ wish: LeaseRequest, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> LeasedJob? {
  let found = try await whileWelcome(request, backend, leases: { $0.map { [($0.id, $0.leaseID)] } ?? [] }) {
    () throws(Rejection) in try await grant(wish, backend)
  }
  return found.isAwaited ? found.value : nil
}

@Sendable
private func acknowledgeJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  let (end, next) = try decodeAck(request)
  guard let next else { return try await finish(end, request, backend) }
  return try await finish(end, next: next, request, backend)
}

private func decodeAck(_ request: RouteRequest) throws(Rejection) -> (AttemptEnd, next: LeaseRequest?) {
  var body = AckBody()
  try decodeOptional(request.body, ackTable) { (field, json) throws(Rejection) in
    try body.read(field, &json, keyID: request.caller.keyID)
  }
  let end = try body.end(of: request.jobID)
  guard let next = body.leaseNext else { return (end, nil) }
  guard request.caller.may(ScopeSet(.lease)) else {
    throw Rejection(.forbiddenScope, field: "lease_next", "this key lacks the scope jobs:lease: use one that has it")
  }
  for queue in next.queues { try request.requireQueue(queue) }
  return (end, next)
}

@Sendable
private func failJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  try await finish(try decodeFail(request), request, backend)
}

private func decodeFail(_ request: RouteRequest) throws(Rejection) -> AttemptEnd {
  var body = FailBody()
  try decodeOptional(request.body, failTable) { (field, json) throws(Rejection) in try body.read(field, &json) }
  return try body.end(of: request.jobID)
}

private func finish(
  _ end: AttemptEnd, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> Answer {
  let after = try await refusable { () throws(Refused) in
    try await backend.engine.finish(end, keyID: request.caller.keyID, viewer: request.viewer)
  }
  var json = JSONWriter(capacity: 128)
  json.ended(request.jobID, after)
  json.endObject()
  return Answer(200, json)
}

/// Ends the attempt and leases the next job in one commit; with a wait the answer comes with that job, or with null
/// when the time is over. The end of the attempt is durable by then, whatever becomes of the wait, also where that ends
/// with the key and is answered 401.
private func finish(
  _ end: AttemptEnd, next: LeaseRequest, _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> Answer {
  let outcome = try await whileWelcome(
    request, backend, leases: { $0.next.map { [($0.id, $0.leaseID)] } ?? [] }
  ) { () throws(Rejection) in
    try await refusable { () throws(Refused) in
      try await backend.engine.finish(end, viewer: request.viewer, next: next)
    }
  }
  var json = JSONWriter(capacity: 512)
  json.ended(request.jobID, outcome.value.after)
  json.key("next")
  var grants: [(id: JobID, leaseID: LeaseID)] = []
  if outcome.isAwaited, let job = outcome.value.next {
    grants = [(job.id, job.leaseID)]
    request.span?.tookNext(job)
    json.leased(job)
  } else {
    json.null()
  }
  json.endObject()
  var answer = Answer(200, json)
  answer.grants = grants
  return answer
}

@Sendable
private func extendLease(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  let (wish, hasDroppedProgress) = try decodeExtend(request)
  let outcome = try await refusable { () throws(Refusal) in
    try await backend.engine.extend(wish, viewer: request.viewer)
  }
  var json = JSONWriter(capacity: 96)
  json.extended(outcome, hasDroppedProgress)
  return Answer(200, json)
}

private func decodeExtend(
  _ request: RouteRequest
) throws(Rejection) -> (LeaseExtension, hasDroppedProgress: Bool) {
  var body = ExtendBody()
  try decodeOptional(request.body, extendTable) { (field, json) throws(Rejection) in try body.read(field, &json) }
  return (try body.extend(request.jobID), body.hasDroppedProgress)
}

@Sendable
private func releaseJob(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var leaseID: LeaseID?
  var (delay, hold): (Int64, Int64) = (0, 0)
  try decodeOptional(request.body, releaseTable) { (field, json) throws(Rejection) in
    switch field {
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .delay: delay = try json.duration("delay", Bounds.tenYears)
    case .holdGroup: hold = try json.duration("hold_group", Bounds.groupHold)
    }
  }
  var end = AttemptEnd.released(request.jobID, leaseID: try required(leaseID), delayMilliseconds: delay)
  end.holdGroupMilliseconds = hold
  let released = end
  let state = try await refusable { () throws(Refused) in
    try await backend.engine.finish(released, keyID: "", viewer: request.viewer).state
  }
  var json = stateAnswer(request.jobID, state)
  json.endObject()
  return Answer(200, json)
}
