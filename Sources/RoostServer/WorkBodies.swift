import Foundation
import RoostAPI
import RoostCore
import RoostEngine

/// What workers say of jobs, decoded: the same fields in a route of one job and in an item of a batch, where `job_id`
/// stands for the path.
enum AckField: String, CaseIterable {
  case jobID = "job_id", result, resultError = "result_error", leaseID = "lease_id", leaseNext = "lease_next"
}

enum FailField: String, CaseIterable {
  case jobID = "job_id", error, retryable, retryAfter = "retry_after", leaseID = "lease_id", holdGroup = "hold_group"
}

enum ExtendField: String, CaseIterable { case jobID = "job_id", leaseID = "lease_id", lease, progress }

/// The fields of an acknowledgement.
struct AckBody {
  var jobID: String?
  var leaseNext: LeaseRequest?
  private var result: ArraySlice<UInt8>?
  private var error: String?
  private var leaseID: LeaseID?

  mutating func read(_ field: AckField, _ json: inout JSONReader, keyID: String) throws(Rejection) {
    switch field {
    case .jobID: jobID = try json.string("job_id", limit: Bounds.jobIDBytes)
    case .result:
      let raw = try json.rawValue()
      guard raw.count <= Bounds.resultBytes else {
        throw Rejection(.payloadTooLarge, field: "result", "result must have at most \(Bounds.resultBytes) bytes")
      }
      result = raw.elementsEqual("\"\"".utf8) ? nil : raw
    case .resultError:
      let text = try json.mendedString("result_error")
      error = text.isEmpty ? nil : cutText(text)
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .leaseNext: leaseNext = try json.leaseNext("lease_next", keyID: keyID)
    }
  }

  func end(of id: JobID) throws(Rejection) -> AttemptEnd {
    guard let error else { return .acknowledged(id, leaseID: leaseID, result: result) }
    guard result == nil else {
      throw Rejection(.contradiction, field: "result_error", "result and result_error contradict each other: give one")
    }
    return .failed(id, leaseID: leaseID, error: error)
  }
}

/// The fields of a failure.
struct FailBody {
  var jobID: String?
  private var error: String?
  private var isRetryable = true
  private var retryAfter: Int64?
  private var leaseID: LeaseID?
  private var holdGroup: Int64 = 0

  mutating func read(_ field: FailField, _ json: inout JSONReader) throws(Rejection) {
    switch field {
    case .jobID: jobID = try json.string("job_id", limit: Bounds.jobIDBytes)
    case .error: error = cutText(try json.mendedString("error"))
    case .retryable: isRetryable = try json.boolean("retryable")
    case .retryAfter: retryAfter = try json.duration("retry_after", 0...604_800_000)
    case .holdGroup: holdGroup = try json.duration("hold_group", Bounds.groupHold)
    case .leaseID: leaseID = try json.leaseID("lease_id")
    }
  }

  func end(of id: JobID) throws(Rejection) -> AttemptEnd {
    // An empty one counts: who says so little has failed all the same.
    guard let error else {
      throw Rejection(.missingField, field: "error", "error is missing: say what went wrong")
    }
    if !isRetryable, retryAfter != nil {
      throw Rejection(
        .contradiction, field: "retry_after", "retry_after contradicts retryable: false: give one of them")
    }
    var end = AttemptEnd.failed(
      id, leaseID: try required(leaseID), error: error, isRetryable: isRetryable, retryAfterMilliseconds: retryAfter)
    end.holdGroupMilliseconds = holdGroup
    return end
  }
}

/// The fields of a heartbeat.
struct ExtendBody {
  var jobID: String?
  private var leaseID: LeaseID?
  private var duration: Int64?
  private var progress: ArraySlice<UInt8>?
  /// The progress was too large to be kept; the lease is extended all the same.
  private(set) var hasDroppedProgress = false

  mutating func read(_ field: ExtendField, _ json: inout JSONReader) throws(Rejection) {
    switch field {
    case .jobID: jobID = try json.string("job_id", limit: Bounds.jobIDBytes)
    case .leaseID: leaseID = try json.leaseID("lease_id")
    case .lease: duration = try json.duration("lease", Bounds.lease)
    case .progress:
      let raw = try json.rawValue()
      hasDroppedProgress = raw.count > Bounds.progressBytes
      progress = hasDroppedProgress ? nil : raw
    }
  }

  func extend(_ id: JobID) throws(Rejection) -> LeaseExtension {
    LeaseExtension(id: id, leaseID: try required(leaseID), leaseMilliseconds: duration, progress: progress)
  }
}

/// A text of at most 16 KiB: a longer one is cut, and says so at its end. Whatever a worker reports under its lease must
/// count: a failure refused for its text would leave the job RUNNING until its lease ends.
func cutText(_ text: String) -> String {
  let bytes = text.utf8
  guard bytes.count > Bounds.errorBytes else { return text }
  let mark = "… [cut, it had \(bytes.count) bytes]"
  var end = bytes.index(bytes.startIndex, offsetBy: Bounds.errorBytes - mark.utf8.count)
  while bytes[end] & 0xC0 == 0x80 { end = bytes.index(before: end) }
  return String(decoding: bytes[..<end], as: UTF8.self) + mark
}

/// A lease's token where it is needed.
func required(_ leaseID: LeaseID?) throws(Rejection) -> LeaseID {
  guard let leaseID else {
    throw Rejection(.leaseIDRequired, field: "lease_id", "lease_id is missing: send the one that came with the job")
  }
  return leaseID
}

private enum NextField: String, CaseIterable { case queues, order, weights, lease, wait, workerID = "worker_id" }

private let nextTable = FieldTable(NextField.self)

/// The fields of `lease_next`, under its name.
let leaseNextFields = nextTable.allNames.map { "\(AckField.leaseNext.rawValue).\($0)" }

extension JSONReader {
  /// Queue names of a lease: 1 to 32, repeated ones once.
  mutating func leaseQueues(_ name: String) throws(Rejection) -> [String] {
    var queues: [String] = []
    let tooMany = outOfRange(name, "a list of 1 to \(Bounds.queuesPerLease) queues")
    try array(name) { (place, json) throws(Rejection) in
      let queue = try json.queueName("\(name)[\(place)]")
      if !queues.contains(queue) { queues.append(queue) }
      guard queues.count <= Bounds.queuesPerLease else { throw tooMany }
    }
    guard !queues.isEmpty else { throw tooMany }
    return queues
  }

  /// Queues with a weight each, 1 to 1000: all of them in a random order, in which one comes before another as often as
  /// their weights are to each other (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
  mutating func weightedQueues(_ name: String) throws(Rejection) -> [String] {
    var drawn: [(queue: String, key: Double)] = []
    try dictionary(name) { (queue, json) throws(Rejection) in
      let place = "\(name).\(queue.prefix(64))"
      guard isQueueName(queue) else { throw json.outOfRange(place, "named as a queue: A-Z a-z 0-9 . _ : -") }
      let weight = Double(try json.integer(place, 1...1_000))
      drawn.append((queue, -Double.random(in: Double.leastNonzeroMagnitude..<1).logarithm / weight))
    }
    guard (1...Bounds.queuesPerLease).contains(drawn.count) else {
      throw outOfRange(name, "an object of 1 to \(Bounds.queuesPerLease) queues")
    }
    return drawn.sorted { $0.key < $1.key }.map(\.queue)
  }

  /// Whether the queues are to be taken in the order they are listed in; otherwise priority and age decide among all.
  mutating func isListed(_ name: String) throws(Rejection) -> Bool {
    switch try string(name) {
    case "listed": return true
    case "priority": return false
    default: throw outOfRange(name, "priority or listed")
    }
  }

  /// The wish for a next job: as a lease of one job.
  fileprivate mutating func leaseNext(_ name: String, keyID: String) throws(Rejection) -> LeaseRequest {
    var wish = LeaseRequest(
      queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "", keyID: keyID)
    var choice = QueueChoice()
    try object(name, nextTable) { (field, json) throws(Rejection) in
      if try json.takeNull() { return }
      switch field {
      case .queues: choice.listed = try json.leaseQueues("queues")
      case .order: choice.isListed = try json.isListed("order")
      case .weights: choice.drawn = try json.weightedQueues("weights")
      case .lease: wish.leaseMilliseconds = try json.duration("lease", Bounds.lease)
      case .wait: wish.waitMilliseconds = try json.duration("wait", Bounds.wait)
      case .workerID: wish.workerID = try json.plainText("worker_id", 0...200)
      }
    }
    try choice.apply(to: &wish)
    return wish
  }
}

/// Which queues a lease is from, and in which order: listed, or drawn by weight.
struct QueueChoice {
  var listed: [String]?
  var isListed: Bool?
  var drawn: [String]?

  func apply(to wish: inout LeaseRequest) throws(Rejection) {
    if let drawn {
      guard listed == nil, isListed == nil else {
        throw Rejection(
          .contradiction, field: "weights", "weights names the queues and their order: leave queues and order out")
      }
      (wish.queues, wish.isListed) = (drawn, true)
      return
    }
    if let listed { wish.queues = listed }
    if let isListed { wish.isListed = isListed }
  }
}

extension Double {
  fileprivate var logarithm: Double { log(self) }
}
