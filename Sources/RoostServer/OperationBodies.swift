import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What is to be done to which jobs, as a body says it.
struct OperationBody {
  var spec: OperationSpec
  /// What only the records of jobs tell.
  private(set) var text = TextFilter()
  private(set) var isDry = false
  /// nil: all that the action is for.
  private var states: Set<JobState>?
  private var action: OperationKind?

  private enum Field: String, CaseIterable {
    case action, queue, to, type, group, owner = "owner_id", states, olderThan = "older_than", since, until, tag,
      metadata, error, reason, shape, limit, rate, delay, dryRun = "dry_run"

    /// Of a queue that the path names.
    static let ofPurge: Set<Field> = Set(allCases).subtracting([.action, .queue, .to, .owner, .delay])
    static let ofMove: Set<Field> = ofPurge.union([.to])
  }

  private enum RateField: String, CaseIterable { case limit, per }

  private static let table = FieldTable(Field.self)
  private static let rateTable = FieldTable(RateField.self)
  static let fields = table.allNames + rateNames
  static let purgeFields = Field.ofPurge.map(\.rawValue).sorted() + rateNames
  static let moveFields = Field.ofMove.map(\.rawValue).sorted() + rateNames
  private static var rateNames: [String] { rateTable.allNames.map { "rate.\($0)" } }

  init(_ spec: OperationSpec) { self.spec = spec }

  /// Of `POST /operations`.
  init(ofAny request: RouteRequest) throws(Rejection) {
    spec = OperationSpec(kind: .cancel)
    try read(request, Set(Field.allCases))
    guard let action else {
      throw Rejection(.missingField, field: "action", "action is missing: cancel, delete, replay, retry or move")
    }
    spec.kind = action
    // What is to run next week is not what a bulk retry is for, unless somebody says so.
    spec.states = try states == nil && action == .retry ? [.retry] : allowed(states, action)
    try requireUse(of: spec.queue, request)
    try checkTarget(request)
    try checkTerms()
  }

  init(ofPurge request: RouteRequest) throws(Rejection) {
    spec = OperationSpec(kind: .purge, queue: try managedQueue(request))
    try read(request, Field.ofPurge)
    spec.states = try allowed(states, .purge)
    try checkTerms()
  }

  init(ofMove request: RouteRequest) throws(Rejection) {
    spec = OperationSpec(kind: .move, queue: try managedQueue(request))
    try read(request, Field.ofMove)
    spec.states = try allowed(states, .move)
    try checkTarget(request)
    try checkTerms()
  }

  private mutating func read(_ request: RouteRequest, _ known: Set<Field>) throws(Rejection) {
    try decodeOptional(request.body, Self.table) { (field, json) throws(Rejection) in
      guard known.contains(field) else {
        throw Rejection(.unknownField, field: field.rawValue, "\(field.rawValue) is no field of this request")
      }
      try read(field, &json)
    }
  }

  private mutating func read(_ field: Field, _ json: inout JSONReader) throws(Rejection) {
    let name = field.rawValue
    switch field {
    case .action: action = try json.action(name)
    case .queue: spec.queue = try json.queueName(name)
    case .to: spec.target = try json.queueName(name)
    case .type: spec.type = try json.plainText(name, 1...200)
    case .group: spec.group = try json.groupFilter(name)
    case .owner: spec.owner = try json.plainText(name, 1...255)
    case .states: states = try json.states(name)
    case .olderThan: spec.beforeMilliseconds = try json.pastTime(name)
    case .since: spec.terms.since = try json.instant(name)
    case .until: spec.terms.until = try json.instant(name)
    case .tag: text.tag = try json.text(name, 200)
    case .metadata: text.metadata = TextFilter.Metadata(try json.text(name, 4_096))
    case .error: text.error = try json.text(name, 1_024)
    case .reason: text.reason = try DeadReason.checked(try json.string(name))
    case .shape: text.shape = try ErrorShape.checked(try json.string(name))
    case .limit: spec.limit = UInt64(try json.integer(name, 1...Int64(JobNumber.limit)))
    case .rate: try readRate(&json)
    case .delay: spec.terms.pace.delayMilliseconds = try json.duration(name, Bounds.tenYears)
    case .dryRun: isDry = try json.boolean(name)
    }
  }

  /// Jobs a second, or so many in which time.
  private mutating func readRate(_ json: inout JSONReader) throws(Rejection) {
    guard json.nextIsObject() else {
      spec.terms.pace.limit = UInt32(try json.integer("rate", OperationPace.limits))
      spec.terms.pace.periodMilliseconds = 1_000
      return
    }
    var (limit, period): (Int64?, Int64?)
    try json.object("rate", Self.rateTable) { (field, json) throws(Rejection) in
      switch field {
      case .limit: limit = try json.integer("limit", OperationPace.limits)
      case .per: period = try json.duration("per", OperationPace.periods)
      }
    }
    guard let limit else { throw Rejection(.missingField, field: "rate.limit", "rate.limit is missing: so many jobs") }
    guard let period else {
      throw Rejection(.missingField, field: "rate.per", "rate.per is missing: in which time, such as 1m")
    }
    (spec.terms.pace.limit, spec.terms.pace.periodMilliseconds) = (UInt32(limit), UInt32(period))
  }

  /// Whether jobs may go where they are to go.
  private func checkTarget(_ request: RouteRequest) throws(Rejection) {
    guard let target = spec.target else {
      if spec.kind == .move {
        throw Rejection(.missingField, field: "to", "to is missing: which queue takes them")
      }
      return
    }
    guard spec.kind == .move || spec.kind == .replay else {
      throw Rejection(
        .contradiction, field: "to", "to goes with move and replay alone")
    }
    guard target != spec.queue || spec.kind == .replay else {
      throw Rejection(.contradiction, field: "to", "to is the queue itself: name another")
    }
    try request.requireQueue(target)
  }

  /// Of dead letters alone times are those at which they died, as `GET /dlq` has it.
  private mutating func checkTerms() throws(Rejection) {
    if spec.terms.pace.delayMilliseconds > 0, spec.kind != .replay, spec.kind != .retry {
      throw Rejection(.contradiction, field: "delay", "delay goes with replay and retry alone")
    }
    spec.terms.isByDeath = spec.states == [.dead]
    guard !spec.terms.isByDeath else { return }
    for (value, name) in [(text.reason, "reason"), (text.shape, "shape")] where value != nil {
      throw Rejection(.contradiction, field: name, "\(name) goes with dead letters alone: states must be [\"DEAD\"]")
    }
  }
}

/// Refuses a queue that the key may not use; nil: all of them.
private func requireUse(of queue: String?, _ request: RouteRequest) throws(Rejection) {
  if let queue { return try request.requireQueue(queue) }
  guard request.caller.allowsAllQueues else {
    throw Rejection(.queueForbidden, field: "queue", "this key may not use all queues: name one of its own")
  }
}

/// The states that were named, each one that the kind looks at; all of them where none was.
private func allowed(_ named: Set<JobState>?, _ kind: OperationKind) throws(Rejection) -> Set<JobState> {
  guard let named else { return Set(kind.states) }
  guard !named.isEmpty, named.isSubset(of: kind.states) else {
    let names = JobState.allCases.filter(kind.states.contains).map(\.name).joined(separator: ", ")
    throw Rejection(.outOfRange, field: "states", "states must be some of \(names)")
  }
  return named
}

extension JSONReader {
  fileprivate mutating func action(_ name: String) throws(Rejection) -> OperationKind {
    let text = try string(name)
    let known: [OperationKind] = [.cancel, .delete, .replay, .retry, .move]
    guard let kind = known.first(where: { $0.name == text }) else {
      throw outOfRange(name, "cancel, delete, replay, retry or move")
    }
    return kind
  }

  fileprivate mutating func states(_ name: String) throws(Rejection) -> Set<JobState> {
    var states: Set<JobState> = []
    try array(name) { (place, json) throws(Rejection) in
      let text = try json.string("\(name)[\(place)]").asciiLowercased
      guard let state = JobState.allCases.first(where: { $0.name.asciiLowercased == text }) else {
        throw json.outOfRange("\(name)[\(place)]", "one of \(JobState.allCases.map(\.name).joined(separator: ", "))")
      }
      states.insert(state)
    }
    return states
  }

  /// A duration before now, as wall time.
  fileprivate mutating func pastTime(_ name: String) throws(Rejection) -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000) - (try duration(name, Bounds.tenYears))
  }

  /// A wall time, or a duration before now, as the lists take it; milliseconds.
  fileprivate mutating func instant(_ name: String) throws(Rejection) -> Int64 {
    try pastInstant(try string(name), name)
  }

  /// 1 to so many bytes.
  fileprivate mutating func text(_ name: String, _ most: Int) throws(Rejection) -> String {
    let text = try string(name)
    guard (1...most).contains(text.utf8.count) else { throw outOfRange(name, "1 to \(most) bytes long") }
    return text
  }
}
