import Dispatch
import Logging
import Metrics
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// The way of other fronts than HTTP to what the routes do: the same keys, scopes, audit and refusals, for requests that
/// are decoded already.
package struct CallFront: Sendable {
  /// A call, as its front took it.
  package struct Call: Sendable {
    /// Under which it is logged.
    package let id: String
    /// The value of `Authorization`, and of `X-API-Key`.
    package var authorization: String?
    package var apiKey: String?
    package var peer: AddressBlock?
    /// W3C Trace Context as it came; what has not its form is ignored.
    package var traceparent: String?
    package var tracestate: String?
    /// Calls back when the client is gone before it has its answer.
    package var onDisconnect: @Sendable (@escaping @Sendable () -> Void) -> Void = { _ in }
    package var isDisconnected: @Sendable () -> Bool = { false }
    fileprivate let requestID: RequestID

    package init() {
      requestID = .made()
      id = requestID.description
    }

    fileprivate var parent: String? { traceparent.flatMap(TraceContext.parent) }
    fileprivate var state: String? { tracestate.flatMap(TraceContext.state) }
  }

  /// A call whose caller is known and may make it.
  package struct Admitted: Sendable {
    /// For the other half of a route; its `body` and `parameter` are the front's to set.
    package var request: RouteRequest
    package let backend: Backend
  }

  private let door: EngineDoor
  private let authenticator: Authenticator
  private let audit: AuditLog?
  private let authFailures: [ErrorCode: Counter]
  private let configuration: ServerConfiguration
  private let logger: Logger

  init(
    door: EngineDoor, authenticator: Authenticator, configuration: ServerConfiguration, audit: AuditLog?,
    registry: PrometheusRegistry, logger: Logger
  ) {
    self.door = door
    self.authenticator = authenticator
    self.configuration = configuration
    self.audit = audit
    self.logger = logger
    authFailures = HTTPMetrics.countersByCode(.authFailures, registry)
  }

  /// What of the server's configuration other fronts keep to as well.
  package var limits: ServerConfiguration { configuration }

  /// nil: the log is still being replayed.
  package var engine: Engine? { door.engine }

  /// The route whose scope and line in the audit log a call shares.
  package static func route(_ method: String, _ path: String) -> Route {
    guard let route = RouteTable.all.routes.first(where: { $0.method == method && $0.path == path }) else {
      preconditionFailure("there is a route \(method) \(path)")
    }
    return route
  }

  /// Judges who calls, and whether they may.
  ///
  /// - Parameter scopes: Those beside the route's own.
  package func admit(
    _ call: Call, to route: Route, scopes: [Scope] = []
  ) async throws(Rejection) -> Admitted {
    guard let backend = door.backend else {
      throw Rejection(.starting, "the daemon replays its log: try again shortly; /readyz tells how far it is")
        .retryAfter(1)
    }
    let caller = try await authenticate(call)
    if let refusal = backend.requestQuotas.refusal(of: caller) { throw refusal }
    for scope in [route.scope].compactMap({ $0 }) + scopes { try caller.require(scope) }
    guard configuration.budget.hasRoom else {
      throw Rejection(.overloaded, "too many bytes are in memory at once: try again shortly").retryAfter(1)
    }
    var request = RouteRequest(parameter: "", query: Query(), body: [], identity: caller)
    request.carry(call.parent, call.state, nil)
    request.onDisconnect = call.onDisconnect
    request.isDisconnected = call.isDisconnected
    request.authenticator = authenticator
    return Admitted(request: request, backend: backend)
  }

  /// Carries out a call, with a span of its own where requests have one, and writes into the audit log what its route
  /// would.
  ///
  /// - Parameters:
  ///   - parameter: What HTTP has in the route's path.
  ///   - status: The number of the status of gRPC that a code stands for.
  package func perform<Value: Sendable>(
    _ call: Call, _ route: Route, parameter: String = "", status: (ErrorCode) -> Int,
    _ work: (RouteRequest, Backend) async throws(Rejection) -> Value
  ) async throws(Rejection) -> Value {
    let admitted = try await admit(call, to: route)
    var request = admitted.request
    request.parameter = parameter
    guard let tracing = configuration.tracing,
      let span = tracing.begin(route, parameter, call.parent, call.state)
    else { return try await carryOut(call, route, request, admitted.backend, work) }
    request.carry(call.parent, call.state, span)
    do throws(Rejection) {
      let value = try await carryOut(call, route, request, admitted.backend, work)
      span.end(grpcStatus: 0, code: nil)
      return value
    } catch {
      span.end(grpcStatus: status(error.code), code: error.code)
      throw error
    }
  }

  private func carryOut<Value: Sendable>(
    _ call: Call, _ route: Route, _ request: RouteRequest, _ backend: Backend,
    _ work: (RouteRequest, Backend) async throws(Rejection) -> Value
  ) async throws(Rejection) -> Value {
    // A process that must end lets the answer leave.
    let inFlight = configuration.answers.enter()
    defer { inFlight.leave() }
    guard let audit, route.audit != .never else { return try await work(request, backend) }
    let audited = AuditedRequest(
      audit: audit, route: route, parameter: request.parameter, caller: request.caller, peer: call.peer,
      id: call.requestID)
    do throws(Rejection) {
      let value = try await work(request, backend)
      await audited.record(refusal: nil)
      return value
    } catch {
      await audited.record(refusal: error.code)
      throw error
    }
  }

  /// A refusal as it may be told: with what helps, without keys.
  package func told(_ rejection: Rejection, _ call: Call) async -> Rejection {
    let told = await rejection.explained(by: door.engine).masked
    if told.status >= 500 {
      var metadata: Logger.Metadata = [
        "code": "\(told.code.rawValue)", "reason": "\(told.message)", "request_id": "\(call.id)",
      ]
      if let trace = TraceContext.traceID(call.traceparent) { metadata["trace_id"] = "\(trace)" }
      logger.warning("refused", metadata: metadata)
    }
    return told
  }

  private func authenticate(_ call: Call) async throws(Rejection) -> Caller {
    do throws(AuthRejection) {
      return try await authenticator.authenticate(
        header: call.authorization, apiKey: call.apiKey, from: call.peer)
    } catch {
      let rejection = Rejection(error)
      authFailures[rejection.code]?.increment()
      throw rejection
    }
  }
}
