import GRPCCore
import NIOHPACK
import RoostKeys
import RoostProto
import RoostServer

/// What a method is judged by, before any of its message is read.
struct CallRule: Sendable {
  let method: String
  /// The route whose scope and line in the audit log it shares.
  let route: Route
  /// Scopes beside the route's own.
  let scopes: [Scope]
  /// Its messages are answered while they come; of any other call there is one.
  let isStream: Bool

  init(_ method: String, _ route: Route, scopes: [Scope] = [], isStream: Bool = false) {
    (self.method, self.route, self.scopes, self.isStream) = (method, route, scopes, isStream)
  }

  static let submit = CallRule("Submit", CallFront.route("POST", "/jobs"))
  static let submitMany = CallRule("SubmitMany", CallFront.route("POST", "/jobs/batch"))
  static let get = CallRule("Get", CallFront.route("GET", "/jobs/{id}"))
  static let cancel = CallRule("Cancel", CallFront.route("POST", "/jobs/{id}/cancel"))
  static let lease = CallRule("Lease", CallFront.route("POST", "/jobs/lease"))
  static let acknowledge = CallRule("Ack", CallFront.route("POST", "/jobs/{id}/ack"))
  static let fail = CallRule("Fail", CallFront.route("POST", "/jobs/{id}/fail"))
  static let extend = CallRule("Extend", CallFront.route("POST", "/jobs/{id}/extend"))
  static let release = CallRule("Release", CallFront.route("POST", "/jobs/{id}/release"))
  static let work = CallRule("Work", lease.route, scopes: [.ack], isStream: true)

  private static let all = [
    submit, submitMany, get, cancel, lease, acknowledge, fail, extend, release, work,
  ]

  /// By the paths of the methods.
  private static let byPath: [String: CallRule] = {
    let rules = Dictionary(uniqueKeysWithValues: all.map { ($0.method, $0) })
    var byPath: [String: CallRule] = [:]
    for method in Roost_V1_Roost.Method.descriptors {
      guard let rule = rules[method.method] else { preconditionFailure("\(method.method) has a rule") }
      byPath["/" + method.fullyQualifiedMethod] = rule
    }
    return byPath
  }()

  /// nil: this is no call of a method that there is; the library knows what to answer, and needs no message for it.
  static func of(_ head: HPACKHeaders) -> CallRule? {
    guard head.first(name: "content-type")?.hasPrefix("application/grpc") == true else { return nil }
    return head.first(name: ":path").flatMap { byPath[$0] }
  }
}
