import Foundation
import RoostAPI
import RoostEngine
import RoostKeys

/// What the routes work with.
package struct Backend: Sendable {
  package let engine: Engine
  package let keys: KeyService
  package let keyHealth: KeyStoreHealth
  /// When a key was used last, by its id.
  package let lastUse: @Sendable (_ keyID: String) -> Date?
  /// The largest payload, bytes.
  package let maxPayloadBytes: Int
  package let metrics: DaemonMetrics
}

/// One row of the contract: method, path, the scope it needs, and what it does.
package struct Route: Sendable {
  package typealias Handler = @Sendable (RouteRequest, Backend) async throws(Rejection) -> Answer
  package typealias EarlyHandler = @Sendable (ReplayProgress) -> Answer

  package let method: String
  /// `/jobs/{id}/ack`; served under `/v1` too.
  package let path: String
  /// nil: no key is needed.
  package let scope: Scope?
  /// The query parameters it knows.
  package let parameters: [String]
  /// The fields its body may have, those of an object inside as `retry.max`; empty: it takes no body.
  package let fields: [String]
  /// Whether, and under which name, the audit log hears of it.
  package let audit: Audit
  package let handler: Handler
  /// Answers what need not wait, straight through the loop's lane; nil: the handler answers everything.
  package let direct: DirectRoute?
  /// Answers at once, on whatever thread asks; nil: the handler does.
  package let immediate: (@Sendable () -> Answer)?
  /// Answers while the log is still being replayed; nil: 503 `starting`.
  package let early: EarlyHandler?
  fileprivate let segments: [Substring]
  /// Its place in its table.
  package fileprivate(set) var index = 0
  /// Whether its path has a `{…}`.
  fileprivate let hasParameters: Bool

  package init(
    _ method: String, _ path: String, _ scope: Scope?, parameters: [String] = [], fields: [String] = [],
    audit: Audit = .never, early: EarlyHandler? = nil, direct: DirectRoute? = nil,
    immediate: (@Sendable () -> Answer)? = nil, _ handler: @escaping Handler
  ) {
    self.method = method
    self.path = path
    self.scope = scope
    self.parameters = parameters
    self.fields = fields
    self.audit = audit
    self.handler = handler
    self.direct = direct
    self.immediate = immediate
    self.early = early
    segments = path.split(separator: "/")
    hasParameters = path.contains("{")
  }
}

/// What of a route's requests stands in the audit log, once its caller is known.
package enum Audit: Sendable, Equatable {
  case never
  /// Every request.
  case always(String)
  /// Those that were refused: looking changes nothing, but who tried to is worth knowing.
  case refused(String)
  /// Those of admins, who reach what belongs to others.
  case ofAdmins(String)

  /// The action's name, if a request of this caller with this outcome belongs into the log.
  func action(by caller: Caller, isDone: Bool) -> String? {
    switch self {
    case .never: nil
    case .always(let action): action
    case .refused(let action): isDone ? nil : action
    case .ofAdmins(let action): caller.type == .admin ? action : nil
    }
  }
}

extension Route {
  /// One whose answer needs neither key nor engine.
  package init(_ method: String, _ path: String, answering answer: @escaping @Sendable () -> Answer) {
    self.init(method, path, nil, early: { _ in answer() }, immediate: answer) { (_, _) throws(Rejection) in answer() }
  }
}

/// All routes; knows the methods of each path, so that a wrong method is 405 and not 404.
package struct RouteTable: Sendable {
  package static let all = RouteTable(
    jobRoutes + batchRoutes + historyRoutes + workerRoutes + listRoutes + keyRoutes + healthRoutes + metricsRoutes
      + contractRoutes)

  package let routes: [Route]
  private let byLength: [[Route]]

  package init(_ routes: [Route]) {
    var routes = routes
    for index in routes.indices { routes[index].index = index }
    self.routes = routes
    let longest = routes.map(\.segments.count).max() ?? 0
    byLength = (0...longest).map { length in
      let routes = routes.filter { $0.segments.count == length }
      return routes.filter { !$0.hasParameters } + routes.filter(\.hasParameters)
    }
  }

  /// The route of a method and a path without query, and what its path's `{…}` hold.
  package func find(_ method: String, _ path: Substring) throws(Rejection) -> (Route, [String]) {
    var segments = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { Substring($0) }.dropFirst()
    if segments.first == "v1" { segments = segments.dropFirst() }
    let wanted = method == "HEAD" ? "GET" : method
    var allowed: [String] = []
    var isNamed = false
    if segments.count < byLength.count {
      for route in byLength[segments.count] where matches(route.segments, segments) {
        // `/jobs/lease` is not the job of the id `lease`, whatever the method.
        if isNamed, route.hasParameters { break }
        if route.method == wanted { return (route, try parameters(route.segments, segments)) }
        isNamed = !route.hasParameters
        allowed += route.method == "GET" ? ["GET", "HEAD"] : [route.method]
      }
    }
    guard !allowed.isEmpty else {
      throw Rejection(.routeNotFound, "there is no such route: the routes are listed in /openapi.yaml")
    }
    let list = allowed.joined(separator: ", ")
    throw Rejection(.methodNotAllowed, "this path knows only \(list)").header("Allow", list)
  }

  private func matches(_ pattern: [Substring], _ path: ArraySlice<Substring>) -> Bool {
    zip(pattern, path).allSatisfy { $0.isPlace ? !$1.isEmpty : $0.utf8.elementsEqual($1.utf8) }
  }

  private func parameters(_ pattern: [Substring], _ path: ArraySlice<Substring>) throws(Rejection) -> [String] {
    var values: [String] = []
    for (part, text) in zip(pattern, path) where part.isPlace {
      guard let value = percentDecoded(text) else {
        throw Rejection(.badRequest, "the path is not valid percent-encoded UTF-8")
      }
      values.append(value)
    }
    return values
  }
}

extension Substring {
  /// Whether it stands for whatever a path has there: `{id}`.
  fileprivate var isPlace: Bool { utf8.first == UInt8(ascii: "{") }
}
