import RoostAPI
import RoostCore
import RoostEngine
import RoostLog

/// Names a place in a log: `<UUID of the log, 32 hexadecimal digits>-<sequence of the record>`.
package struct EventID: Equatable, Sendable {
  package let log: String
  package let sequence: UInt64

  package init(log: String, sequence: UInt64) {
    self.log = log
    self.sequence = sequence
  }

  /// Nil where the text is none.
  package init?(_ text: String) {
    let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    let isHex = { (byte: UInt8) in (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }
    guard parts.count == 2, parts[0].count == 32, parts[0].allSatisfy(isHex),
      parts[1].allSatisfy({ (0x30...0x39).contains($0) }), let sequence = UInt64(String(parts[1])!)
    else { return nil }
    self.init(log: String(parts[0])!, sequence: sequence)
  }

  package var text: String { "\(log)-\(sequence)" }
}

/// How a stream of events is written.
package enum EventFormat: Sendable {
  /// Server-Sent Events, as the WHATWG's HTML has them.
  case sse
  /// One JSON object a line.
  case ndjson

  var contentType: String {
    switch self {
    case .sse: "text/event-stream"
    case .ndjson: "application/x-ndjson"
    }
  }

  /// - Parameters:
  ///   - id: Where a reader goes on that has seen it; empty: where it stood.
  ///   - json: With the same id and name in it.
  func write(id: String, name: String, json: [UInt8], into out: inout [UInt8]) {
    switch self {
    case .sse:
      if !id.isEmpty { out += "id: \(id)\n".utf8 }
      out += "event: \(name)\ndata: ".utf8
      out += json
      out += "\n\n".utf8
    case .ndjson:
      out += json
      out.append(UInt8(ascii: "\n"))
    }
  }

  /// Says that nothing happened that the reader wants, up to an id.
  func beat(id: String) -> [UInt8] {
    switch self {
    case .sse: Array((id.isEmpty ? ":\n\n" : ":\nid: \(id)\n\n").utf8)
    case .ndjson: [UInt8(ascii: "\n")]
    }
  }
}

extension JSONWriter {
  /// `{id, event, at, job_id?, queue?, …}`
  mutating func event(_ event: Event, id: String) {
    beginObject()
    field("id", id)
    field("event", event.kind.name.rawValue)
    field("at", milliseconds: event.atMilliseconds)
    if let job = event.jobID { field("job_id", job.description) }
    if let labels = event.labels { self.labels(labels) }
    if let state = event.state { field("state", state.name) }
    if let outcome = event.outcome { field("outcome", outcome.wireName) }
    if event.attempt > 0 { field("attempt", event.attempt) }
    if !event.worker.isEmpty { field("worker_id", event.worker) }
    if !event.reason.isEmpty { field("reason", event.reason) }
    if let instant = event.instant { field("instant", Timestamp.text(seconds: instant)) }
    if let miss = event.miss {
      field("reason", miss.name)
      field("count", event.count)
    }
    endObject()
  }

  private mutating func labels(_ labels: EventLabels) {
    field("queue", labels.queue)
    if !labels.type.isEmpty { field("type", labels.type) }
    if !labels.group.isEmpty { field("group", labels.group) }
    if !labels.owner.isEmpty { field("owner_id", labels.owner) }
    if !labels.schedule.isEmpty { field("schedule", labels.schedule) }
  }
}

/// Why some of what happened is not told.
enum EventGap: Equatable, Sendable {
  /// It lies further back than the log is kept.
  case trimmed
  /// The id is of another log: the directory was restored, repaired or is another one.
  case foreign
  /// The log has not come so far: an earlier state of its directory was brought back.
  case future
  /// So many are of jobs that nobody knows any more.
  case unattributed(Int)

  var json: [UInt8] {
    var json = JSONWriter(capacity: 64)
    json.beginObject()
    json.field("event", Self.name)
    switch self {
    case .trimmed: json.field("reason", "trimmed")
    case .foreign: json.field("reason", "foreign")
    case .future: json.field("reason", "future")
    case .unattributed(let count):
      json.field("reason", "unattributed")
      json.field("count", count)
    }
    json.endObject()
    return json.bytes
  }

  static let name = "gap"
}

extension LoggedEvent.Kind {
  package var name: EventName {
    switch self {
    case .jobSubmitted: .jobSubmitted
    case .jobReady: .jobReady
    case .jobLeased: .jobLeased
    case .jobProgress: .jobProgress
    case .jobAcked: .jobAcked
    case .jobFailed: .jobFailed
    case .jobExpired: .jobExpired
    case .jobReleased: .jobReleased
    case .jobDead: .jobDead
    case .jobCancelRequested: .jobCancelRequested
    case .jobCancelled: .jobCancelled
    case .jobReplayed: .jobReplayed
    case .jobChanged: .jobChanged
    case .jobMoved: .jobMoved
    case .jobPurged: .jobPurged
    case .jobUnblocked: .jobUnblocked
    case .queueConfigured: .queueConfigured
    case .queuePaused: .queuePaused
    case .queueResumed: .queueResumed
    case .queueDeleted: .queueDeleted
    case .scheduleFired: .scheduleFired
    case .scheduleMissed: .scheduleMissed
    case .scheduleRemoved: .scheduleRemoved
    }
  }
}
