import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What happens, as it happens.
let eventRoutes: [Route] = [
  Route(
    "GET", "/events", .read,
    parameters: ["queue", "type", "group", "state", "job_id", "after", "follow", "format"]
  ) { (request, backend) throws(Rejection) in
    let (filter, format) = (try eventFilter(request), try eventFormat(request))
    let (origin, follows) = (try eventOrigin(request), try isFollowing(request))
    try backend.events.admit()
    let listener = EventListener(filter)
    let watch = request.watchKey { listener.finish(.refused($0)) }
    request.onDisconnect { listener.finish(.gone) }
    let stream = EventStream(backend.events, listener, format, from: origin, follows: follows, watch: watch)
    return Answer(events: stream, format)
  }
]

extension Answer {
  fileprivate init(events: EventStream, _ format: EventFormat) {
    self.init(lines: events)
    contentType = format.contentType
    // Proxies that gather what they pass on would hold events back.
    headers = [
      Rejection.Header(name: "Cache-Control", value: "no-store"),
      Rejection.Header(name: "X-Accel-Buffering", value: "no"),
    ]
  }
}

private func eventFormat(_ request: RouteRequest) throws(Rejection) -> EventFormat {
  switch request.query["format"] {
  case nil, "sse": .sse
  case "ndjson": .ndjson
  default: throw Rejection(.outOfRange, field: "format", "format must be sse or ndjson")
  }
}

private func isFollowing(_ request: RouteRequest) throws(Rejection) -> Bool {
  guard request.query["follow"] != nil else { return true }
  return try request.query.flag("follow")
}

/// A client that was cut off says in the header where it was, beside the query that it began with.
private func eventOrigin(_ request: RouteRequest) throws(Rejection) -> EventStream.Origin {
  if let header = request.lastEventID, !header.isEmpty {
    return EventID(header).map { .behind($0) } ?? .unknown
  }
  guard let after = request.query["after"] else { return .now }
  if after == "start" { return .oldest }
  guard let id = EventID(after) else {
    throw Rejection(.outOfRange, field: "after", "after must be the id of an event, or start")
  }
  return .behind(id)
}

private func eventFilter(_ request: RouteRequest) throws(Rejection) -> EventFilter {
  let caller = request.caller
  var filter = EventFilter(viewer: request.viewer) { caller.type == .admin || caller.mayUse(queue: $0) }
  if let name = request.query["queue"] { filter.queue = try queueName(name, request) }
  filter.type = try text(request, "type", 200)
  filter.group = try text(request, "group", Bounds.groupBytes)
  if let names = request.query["state"] { filter.states = try states(names) }
  if let text = request.query["job_id"] {
    guard let id = JobID(text) else { throw Rejection(.outOfRange, field: "job_id", "job_id must be the id of a job") }
    filter.job = id
  }
  return filter
}

private func text(_ request: RouteRequest, _ name: String, _ most: Int) throws(Rejection) -> String? {
  guard let text = request.query[name] else { return nil }
  guard (1...most).contains(text.utf8.count) else {
    throw Rejection(.outOfRange, field: name, "\(name) must have 1 to \(most) bytes")
  }
  return text
}

/// One state or several, apart by commas.
private func states(_ names: String) throws(Rejection) -> Set<JobState> {
  var found: Set<JobState> = []
  for name in names.split(separator: ",", omittingEmptySubsequences: false) {
    guard let state = JobState.allCases.first(where: { $0.name.asciiLowercased == name.asciiLowercased }) else {
      let known = JobState.allCases.map(\.name).joined(separator: ", ")
      throw Rejection(.outOfRange, field: "state", "state must be one or more of \(known), apart by commas")
    }
    found.insert(state)
  }
  return found
}
