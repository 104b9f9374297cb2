import Foundation
import Glibc
import RoostAPI
import RoostEngine
import RoostKeys
import RoostPush

/// What the routes work with.
package final class Backend: Sendable {
  package let engine: Engine
  package let keys: KeyService
  package let keyHealth: KeyStoreHealth
  /// When a key was used last, by its id.
  package let lastUse: @Sendable (_ keyID: String) -> Date?
  /// The largest payload, bytes.
  package let maxPayloadBytes: Int
  package let metrics: DaemonMetrics
  package let requestQuotas: RequestQuotas
  /// nil: nothing is written down.
  package let audit: AuditLog?
  /// What deliveries are signed with.
  package let signing: SigningSecrets
  /// The hosts that jobs are delivered to.
  package let targets: PushTargets
  /// Those who listen to events.
  let events: EventFeed

  package init(
    engine: Engine, keys: KeyService, keyHealth: KeyStoreHealth, lastUse: @escaping @Sendable (String) -> Date?,
    maxPayloadBytes: Int, metrics: DaemonMetrics, audit: AuditLog? = nil, signing: SigningSecrets = SigningSecrets(),
    targets: PushTargets = PushTargets(), eventListeners: Int = 1_000
  ) {
    self.engine = engine
    self.keys = keys
    self.keyHealth = keyHealth
    self.lastUse = lastUse
    self.maxPayloadBytes = maxPayloadBytes
    self.metrics = metrics
    requestQuotas = RequestQuotas(engine.quotas)
    self.audit = audit
    self.signing = signing
    self.targets = targets
    events = EventFeed(engine, limit: eventListeners)
  }
}

/// One row of the contract: method, path, the scope it needs, and what it does.
package final class Route: Sendable {
  package typealias Handler = @Sendable (RouteRequest, Backend) async throws(Rejection) -> Answer
  package typealias EarlyHandler = @Sendable (ReplayProgress, _ parameter: String) throws(Rejection) -> Answer

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
  fileprivate let segments: [Segment]
  /// Its place in its table.
  package let index: Int
  /// Whether its path has a `{…}`.
  fileprivate let hasParameters: Bool

  /// What of a path stands between two slashes.
  fileprivate enum Segment { case text([UInt8]), place }

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
    // `/` has one segment, which is empty.
    segments = path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
      $0.first == UInt8(ascii: "{") ? .place : .text(Array($0))
    }
    hasParameters = path.contains("{")
    index = 0
  }

  /// The same route in its table.
  fileprivate init(_ route: Route, at index: Int) {
    (method, path, scope, parameters) = (route.method, route.path, route.scope, route.parameters)
    (fields, audit, handler, direct) = (route.fields, route.audit, route.handler, route.direct)
    (immediate, early, segments) = (route.immediate, route.early, route.segments)
    hasParameters = route.hasParameters
    self.index = index
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
  package convenience init(_ method: String, _ path: String, answering answer: @escaping @Sendable () -> Answer) {
    self.init(method, path, nil, early: { (_, _) in answer() }, immediate: answer) { (_, _) throws(Rejection) in
      answer()
    }
  }
}

/// All routes; knows the methods of each path, so that a wrong method is 405 and not 404.
package struct RouteTable: Sendable {
  package static let all = RouteTable(
    jobRoutes + batchRoutes + graphRoutes + batchEndRoutes + historyRoutes + workerRoutes + listRoutes + queueRoutes
      + groupRoutes + scheduleRoutes + operationRoutes + pushRoutes + figureRoutes + eventRoutes + ownerRoutes
      + auditRoutes + keyRoutes
      + healthRoutes + metricsRoutes + contractRoutes
      + dashboardRoutes(.on))

  package let routes: [Route]
  private let byLength: [[Route]]

  package init(_ routes: [Route]) {
    let routes = routes.enumerated().map { Route($1, at: $0) }
    self.routes = routes
    let longest = routes.map(\.segments.count).max() ?? 0
    precondition(longest < Self.mostSegments, "a path has few segments")
    precondition(routes.allSatisfy { $0.path.count { $0 == "{" } <= 2 }, "a path has two {…} at most")
    byLength = (0...longest).map { length in
      let routes = routes.filter { $0.segments.count == length }
      return routes.filter { !$0.hasParameters } + routes.filter(\.hasParameters)
    }
  }

  private static let mostSegments = 8
  private typealias Segments = InlineArray<8, Range<Int>>

  /// The route of a method and a path without query, and what its path's `{…}` holds; empty where it has none, and with a
  /// slash between them where it has two.
  package func find(
    _ method: UnsafeRawBufferPointer, _ path: UnsafeRawBufferPointer
  ) throws(Rejection) -> (Route, parameter: String) {
    var segments = Segments(repeating: 0..<0)
    var count = split(path, &segments)
    var first = 0
    if count > 0, isSame(path, segments[0], Self.version) { (first, count) = (1, count - 1) }
    let wanted = isSame(method, 0..<method.count, Self.head) ? Self.get[...] : ArraySlice(method)
    var allowed: [String] = []
    var isNamed = false
    if count >= 0, count < byLength.count {
      for route in byLength[count] where matches(route.segments, path, segments, first) {
        // `/jobs/lease` is not the job of the id `lease`, whatever the method.
        if isNamed, route.hasParameters { break }
        if route.method.utf8.elementsEqual(wanted) {
          return (route, route.hasParameters ? try parameter(route.segments, path, segments, first) : "")
        }
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

  private static let version = Array("v1".utf8)
  private static let head = Array("HEAD".utf8)
  private static let get = Array("GET".utf8)

  /// Finds what stands behind each slash of a path. Returns how many there are; -1 if they are more than any route has.
  private func split(_ path: UnsafeRawBufferPointer, _ segments: inout Segments) -> Int {
    guard let slash = path.firstIndex(of: UInt8(ascii: "/")) else { return 0 }
    var count = 0
    var start = slash + 1
    for at in start...path.count where at == path.count || path[at] == UInt8(ascii: "/") {
      guard count < Self.mostSegments else { return -1 }
      segments[count] = start..<at
      count += 1
      start = at + 1
    }
    return count
  }

  private func isSame(_ path: UnsafeRawBufferPointer, _ range: Range<Int>, _ text: [UInt8]) -> Bool {
    guard range.count == text.count else { return false }
    guard !text.isEmpty else { return true }
    return text.withUnsafeBytes { memcmp($0.baseAddress!, path.baseAddress! + range.lowerBound, range.count) == 0 }
  }

  private func matches(
    _ pattern: [Route.Segment], _ path: UnsafeRawBufferPointer, _ segments: borrowing Segments, _ first: Int
  ) -> Bool {
    // From behind: that is where routes of a length differ most.
    for place in pattern.indices.reversed() {
      switch pattern[place] {
      case .place: if segments[first + place].isEmpty { return false }
      case .text(let text): if !isSame(path, segments[first + place], text) { return false }
      }
    }
    return true
  }

  private func parameter(
    _ pattern: [Route.Segment], _ path: UnsafeRawBufferPointer, _ segments: borrowing Segments, _ first: Int
  ) throws(Rejection) -> String {
    var found: String?
    for (place, segment) in pattern.enumerated() {
      guard case .place = segment else { continue }
      let bytes = UnsafeRawBufferPointer(rebasing: path[segments[first + place]])
      guard let text = String(validating: bytes, as: UTF8.self), let value = percentDecoded(text) else {
        throw Rejection(.badRequest, "the path is not valid percent-encoded UTF-8")
      }
      guard let before = found else {
        found = value
        continue
      }
      guard !before.utf8.contains(UInt8(ascii: "/")) else {
        throw Rejection(.badRequest, "the path has a %2F where only its last part may have one")
      }
      return before + "/" + value
    }
    guard let found else { preconditionFailure("the route has a {…}") }
    return found
  }
}
