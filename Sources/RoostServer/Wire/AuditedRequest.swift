import RoostAPI
import RoostCore
import RoostKeys

/// What of a request the audit log hears.
struct AuditedRequest {
  let audit: AuditLog
  let route: Route
  let parameter: String
  let caller: Caller
  let peer: AddressBlock?
  let id: RequestID

  /// Writes down what became of it, before it is answered.
  func record(_ outcome: Result<Answer, Rejection>) async {
    switch outcome {
    case .success(let answer): await record(refusal: nil, answer.audited)
    case .failure(let rejection): await record(refusal: rejection.code)
    }
  }

  /// - Parameter audited: What the path does not say.
  func record(refusal: ErrorCode?, _ audited: (target: String, details: [String: String])? = nil) async {
    guard let action = route.audit.action(by: caller, isDone: refusal == nil) else { return }
    var event = AuditEvent(
      action, by: .key(caller), target: audited?.target ?? targetInPath, outcome: refusal?.rawValue ?? "done",
      details: audited?.details ?? [:])
    event.address = peer.map { "\($0)" }
    event.requestID = id.description
    await audit.record(event)
  }

  /// The queue that the path names, or the id. A text that is no id is left out: it could be anything, a secret too.
  private var targetInPath: String? {
    if route.path.hasPrefix("/queues/{queue}/groups/{group}") {
      return isGroupPath(parameter) && APIKey.publicID(in: parameter) == nil ? parameter : nil
    }
    if route.path.hasPrefix("/queues/{queue}") {
      return isQueueName(parameter) && APIKey.publicID(in: parameter) == nil ? parameter : nil
    }
    if route.path.hasPrefix("/schedules/{schedule}") {
      return isScheduleName(parameter) && APIKey.publicID(in: parameter) == nil ? parameter : nil
    }
    if route.path.hasPrefix("/operations/") { return UInt64(parameter).map { "\($0)" } }
    return JobID(parameter)?.description ?? APIKey.publicID(in: parameter)
  }
}
