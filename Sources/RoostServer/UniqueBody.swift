import RoostAPI
import RoostCore

/// Decodes `unique` of a submit: that no other job of the owner may be like it.
enum UniqueBody {
  private enum Field: String, CaseIterable {
    case key, by, until, onConflict = "on_conflict", maxWait = "max_wait"
  }

  private enum UntilField: String, CaseIterable { case time = "for" }

  private static let table = FieldTable(Field.self)
  private static let untilTable = FieldTable(UntilField.self)

  static var fields: [String] { table.allNames + untilTable.allNames.map { Field.until.rawValue + "." + $0 } }

  /// `{"key": "…"}` or `{"by": ["type", …]}`, with `until`, `on_conflict`, `max_wait`.
  static func decode(_ json: inout JSONReader, _ name: String) throws(Rejection) -> JobUnique {
    var key: String?
    var by: JobUnique.Parts?
    var unique = JobUnique(
      hash: KeyHash(low: 0, high: 0), until: .ended, onConflict: .existing, maxWaitMilliseconds: 0, by: [], key: [])
    try json.object(name, table) { (field, json) throws(Rejection) in
      if try json.takeNull() { return }
      switch field {
      case .key: key = try json.plainText("key", 1...255)
      case .by: by = try parts(&json, "by")
      case .until: unique.until = try until(&json, "until")
      case .onConflict: unique.onConflict = try onConflict(&json, "on_conflict")
      case .maxWait: unique.maxWaitMilliseconds = try json.duration("max_wait", 1...JobUnique.mostMilliseconds)
      }
    }
    guard (key == nil) != (by == nil) else {
      throw Rejection(
        .contradiction, field: name, "\(name) says by what no other job may be like it: either key, or by")
    }
    guard unique.maxWaitMilliseconds == 0 || unique.onConflict == .replace else {
      throw Rejection(
        .contradiction, field: "\(name).max_wait", "max_wait goes with on_conflict: replace, which puts jobs off")
    }
    unique.by = by ?? []
    unique.key = Array((key ?? "").utf8)
    return unique
  }

  private static func parts(_ json: inout JSONReader, _ name: String) throws(Rejection) -> JobUnique.Parts {
    var parts: JobUnique.Parts = []
    let wrong = json.outOfRange(name, "a list of type, queue, group, payload: at least one")
    try json.array(name) { (place, json) throws(Rejection) in
      let text = try json.string("\(name)[\(place)]")
      guard let part = JobUnique.Parts.named.first(where: { $0.name == text })?.part else { throw wrong }
      parts.insert(part)
    }
    guard !parts.isEmpty else { throw wrong }
    return parts
  }

  private static func until(_ json: inout JSONReader, _ name: String) throws(Rejection) -> JobUnique.Until {
    guard json.nextIsString() else {
      var time: Int64?
      try json.object(name, untilTable) { (_, json) throws(Rejection) in
        if try !json.takeNull() { time = try json.duration("for", 1_000...JobUnique.mostMilliseconds) }
      }
      guard let time else { throw json.missing("\(name).for", "say how long") }
      return .window(time)
    }
    switch try json.string(name) {
    case "started": return .started
    case "ended": return .ended
    default: throw json.outOfRange(name, "started, ended, or an object with for")
    }
  }

  private static func onConflict(_ json: inout JSONReader, _ name: String) throws(Rejection) -> JobUnique.OnConflict {
    let text = try json.string(name)
    guard let choice = JobUnique.OnConflict.allCases.first(where: { "\($0)" == text }) else {
      throw json.outOfRange(name, "existing, reject or replace")
    }
    return choice
  }
}

extension JobUnique.Parts {
  /// In the order in which they are told.
  package static var named: [(name: String, part: JobUnique.Parts)] {
    [("type", .type), ("queue", .queue), ("group", .group), ("payload", .payload)]
  }
}
