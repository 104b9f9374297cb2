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
  private let authenticator: Authenticator
  let configuration: ServerConfiguration
  private let table: RouteTable
  private let audit: AuditLog?
  let metrics: HTTPMetrics
  private let logger: Logger

  init(
    door: EngineDoor, authenticator: Authenticator, configuration: ServerConfiguration, audit: AuditLog?,
    registry: PrometheusRegistry, logger: Logger, table: RouteTable = .all
  ) {
    self.table = table
    metrics = HTTPMetrics(table: table, factory: registry)
    self.door = door
    self.authenticator = authenticator
    self.configuration = configuration
    self.audit = audit
    self.logger = logger
  }

  var engine: Engine? { door.engine }

  // MARK: At the head

  /// A request whose head was judged: it is allowed, or refused to a caller that is known.
  final class Admitted: Sendable {
    /// What is wrong with it: no byte of its body is wanted.
    let refusal: Rejection?
    let route: Route
    /// What stood in the place of the `{…}` of the route's path; empty where there is none.
    let parameter: String
    let query: Query
    let idempotencyKey: String?
    /// nil: the log is still being replayed, and the route answers all the same.
    let backend: Backend?
    let caller: Caller?
    /// When its key was judged.
    fileprivate let at = ContinuousClock.now
    /// The authenticator's, from before that.
    fileprivate let flushCount: UInt64

    fileprivate init(_ found: Found, _ judged: Judged, _ details: Details, _ refusal: Rejection?) {
      (route, parameter, backend) = (found.route, found.parameter, found.backend)
      (query, idempotencyKey) = (details.query, details.idempotencyKey)
      (caller, flushCount) = judged
      self.refusal = refusal
    }

    /// What its head says beside method, path and key.
    fileprivate struct Details {
      var query = Query()
      var idempotencyKey: String?
    }
  }

  /// Judges a head without waiting for anybody.
  ///
  /// - Parameter memos: The keys that the connection brought before.
  /// - Returns: nil if the key store must be asked: `admitAsking` does.
  func admit(_ request: IncomingRequest, _ memos: inout KeyMemos) throws(Rejection) -> Admitted? {
    let found = try findOpen(request)
    let flushCount = authenticator.flushCount
    guard found.route.scope != nil, found.backend != nil else { return admitted(found, (nil, flushCount), request) }
    if let caller = request.withAuthorization({ memos.caller($0, authenticator) }) {
      return admitted(found, (caller, flushCount), request)
    }
    let (header, apiKey) = (request.authorization, request.apiKey)
    // Beside another header that may hold the key this one says nothing.
    guard let token = try? Authenticator.token(inHeader: header, apiKey: apiKey),
      let judged = authenticator.judge(token, apiKey == nil ? header : nil)
    else { return nil }
    memos.add(judged)
    return admitted(found, (judged.caller, flushCount), request)
  }

  /// Judges a head, and asks the key store if need be.
  func admitAsking(_ request: IncomingRequest, _ peer: AddressBlock?) async throws(Rejection) -> Admitted {
    let found = try findOpen(request)
    let flushCount = authenticator.flushCount
    var caller: Caller?
    if found.route.scope != nil, found.backend != nil { caller = try await authenticate(request, peer) }
    return admitted(found, (caller, flushCount), request)
  }

  /// Whether the key need not be judged again: a body may take its time, and the key may end meanwhile.
  func isFresh(_ admitted: Admitted, at now: ContinuousClock.Instant) -> Bool {
    guard now - admitted.at < .milliseconds(500) else { return false }
    return admitted.caller.map { authenticator.holds($0, since: admitted.flushCount) } ?? true
  }

  fileprivate typealias Judged = (caller: Caller?, flushCount: UInt64)
  fileprivate typealias Found = (route: Route, parameter: String, pathBytes: Int, hasQuery: Bool, backend: Backend?)

  /// What is asked for, whether it can be had yet or not.
  private func find(_ request: IncomingRequest) throws(Rejection) -> Found {
    try request.withMethodAndTarget { (method, target) throws(Rejection) in
      if let refusal = configuration.refusal(targetBytes: target.count) { throw refusal }
      let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.count
      let (route, parameter) = try table.find(method, UnsafeRawBufferPointer(rebasing: target[..<end]))
      return (route, parameter, end, end < target.count, door.backend)
    }
  }

  /// The same where it must be had now.
  private func findOpen(_ request: IncomingRequest) throws(Rejection) -> Found {
    let found = try find(request)
    guard found.backend != nil || found.route.early != nil else {
      throw Rejection(.starting, "the daemon replays its log: try again shortly; /readyz tells how far it is")
        .retryAfter(1)
    }
    return found
  }

  private func admitted(_ found: Found, _ judged: Judged, _ request: IncomingRequest) -> Admitted {
    let caller = judged.caller
    do throws(Rejection) {
      if let caller, let refusal = found.backend?.requestQuotas.refusal(of: caller) { throw refusal }
      if let caller, let scope = found.route.scope { try caller.require(scope) }
      let bytes = request.contentLength ?? 0
      if let refusal = configuration.refusal(request, to: found.route, bytes: bytes) { throw refusal }
      if request.isEncoded { throw configuration.encodedBody }
      var details = Admitted.Details()
      details.idempotencyKey = try request.idempotencyKey()
      if found.hasQuery {
        let query = request.target.utf8.dropFirst(found.pathBytes + 1)
        details.query = try Query(Substring(query), known: found.route.parameters)
      }
      return Admitted(found, judged, details, nil)
    } catch {
      return Admitted(found, judged, Admitted.Details(), error)
    }
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
    let id: RequestID
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
    if let tracing = configuration.tracing, case .success(let admitted) = judged {
      exchange.span = tracing.begin(admitted.route, admitted.parameter, request)
    }
    do throws(Rejection) {
      answer = try await carryOut(request, try judged.get(), exchange, peer)
      // One whose parts come one by one ends with the last of them.
      if answer.stream == nil { exchange.span?.end(status: answer.status, code: nil) }
    } catch {
      let explained = await error.explained(by: door.engine)
      exchange.span?.end(status: explained.status, code: explained.code.rawValue)
      answer = refused(explained, request.id, exchange.span?.traceparent ?? request.traceparent)
    }
    if request.isHead { answer.stream = nil }
    if !answer.grants.isEmpty, let engine = door.engine {
      let grants = answer.grants
      // Rare, and nobody is left to await it: the connection is gone.
      exchange.onLoss { Task { await engine.undelivered(batch: grants) } }
    }
    let reply = Reply(answer: answer, id: request.id, start: start, isHead: request.isHead)
    if answer.stream == nil { note(reply, request, exchange, bytesOut: answer.body.count) }
    return reply
  }

  /// The answer of a route that needs nobody; nil: `reply` must be awaited.
  func immediateReply(to request: IncomingRequest, _ admitted: Admitted, _ exchange: Exchange) -> Reply? {
    guard let immediate = admitted.route.immediate, admitted.refusal == nil else { return nil }
    exchange.route.store(admitted.route.index, ordering: .relaxed)
    let reply = Reply(answer: immediate(), id: request.id, start: .now, isHead: request.isHead)
    note(reply, request, exchange, bytesOut: reply.answer.body.count)
    return reply
  }

  /// The answer to a request that was refused before any route saw it.
  func refusal(_ rejection: Rejection, of request: IncomingRequest, _ exchange: Exchange) -> Reply {
    if let route = try? find(request).route {
      exchange.route.store(route.index, ordering: .relaxed)
    }
    let reply = Reply(
      answer: refused(rejection, request.id, request.traceparent), id: request.id, start: .now,
      isHead: request.isHead)
    note(reply, request, exchange, bytesOut: reply.answer.body.count)
    return reply
  }

  /// Counts a refusal, and puts it into words.
  func refused(
    _ rejection: Rejection, _ id: RequestID, _ traceparent: @autoclosure () -> String?
  ) -> Answer {
    if rejection.status >= 500 {
      var metadata: Logger.Metadata = [
        "code": "\(rejection.code.rawValue)", "reason": "\(APIKey.masked(rejection.message))", "request_id": "\(id)",
      ]
      if let trace = TraceContext.traceID(traceparent()) { metadata["trace_id"] = "\(trace)" }
      logger.warning("refused", metadata: metadata)
    }
    metrics.refused(rejection.code)
    return Answer(rejection, requestID: id.description)
  }

  private func carryOut(
    _ request: IncomingRequest, _ admitted: Admitted, _ exchange: Exchange, _ peer: AddressBlock?
  ) async throws(Rejection) -> Answer {
    let route = admitted.route
    exchange.route.store(route.index, ordering: .relaxed)
    guard let backend = admitted.backend else { return try route.early!(door.progress, admitted.parameter) }
    var caller = admitted.caller
    if caller != nil, !isFresh(admitted, at: .now) {
      caller = try await authenticate(request, peer)
    }
    if configuration.accessLog { exchange.identify(caller) }
    guard let audit, let caller, route.audit != .never else {
      return try await perform(request, admitted, exchange, caller, peer, backend)
    }
    let audited = AuditedRequest(
      audit: audit, route: route, parameter: admitted.parameter, caller: caller, peer: peer, id: request.id)
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
      parameter: admitted.parameter, query: admitted.query,
      body: exchange.body.map { Array($0.readableBytesView) } ?? [], identity: caller)
    request.idempotencyKey = admitted.idempotencyKey
    request.carry(head, exchange.span)
    request.ifNoneMatch = head.ifNoneMatch
    request.lastEventID = head.lastEventID
    request.onDisconnect = { exchange.onDisconnect($0) }
    request.isDisconnected = { exchange.isDisconnected }
    request.stream = exchange.stream
    request.authenticator = authenticator
    return try await admitted.route.handler(request, backend)
  }

  // MARK: Counting

  /// Counts an answer, and logs it if that is wanted: before it is written, or when its last part is.
  func note(_ reply: Reply, _ request: IncomingRequest, _ exchange: Exchange, bytesOut: Int) {
    if reply.answer.stream != nil { exchange.span?.end(status: reply.answer.status, code: nil) }
    let duration = ContinuousClock.now - reply.start
    let route = exchange.route.load(ordering: .relaxed)
    metrics.answered(route: route < 0 ? nil : route, status: reply.answer.status, after: duration)
    guard configuration.accessLog else { return }
    let bytesIn = exchange.stream?.count ?? exchange.body?.readableBytes ?? 0
    log(request, reply.answer.status, bytesIn: bytesIn, bytesOut: bytesOut, duration, exchange.caller, exchange.span)
  }

  /// The same for a request that went through a lane.
  func note(_ response: DirectResponse, _ entry: DirectTable.Entry) {
    let duration = ContinuousClock.now - entry.start
    metrics.answered(route: entry.route.index, status: response.status, after: duration)
    guard let request = entry.logged else { return }
    log(
      request, response.status, bytesIn: request.contentLength ?? 0, bytesOut: response.body.count, duration,
      entry.caller, entry.span)
  }

  private func log(
    _ request: IncomingRequest, _ status: Int, bytesIn: Int, bytesOut: Int, _ duration: Duration, _ caller: Caller?,
    _ span: RequestTrace?
  ) {
    let path = APIKey.masked(String(pathPart(of: request.target)), bareSecrets: true)
    var metadata: Logger.Metadata = [
      "method": "\(request.method)", "path": "\(path)",
      "status": .stringConvertible(status),
      "microseconds": .stringConvertible(Int64(duration / .microseconds(1))),
      "bytes_in": .stringConvertible(bytesIn), "bytes_out": .stringConvertible(bytesOut),
      "request_id": "\(request.id)",
    ]
    if let trace = TraceContext.traceID(span?.traceparent ?? request.traceparent) { metadata["trace_id"] = "\(trace)" }
    if let caller {
      metadata["key_id"] = "\(caller.keyID)"
      metadata["owner_id"] = "\(caller.ownerID)"
    }
    logger.info("request", metadata: metadata)
  }
}
