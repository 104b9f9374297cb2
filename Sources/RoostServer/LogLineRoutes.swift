import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What a worker writes down of its attempt; the history shows it.
let logLineRoutes: [Route] = [
  Route("POST", "/jobs/{id}/log", .ack, fields: logTable.allNames, addLogLines)
]

private enum LogField: String, CaseIterable { case leaseID = "lease_id", lines }
private let logTable = FieldTable(LogField.self)

@Sendable
private func addLogLines(_ request: RouteRequest, _ backend: Backend) async throws(Rejection) -> Answer {
  var (leaseID, lines): (LeaseID?, [String]?)
  try decodeOptional(request.body, logTable) { (field, json) throws(Rejection) in
    switch field {
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .lines: lines = try json.logLines("lines")
    }
  }
  guard let lines else { throw Rejection(.missingField, field: "lines", "lines is missing: say what is to be kept") }
  let (id, lease) = (request.jobID, try required(leaseID))
  let isCancelRequested = try await refusable { () throws(Refusal) in
    try await backend.engine.addLogLines(id, leaseID: lease, viewer: request.viewer, lines)
  }
  var json = JSONWriter(capacity: 64)
  json.beginObject()
  json.field("job_id", id.description)
  json.field("cancel_requested", isCancelRequested)
  json.endObject()
  return Answer(200, json)
}

extension JSONReader {
  /// Lines of an attempt's log: 1 to 64 texts of at most 1 KiB, without line feeds.
  fileprivate mutating func logLines(_ name: String) throws(Rejection) -> [String] {
    var lines: [String] = []
    let wrongCount = outOfRange(name, "a list of 1 to \(AttemptLogs.keptLines) lines")
    try array(name) { (place, json) throws(Rejection) in
      guard place < AttemptLogs.keptLines else { throw wrongCount }
      let line = try json.string("\(name)[\(place)]", limit: AttemptLogs.lineBytes)
      guard !line.utf8.contains(UInt8(ascii: "\n")) else {
        throw json.outOfRange("\(name)[\(place)]", "one line, without line feeds")
      }
      lines.append(line)
    }
    guard !lines.isEmpty else { throw wrongCount }
    return lines
  }
}
