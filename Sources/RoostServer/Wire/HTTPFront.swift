import Logging
import NIOCore
import RoostAPI
import RoostEngine
import RoostKeys
import Synchronization

/// Judges requests and carries them to the routes, whichever version of HTTP brought them.
///
/// A request is judged at its head, before a byte of its body is kept (`admit`), and its key once more when it is
/// carried out (`reply`), if time has passed.
final class HTTPFront: Sendable {
  private let door: EngineDoor
  private let backend: @Sendable (Engine) -> Backend
  private let authenticator: Authenticator
  let configuration: ServerConfiguration
  private let table: RouteTable
  private let audit: AuditLog?
  let metrics: HTTPMetrics
  private let logger: Logger
  private let requestPrefix = String(UInt64.random(in: .min ... .max), radix: 16)
  private let requestCount = Atomic<UInt64>(0)

  /// - Parameter backend: What the routes work with once there is an engine.
  init(
    door: EngineDoor, backend: @escaping @Sendable (Engine) -> Backend, authenticator: Authenticator,
    configuration: ServerConfiguration, audit: AuditLog?, registry: PrometheusRegistry, logger: Logger,
    table: RouteTable = .all
  ) {
    self.table = table
    metrics = HTTPMetrics(table: table, factory: registry)
    self.door = door
    self.backend = backend
    self.authenticator = authenticator
    self.configuration = configuration
    self.audit = audit
    self.logger = logger
  }

  var engine: Engine? { door.engine }

  /// A name for a request whose client gave it none.
  func newRequestID() -> String {
    requestPrefix + "-" + String(requestCount.wrappingAdd(1, ordering: .relaxed).newValue, radix: 16)
  }

  // MARK: At the head

  /// A request whose head was judged: it is allowed, or refused to a caller that is known.
  struct Admitted: Sendable {
    /// What is wrong with it: no byte of its body is wanted.
    fileprivate(set) var refusal: Rejection?
    let route: Route
    let parameters: [String]
    fileprivate(set) var query: Query
    /// nil: the log is still being replayed, and the route answers all the same.
    let backend: Backend?
    let caller: Caller?
    /// When its key was judged.
    private let at = ContinuousClock.now

    /// Whether the key need not be judged again: a body may take its time, and the key may end meanwhile.
    var isFresh: Bool { ContinuousClock.now - at < .milliseconds(500) }

    fileprivate init(_ found: Found, _ caller: Caller?) {
      (route, parameters, backend) = found
      self.caller = caller
      query = Query()
    }
  }

  /// Judges a head without waiting for anybody.
  ///
  /// - Returns: nil if the key store must be asked: `admitAsking` does.
  func admit(_ request: IncomingRequest, _ peer: AddressBlock?) throws(Rejection) -> Admitted? {
    let found = try find(request)
    guard found.route.scope != nil, found.backend != nil else { return admitted(found, nil, request) }
    guard let token = try? Authenticator.token(inHeader: request.authorization, apiKey: request.apiKey),
      let caller = authenticator.cached(token)
    else { return nil }
    return admitted(found, caller, request)
  }

  /// Judges a head, and asks the key store if need be.
  func admitAsking(_ request: IncomingRequest, _ peer: AddressBlock?) async throws(Rejection) -> Admitted {
    let found = try find(request)
    var caller: Caller?
    if found.route.scope != nil, found.backend != nil { caller = try await authenticate(request, peer) }
    return admitted(found, caller, request)
  }

  fileprivate typealias Found = (route: Route, parameters: [String], backend: Backend?)

  private func find(_ request: IncomingRequest) throws(Rejection) -> Found {
    if let refusal = configuration.refusal(target: request.target) { throw refusal }
    let (route, parameters) = try table.find(request.method, request.path)
    if let engine = door.engine { return (route, parameters, backend(engine)) }
    guard route.early != nil else {
      throw Rejection(.starting, "the daemon replays its log: try again shortly; /readyz tells how far it is")
        .retryAfter(1)
    }
    return (route, parameters, nil)
  }

  private func admitted(_ found: Found, _ caller: Caller?, _ request: IncomingRequest) -> Admitted {
    var admitted = Admitted(found, caller)
    do throws(Rejection) {
      if let caller, let scope = found.route.scope, !caller.may(ScopeSet(scope)) {
        throw Rejection(.forbiddenScope, "this key lacks the scope \(scope.rawValue): use a key that has it")
          .with("scope", scope.rawValue)
      }
      if let refusal = configuration.refusal(request, bytes: request.contentLength ?? 0) { throw refusal }
      if request.isEncoded { throw configuration.encodedBody }
      if let problem = request.problem { throw problem }
      admitted.query = try Query(request.target.dropFirst(request.path.utf8.count + 1), known: found.route.parameters)
    } catch {
      admitted.refusal = error
    }
    return admitted
  }

  private func authenticate(_ request: IncomingRequest, _ peer: AddressBlock?) async throws(Rejection) -> Caller {
    do throws(AuthRejection) {
      return try await authenticator.authenticate(
        header: request.authorization, apiKey: request.apiKey, from: peer)
    } catch {
      let rejection = Rejection(error)
      metrics.authFailed(rejection.code)
      throw rejection
    }
  }

  // MARK: The answer

  /// An answer on its way to the wire.
  struct Reply: Sendable {
    var answer: Answer
    let requestID: String
    /// When the request was complete.
    fileprivate let start: ContinuousClock.Instant

    /// Whether the status and length stand for a body that is not sent.
    var isHead: Bool
  }

  /// Carries out a request, or says why it was refused.
  func reply(
    to request: IncomingRequest, _ judged: Result<Admitted, Rejection>, _ exchange: Exchange, from peer: AddressBlock?
  ) async -> Reply {
    let start = ContinuousClock.now
    var answer: Answer
    do throws(Rejection) {
      answer = try await carryOut(request, try judged.get(), exchange, peer)
    } catch {
      answer = refused(await error.explained(by: door.engine), requestID: request.requestID)
    }
    if !answer.grants.isEmpty, let engine = door.engine {
      let grants = answer.grants
      // Rare, and nobody is left to await it: the connection is gone.
      exchange.onLoss { Task { await engine.undelivered(batch: grants) } }
    }
    let reply = Reply(answer: answer, requestID: request.requestID, start: start, isHead: request.isHead)
    if answer.stream == nil { note(reply, request, exchange, bytesOut: answer.body.count) }
    return reply
  }

  /// The answer of a route that needs nobody; nil: `reply` must be awaited.
  func immediateReply(to request: IncomingRequest, _ admitted: Admitted, _ exchange: Exchange) -> Reply? {
    guard let immediate = admitted.route.immediate, admitted.refusal == nil else { return nil }
    exchange.route.store(admitted.route.index, ordering: .relaxed)
    let reply = Reply(answer: immediate(), requestID: request.requestID, start: .now, isHead: request.isHead)
    note(reply, request, exchange, bytesOut: reply.answer.body.count)
    return reply
  }

  /// The answer to a request that was refused before any route saw it.
  func refusal(_ rejection: Rejection, of request: IncomingRequest, _ exchange: Exchange) -> Reply {
    if let route = try? table.find(request.method, request.path).0 {
      exchange.route.store(route.index, ordering: .relaxed)
    }
    let reply = Reply(
      answer: refused(rejection, requestID: request.requestID), requestID: request.requestID, start: .now,
      isHead: request.isHead)
    note(reply, request, exchange, bytesOut: reply.answer.body.count)
    return reply
  }

  /// Counts a refusal, and puts it into words.
  func refused(_ rejection: Rejection, requestID: String) -> Answer {
    if rejection.status >= 500 {
      logger.warning(
        "refused",
        metadata: [
          "code": "\(rejection.code.rawValue)", "reason": "\(APIKey.masked(rejection.message))",
          "request_id": "\(requestID)",
        ])
    }
    metrics.refused(rejection.code)
    return Answer(rejection, requestID: requestID)
  }

  private func carryOut(
    _ request: IncomingRequest, _ admitted: Admitted, _ exchange: Exchange, _ peer: AddressBlock?
  ) async throws(Rejection) -> Answer {
    let route = admitted.route
    exchange.route.store(route.index, ordering: .relaxed)
    guard let backend = admitted.backend else { return route.early!(door.progress) }
    var caller = admitted.caller
    if caller != nil, !admitted.isFresh {
      caller = try await authenticate(request, peer)
    }
    if configuration.accessLog { exchange.identify(caller) }
    guard let audit, let caller, route.audit != .never else {
      return try await perform(request, admitted, exchange, caller, peer, backend)
    }
    let audited = AuditedRequest(
      audit: audit, route: route, parameters: admitted.parameters, caller: caller, peer: peer,
      requestID: request.requestID)
    do throws(Rejection) {
      let answer = try await perform(request, admitted, exchange, caller, peer, backend)
      await audited.record(.success(answer))
      return answer
    } catch {
      await audited.record(.failure(error))
      throw error
    }
  }

  private func perform(
    _ head: IncomingRequest, _ admitted: Admitted, _ exchange: Exchange, _ caller: Caller?, _ peer: AddressBlock?,
    _ backend: Backend
  ) async throws(Rejection) -> Answer {
    if let refusal = admitted.refusal { throw refusal }
    var request = RouteRequest(
      parameters: admitted.parameters, query: admitted.query,
      body: exchange.body.map { Array($0.readableBytesView) } ?? [], identity: caller)
    request.idempotencyKey = head.idempotencyKey
    request.traceparent = head.traceparent
    request.onDisconnect = { exchange.onDisconnect($0) }
    request.isDisconnected = { exchange.isDisconnected }
    request.stream = exchange.stream
    request.authenticator = authenticator
    return try await admitted.route.handler(request, backend)
  }

  // MARK: Counting

  /// Counts an answer, and logs it if that is wanted: before it is written, or when its last part is.
  func note(_ reply: Reply, _ request: IncomingRequest, _ exchange: Exchange, bytesOut: Int) {
    let duration = ContinuousClock.now - reply.start
    let route = exchange.route.load(ordering: .relaxed)
    metrics.answered(route: route < 0 ? nil : route, status: reply.answer.status, after: duration)
    guard configuration.accessLog else { return }
    let bytesIn = exchange.stream?.count ?? exchange.body?.readableBytes ?? 0
    log(request, reply.answer.status, bytesIn: bytesIn, bytesOut: bytesOut, duration, exchange.caller)
  }

  /// The same for a request that went through a lane.
  func note(_ response: DirectResponse, _ entry: DirectTable.Entry) {
    let duration = ContinuousClock.now - entry.start
    metrics.answered(route: entry.route.index, status: response.status, after: duration)
    guard let request = entry.logged else { return }
    log(
      request, response.status, bytesIn: request.contentLength ?? 0, bytesOut: response.body.count, duration,
      entry.caller)
  }

  private func log(
    _ request: IncomingRequest, _ status: Int, bytesIn: Int, bytesOut: Int, _ duration: Duration, _ caller: Caller?
  ) {
    var metadata: Logger.Metadata = [
      "method": "\(request.method)", "path": "\(APIKey.masked(String(request.path), bareSecrets: true))",
      "status": .stringConvertible(status),
      "microseconds": .stringConvertible(Int64(duration / .microseconds(1))),
      "bytes_in": .stringConvertible(bytesIn), "bytes_out": .stringConvertible(bytesOut),
      "request_id": "\(request.requestID)",
    ]
    if let caller {
      metadata["key_id"] = "\(caller.keyID)"
      metadata["owner_id"] = "\(caller.ownerID)"
    }
    logger.info("request", metadata: metadata)
  }
}
