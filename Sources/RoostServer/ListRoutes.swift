import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Lists: jobs, dead letters.
let listRoutes: [Route] = [
  Route("GET", "/jobs", .read, parameters: ["state", "queue"] + ListFilter.parameters + pageParameters) {
    (request, backend) throws(Rejection) in
    try await listJobs(request, backend, try ListFilter(request))
  },
  Route("GET", "/queues/{queue}/jobs", .read, parameters: ["state"] + ListFilter.parameters + pageParameters) {
    (request, backend) throws(Rejection) in
    try await listJobs(request, backend, try ListFilter(request, queue: request.parameter))
  },
  Route(
    "GET", "/dlq", .read, parameters: ["queue"] + ListFilter.parameters + ListFilter.ofDead + pageParameters
  ) { (request, backend) throws(Rejection) in
    let (limit, cursor, filter) = (try request.query.limit(), try request.query.cursor(), try ListFilter(request))
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.deadJobs(filter.jobs, viewer: request.viewer, limit: limit, after: cursor)
    }
    return pageAnswer(page) { $0.deadLetter($1, withPayload: false) }
  },
  Route(
    "GET", "/dlq/groups", .read, parameters: ["queue"] + ListFilter.parameters + ListFilter.ofDead + pageParameters
  ) { (request, backend) throws(Rejection) in
    let (limit, cursor, filter) = (try request.query.limit(), try request.query.cursor(), try ListFilter(request))
    let found = try await refusable { () throws(Refusal) in
      try await DeadLetterGroups.find(backend.engine, filter.jobs, request.viewer, after: cursor)
    }
    let groups = found.sorted
    var json = JSONWriter(capacity: groups.count * 320 + 64)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for group in groups.prefix(limit) { json.deadLetterGroup(group) }
    json.endArray()
    json.field("groups", groups.count)
    json.field("examined", found.examined)
    if found.others > 0 { json.field("others", found.others) }
    if let next = found.next { json.field("next_cursor", String(next, radix: 16)) }
    json.endObject()
    return Answer(200, json)
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

private let pageParameters = ["limit", "cursor"]

private func listJobs(
  _ request: RouteRequest, _ backend: Backend, _ filter: ListFilter
) async throws(Rejection) -> Answer {
  let (limit, cursor) = (try request.query.limit(), try request.query.cursor())
  let page = try await refusable { () throws(Refusal) in
    try await backend.engine.jobs(filter.jobs, viewer: request.viewer, limit: limit, after: cursor)
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
