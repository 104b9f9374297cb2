import RoostAPI
import RoostEngine
import RoostKeys

/// What the routes work with.
package struct Backend: Sendable {
  package let engine: Engine
  package let keys: KeyService
  package let keyStore: any KeyStore
  /// The largest payload, bytes.
  package let maxPayloadBytes: Int
}

/// One row of the contract: method, path, the scope it needs, and what it does.
package struct Route: Sendable {
  package typealias Handler = @Sendable (RouteRequest, Backend) async throws(Rejection) -> Answer

  package let method: String
  /// `/jobs/{id}/ack`; served under `/v1` too.
  package let path: String
  /// nil: no key is needed.
  package let scope: Scope?
  /// The query parameters it knows.
  package let parameters: [String]
  package let handler: Handler
  fileprivate let segments: [Substring]

  package init(
    _ method: String, _ path: String, _ scope: Scope?, parameters: [String] = [], _ handler: @escaping Handler
  ) {
    self.method = method
    self.path = path
    self.scope = scope
    self.parameters = parameters
    self.handler = handler
    segments = path.split(separator: "/")
  }
}

/// All routes; knows the methods of each path, so that a wrong method is 405 and not 404.
package struct RouteTable: Sendable {
  package static let all = RouteTable(
    jobRoutes + batchRoutes + historyRoutes + workerRoutes + listRoutes + keyRoutes + healthRoutes)

  package let routes: [Route]
  private let byLength: [[Route]]

  package init(_ routes: [Route]) {
    self.routes = routes
    let longest = routes.map(\.segments.count).max() ?? 0
    byLength = (0...longest).map { length in routes.filter { $0.segments.count == length } }
  }

  /// The route of a method and a path without query, and what its path's `{…}` hold.
  package func find(_ method: String, _ path: Substring) throws(Rejection) -> (Route, [String]) {
    var segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    if segments.first == "v1" { segments = segments.dropFirst() }
    let wanted = method == "HEAD" ? "GET" : method
    var allowed: [String] = []
    if segments.count < byLength.count {
      for route in byLength[segments.count] where matches(route.segments, segments) {
        if route.method == wanted { return (route, try parameters(route.segments, segments)) }
        // `/jobs/lease` is not the job of the id `lease`.
        if !allowed.isEmpty, route.path.contains("{") { continue }
        allowed += route.method == "GET" ? ["GET", "HEAD"] : [route.method]
      }
    }
    guard !allowed.isEmpty else {
      throw Rejection(.routeNotFound, "there is no such route: the routes are listed in docs/http-api.md")
    }
    let list = allowed.joined(separator: ", ")
    throw Rejection(.methodNotAllowed, "this path knows only \(list)").header("Allow", list)
  }

  private func matches(_ pattern: [Substring], _ path: ArraySlice<Substring>) -> Bool {
    zip(pattern, path).allSatisfy { $0.utf8.first == UInt8(ascii: "{") ? !$1.isEmpty : $0 == $1 }
  }

  private func parameters(_ pattern: [Substring], _ path: ArraySlice<Substring>) throws(Rejection) -> [String] {
    var values: [String] = []
    for (part, text) in zip(pattern, path) where part.utf8.first == UInt8(ascii: "{") {
      guard let value = percentDecoded(text) else {
        throw Rejection(.badRequest, "the path is not valid percent-encoded UTF-8")
      }
      values.append(value)
    }
    return values
  }
}
