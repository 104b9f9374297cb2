import Foundation
import RoostAPI
import RoostCore
import RoostEngine

/// Which jobs a list shows, as its query says.
///
/// State, queue and owner are looked up in sets of the writer's; type and time cost it a look at each row. What only a
/// record tells (tag, metadata, error) is judged outside of it, as long as a page may take.
struct ListFilter {
  /// The parameters that all lists know besides `queue`, `limit` and `cursor`.
  static let parameters = ["owner_id", "group", "type", "tag", "metadata", "error~", "since", "until"]
  /// Those of dead letters alone.
  static let ofDead = ["reason", "shape"]

  private(set) var jobs = JobFilter()
  private(set) var text = TextFilter()

  /// - Parameter queue: What the list is of; nil: what the query says.
  init(_ request: RouteRequest, queue: String? = nil) throws(Rejection) {
    let query = request.query
    if let name = queue ?? query["queue"] { jobs.queue = try queueName(name, request) }
    jobs.states = try query.states()
    jobs.group = try query.group()
    jobs.owner = try query.text("owner_id", 255)
    jobs.type = try query.text("type", 200)
    jobs.since = try query.time("since")
    jobs.until = try query.time("until")
    text.tag = try query.text("tag", 200)
    text.metadata = try query.text("metadata", 4_096).map { TextFilter.Metadata($0) }
    text.error = try query.text("error~", 1_024)
    if let reason = query["reason"] {
      guard DeadReason.names.contains(reason) else {
        throw Rejection(
          .outOfRange, field: "reason", "reason must be one of \(DeadReason.names.joined(separator: ", "))")
      }
      text.reason = reason
    }
    if let shape = query["shape"] {
      guard shape.utf8.count == 16, UInt64(shape, radix: 16) != nil else {
        throw Rejection(.outOfRange, field: "shape", "shape must be a shape of GET /dlq/groups")
      }
      text.shape = shape
    }
    let filter = text
    if !filter.isEmpty { jobs.matches = { filter.matches($0) } }
  }
}

/// What only a job's record tells of it.
struct TextFilter: Equatable, Sendable {
  var tag: String?
  var metadata: Metadata?
  /// Part of the last error.
  var error: String?
  /// As `JobView.deathReason`.
  var reason: String?
  /// An `ErrorShape.id`.
  var shape: String?

  struct Metadata: Equatable, Sendable {
    let key: String
    /// nil: any.
    let value: String?

    /// `key` or `key=value`.
    init(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      (key, value) = (String(parts[0]), parts.count > 1 ? String(parts[1]) : nil)
    }
  }

  var isEmpty: Bool { self == TextFilter() }

  func matches(_ job: JobView) -> Bool {
    if let tag, !Self.holds(job.body.tags, tag) { return false }
    if let metadata, !Self.holds(job.body.metadata, metadata) { return false }
    if let reason, job.deathReason != reason { return false }
    if let error, !(job.lastError ?? "").contains(error) { return false }
    return shape == nil || ErrorShape(job.lastError ?? "").id == shape
  }

  private static func holds(_ tags: ArraySlice<UInt8>?, _ tag: String) -> Bool {
    guard let tags else { return false }
    var isThere = false
    var json = JSONReader(Array(tags))
    try? json.array("tags") { (_, json) throws(Rejection) in
      if Name(try json.string("tag")) == Name(tag) { isThere = true }
    }
    return isThere
  }

  private static func holds(_ object: ArraySlice<UInt8>?, _ wanted: Metadata) -> Bool {
    guard let object else { return false }
    var isThere = false
    var json = JSONReader(Array(object))
    try? json.dictionary("metadata") { (key, json) throws(Rejection) in
      let value = try json.string(key)
      if Name(key) == Name(wanted.key), wanted.value.map({ Name($0) == Name(value) }) ?? true { isThere = true }
    }
    return isThere
  }
}

/// Why a job died, as `JobView.deathReason` says it.
enum DeadReason {
  static let names = ["attempts_exhausted", "permanent_failure", "expired", "crash_loop", "buried"]
}

extension Query {
  /// `DEAD` or `READY,RETRY`; empty when not given.
  fileprivate func states() throws(Rejection) -> Set<JobState> {
    guard let text = self["state"] else { return [] }
    var states: Set<JobState> = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      let name = name.asciiLowercased
      guard let state = JobState.allCases.first(where: { $0.name.asciiLowercased == name }) else {
        let names = JobState.allCases.map(\.name).joined(separator: ", ")
        throw Rejection(.outOfRange, field: "state", "state must be one or, with commas between them, some of \(names)")
      }
      states.insert(state)
    }
    return states
  }

  /// 1 to so many bytes; nil when not given.
  fileprivate func text(_ name: String, _ most: Int) throws(Rejection) -> String? {
    guard let text = self[name] else { return nil }
    guard (1...most).contains(text.utf8.count) else {
      throw Rejection(.outOfRange, field: name, "\(name) must have 1 to \(most) bytes")
    }
    return text
  }

  /// A wall time, or a duration before now; milliseconds.
  fileprivate func time(_ name: String) throws(Rejection) -> Int64? {
    guard let text = self[name] else { return nil }
    if let time = Timestamp.milliseconds(text) { return time }
    guard let back = DurationText.milliseconds(text), Bounds.tenYears.contains(back) else {
      throw Rejection(
        .outOfRange, field: name,
        "\(name) must be a time such as 2026-11-28T12:00:00Z, or how long ago that is, such as 1h")
    }
    return Int64(Date().timeIntervalSince1970 * 1_000) - back
  }
}
