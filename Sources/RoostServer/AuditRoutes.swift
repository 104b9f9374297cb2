import RoostAPI
import RoostKeys

/// What the audit log of this daemon's directory holds.
let auditRoutes: [Route] = [
  Route("GET", "/audit", .admin, parameters: ["event", "limit", "cursor"], audit: .refused("audit.read")) {
    (request, backend) throws(Rejection) in
    let limit = try request.query.limit()
    let end = try request.query.cursor().map { Int(clamping: $0) }
    let event = try request.query["event"].map { (name) throws(Rejection) in try eventName(name) }
    let found = try await auditLines(backend, limit: limit, event: event, before: end)
    var json = JSONWriter(capacity: found.lines.reduce(64) { $0 + $1.count + 1 })
    json.beginObject()
    json.key("items")
    json.beginArray()
    for line in found.lines where isObject(line) { json.raw(line[...]) }
    json.endArray()
    if let next = found.next { json.field("next_cursor", String(next, radix: 16)) }
    json.endObject()
    return Answer(200, json)
  }
]

private func auditLines(
  _ backend: Backend, limit: Int, event: String?, before end: Int?
) async throws(Rejection) -> (lines: [[UInt8]], next: Int?) {
  guard let audit = backend.audit else { return ([], nil) }
  do throws(KeyStoreError) {
    return try await audit.lines(limit: limit, event: event, before: end)
  } catch {
    throw Rejection(.internalError, "the audit log cannot be read: look at the daemon's own log")
  }
}

/// Names have letters, `.` and `_` only, so that none can be mistaken for another field of a line.
private func eventName(_ name: String) throws(Rejection) -> String {
  guard (1...64).contains(name.utf8.count),
    name.utf8.allSatisfy({ (0x61...0x7A).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") })
  else { throw Rejection(.outOfRange, field: "event", "event must be the name of an event, such as key.create") }
  return name
}

/// A line that a crash cut short is none.
private func isObject(_ line: [UInt8]) -> Bool {
  var reader = JSONReader(line)
  do throws(Rejection) {
    try reader.dictionary("") { (_, json) throws(Rejection) in _ = try json.rawValue() }
    try reader.finish()
    return true
  } catch { return false }
}
