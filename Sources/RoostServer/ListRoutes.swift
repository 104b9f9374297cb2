import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Lists: jobs, dead letters.
let listRoutes: [Route] = [
  Route("GET", "/jobs", .read, parameters: ["state", "queue", "group", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    try await listJobs(request, backend, queue: request.query["queue"])
  },
  Route("GET", "/queues/{queue}/jobs", .read, parameters: ["state", "group", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    try await listJobs(request, backend, queue: request.parameter)
  },
  Route("GET", "/dlq", .read, parameters: ["queue", "group", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    var filter = JobFilter(group: try request.query.group(), state: .dead)
    if let name = request.query["queue"] { filter.queue = try queueName(name, request) }
    let (limit, cursor, wanted) = (try request.query.limit(), try request.query.cursor(), filter)
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.deadJobs(wanted, viewer: request.viewer, limit: limit, after: cursor)
    }
    return pageAnswer(page) { $0.deadLetter($1, withPayload: false) }
  },
  Route("GET", "/dlq/{id}", .read, parameters: ["payload"]) { (request, backend) throws(Rejection) in
    let withPayload = try request.query.flag("payload")
    let job = try await refusable { () throws(Refusal) in
      try await backend.engine.job(request.jobID, viewer: request.viewer)
    }
    guard job.state == .dead else { throw Rejection(Refusal.jobNotFound) }
    var json = JSONWriter(capacity: 512)
    json.deadLetter(job, withPayload: withPayload)
    return Answer(200, json)
  },
  Route("DELETE", "/dlq/{id}", .manageQueues, audit: .always("dlq.delete")) { (request, backend) throws(Rejection) in
    try await deleteJob(request, backend, onlyDead: true)
  },
  Route("POST", "/dlq/{id}/replay", .manageQueues, audit: .always("dlq.replay")) {
    (request, backend) throws(Rejection) in
    try requireNoFields(request.body)
    let state = try await refusable { () throws(Refused) in
      try await backend.engine.replay(request.jobID, viewer: request.viewer)
    }
    var json = stateAnswer(request.jobID, state)
    json.field("replayed", 1)
    json.endObject()
    return Answer(200, json)
  },
]

private func listJobs(
  _ request: RouteRequest, _ backend: Backend, queue: String?
) async throws(Rejection) -> Answer {
  var filter = JobFilter(group: try request.query.group())
  if let queue { filter.queue = try queueName(queue, request) }
  if let name = request.query["state"] {
    guard let state = JobState.allCases.first(where: { $0.name.asciiLowercased == name.asciiLowercased }) else {
      let names = JobState.allCases.map(\.name).joined(separator: ", ")
      throw Rejection(.outOfRange, field: "state", "state must be one of \(names)")
    }
    filter.state = state
  }
  let (limit, cursor, wanted) = (try request.query.limit(), try request.query.cursor(), filter)
  let page = try await refusable { () throws(Refusal) in
    try await backend.engine.jobs(wanted, viewer: request.viewer, limit: limit, after: cursor)
  }
  return pageAnswer(page) { $0.job($1, withPayload: false, withResult: false) }
}

private func pageAnswer(_ page: JobPage, _ write: (inout JSONWriter, JobView) -> Void) -> Answer {
  var json = JSONWriter(capacity: page.items.count * 384 + 64)
  json.beginObject()
  json.key("items")
  json.beginArray()
  for job in page.items { write(&json, job) }
  json.endArray()
  if let next = page.next { json.field("next_cursor", String(next, radix: 16)) }
  json.endObject()
  return Answer(200, json)
}
