import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import RoostAPI
import RoostEngine
import RoostKeys
import Synchronization

/// Carries requests from HTTP to the routes and answers back.
final class HTTPFront: Sendable {
  private let door: EngineDoor
  private let backend: @Sendable (Engine) -> Backend
  private let authenticator: Authenticator
  private let configuration: ServerConfiguration
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

  /// Answers one request of a connection.
  func respond(_ head: HTTPRequest, _ writer: consuming ResponseWriter, _ queue: ConnectionQueue) async throws {
    let exchange = queue.next()
    let reply = await reply(to: head, exchange, queue.peer)
    do {
      try await writer.write(response: reply.head, body: responseBody(reply, head, exchange))
    } catch {
      exchange.lost()
      throw error
    }
  }

  private func responseBody(_ reply: Reply, _ head: HTTPRequest, _ exchange: Exchange) -> ResponseBody {
    guard let stream = reply.stream else { return reply.body.map { ResponseBody(byteBuffer: $0) } ?? ResponseBody() }
    return ResponseBody { writer in
      var count = 0
      defer { self.note(reply, head, exchange, bytesOut: count) }
      while let part = await stream.next() {
        count += part.count
        try await writer.write(ByteBuffer(bytes: part))
      }
      try await writer.finish(nil)
    }
  }

  /// Answers the request of a stream.
  func respond(_ request: StreamRequest, from peer: AddressBlock?) async {
    let reply = await reply(to: request.head, request.exchange, peer)
    do {
      guard let stream = reply.stream else { return try await request.answer(reply.head, reply.body) }
      var count = 0
      defer { note(reply, request.head, request.exchange, bytesOut: count) }
      try await request.begin(reply.head)
      while let part = await stream.next() {
        count += part.count
        try await request.add(ByteBuffer(bytes: part))
      }
      try await request.end()
    } catch {
      request.exchange.lost()
    }
  }

  /// An answer on its way to the wire.
  private struct Reply {
    let head: HTTPResponse
    let body: ByteBuffer?
    /// What follows.
    let stream: (any AnswerStream)?
    let requestID: String
    let start: ContinuousClock.Instant
  }

  private func reply(to head: HTTPRequest, _ exchange: Exchange, _ peer: AddressBlock?) async -> Reply {
    let start = ContinuousClock.now
    let requestID = requestID(head.headerFields[.requestID])
    let answer: Answer
    do throws(Rejection) {
      answer = try await route(head, exchange, peer, requestID)
    } catch {
      let refusal = await error.explained(by: door.engine)
      if refusal.status >= 500 { log(refusal, requestID) }
      answer = Answer(refusal, requestID: requestID)
      metrics.refused(refusal.code)
    }
    if !answer.grants.isEmpty, let engine = door.engine {
      let grants = answer.grants
      // Rare, and nobody is left to await it: the connection is gone.
      exchange.onLoss { Task { await engine.undelivered(batch: grants) } }
    }
    let reply = Reply(
      head: response(answer, requestID, closes: head.headerFields[.connection] == "close"),
      body: head.method == .head || answer.stream != nil ? nil : ByteBuffer(bytes: answer.body), stream: answer.stream,
      requestID: requestID, start: start)
    if reply.stream == nil { note(reply, head, exchange, bytesOut: answer.body.count) }
    return reply
  }

  private func log(_ refusal: Rejection, _ requestID: String) {
    logger.warning(
      "refused",
      metadata: [
        "code": "\(refusal.code.rawValue)", "reason": "\(APIKey.masked(refusal.message))", "request_id": "\(requestID)",
      ])
  }

  /// Counts an answer, and logs it if that is wanted: before it is written, or when its last part is.
  private func note(_ reply: Reply, _ head: HTTPRequest, _ exchange: Exchange, bytesOut: Int) {
    let duration = ContinuousClock.now - reply.start
    let route = exchange.route.load(ordering: .relaxed)
    metrics.answered(route: route < 0 ? nil : route, status: reply.head.status.code, after: duration)
    if configuration.accessLog { log(head, reply, bytesOut, duration, exchange) }
  }

  private func route(
    _ head: HTTPRequest, _ exchange: Exchange, _ peer: AddressBlock?, _ requestID: String
  ) async throws(Rejection) -> Answer {
    if let refusal = exchange.refusal { throw refusal }
    let target = head.path ?? "/"
    let path = pathPart(of: target)
    let (route, parameters) = try table.find(head.method.rawValue, path)
    exchange.route.store(route.index, ordering: .relaxed)
    guard let engine = door.engine else { return try early(route) }
    let backend = backend(engine)
    let caller = try await caller(route, head.headerFields, peer)
    if configuration.accessLog { exchange.identify(caller) }
    let query = Substring(target.utf8[path.endIndex...].dropFirst())
    guard let audit, let caller, route.audit != .never else {
      return try await perform(route, parameters, query, head, exchange, caller, peer, backend)
    }
    let audited = AuditedRequest(
      audit: audit, route: route, parameters: parameters, caller: caller, peer: peer, requestID: requestID)
    do throws(Rejection) {
      let answer = try await perform(route, parameters, query, head, exchange, caller, peer, backend)
      await audited.record(.success(answer))
      return answer
    } catch {
      await audited.record(.failure(error))
      throw error
    }
  }

  /// The log is still being replayed.
  private func early(_ route: Route) throws(Rejection) -> Answer {
    if let early = route.early { return early(door.progress) }
    throw Rejection(.starting, "the daemon replays its log: try again shortly; /readyz tells how far it is")
      .retryAfter(1)
  }

  private func perform(
    _ route: Route, _ parameters: [String], _ queryText: Substring, _ head: HTTPRequest, _ exchange: Exchange,
    _ caller: Caller?, _ peer: AddressBlock?, _ backend: Backend
  ) async throws(Rejection) -> Answer {
    if let caller, let scope = route.scope, !caller.may(ScopeSet(scope)) {
      throw Rejection(.forbiddenScope, "this key lacks the scope \(scope.rawValue): use a key that has it")
        .with("scope", scope.rawValue)
    }
    let query = queryText.isEmpty ? Query() : try Query(queryText)
    try query.require(route.parameters)
    let body = exchange.body.map { Array($0.readableBytesView) } ?? []
    var request = RouteRequest(parameters: parameters, query: query, body: body, identity: caller)
    request.idempotencyKey = try onlyText(.idempotencyKey, in: head.headerFields)
    request.traceparent = head.headerFields[.traceparent].flatMap(TraceContext.parent)
    request.onDisconnect = { exchange.onDisconnect($0) }
    request.isDisconnected = { exchange.isDisconnected }
    request.stream = exchange.stream
    request.authenticator = authenticator
    return try await route.handler(request, backend)
  }

  private func caller(
    _ route: Route, _ fields: HTTPFields, _ peer: AddressBlock?
  ) async throws(Rejection) -> Caller? {
    guard route.scope != nil else { return nil }
    do throws(AuthRejection) {
      return try await authenticator.authenticate(
        header: fields[.authorization], apiKey: fields[.apiKey], from: peer)
    } catch {
      let rejection = Rejection(error)
      metrics.authFailed(rejection.code)
      throw rejection
    }
  }

  private func response(_ answer: Answer, _ requestID: String, closes: Bool) -> HTTPResponse {
    var fields = HTTPFields()
    fields.reserveCapacity(4 + answer.headers.count)
    fields.append(HTTPField(name: .contentType, value: answer.contentType))
    if answer.stream == nil { fields.append(HTTPField(name: .contentLength, value: String(answer.body.count))) }
    fields.append(HTTPField(name: .requestID, value: requestID))
    if closes { fields.append(HTTPField(name: .connection, value: "close")) }
    for header in answer.headers {
      if let name = HTTPField.Name(header.name) { fields.append(HTTPField(name: name, value: header.value)) }
    }
    return HTTPResponse(status: HTTPResponse.Status(code: answer.status), headerFields: fields)
  }

  /// The client's id if it is 1 to 128 visible ASCII characters, else one of our own.
  private func requestID(_ given: String?) -> String {
    if let given, (1...128).contains(given.utf8.count), given.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      return APIKey.masked(given)
    }
    let number = requestCount.wrappingAdd(1, ordering: .relaxed).newValue
    return requestPrefix + "-" + String(number, radix: 16)
  }

  private func log(
    _ head: HTTPRequest, _ reply: Reply, _ bytesOut: Int, _ duration: Duration, _ exchange: Exchange
  ) {
    let path = pathPart(of: head.path ?? "")
    var metadata: Logger.Metadata = [
      "method": "\(head.method.rawValue)", "path": "\(APIKey.masked(String(path), bareSecrets: true))",
      "status": .stringConvertible(reply.head.status.code),
      "microseconds": .stringConvertible(Int64(duration / .microseconds(1))),
      "bytes_in": .stringConvertible(exchange.stream?.count ?? exchange.body?.readableBytes ?? 0),
      "bytes_out": .stringConvertible(bytesOut), "request_id": "\(reply.requestID)",
    ]
    if let caller = exchange.caller {
      metadata["key_id"] = "\(caller.keyID)"
      metadata["owner_id"] = "\(caller.ownerID)"
    }
    logger.info("request", metadata: metadata)
  }
}

extension HTTPField.Name {
  fileprivate static let requestID = HTTPField.Name("X-Request-ID")!
  fileprivate static let traceparent = HTTPField.Name("traceparent")!
  fileprivate static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
  fileprivate static let apiKey = HTTPField.Name("X-API-Key")!
}
