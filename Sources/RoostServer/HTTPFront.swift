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
  private let backend: Backend
  private let authenticator: Authenticator
  private let configuration: ServerConfiguration
  private let logger: Logger
  private let requestPrefix = String(UInt64.random(in: .min ... .max), radix: 16)
  private let requestCount = Atomic<UInt64>(0)

  init(backend: Backend, authenticator: Authenticator, configuration: ServerConfiguration, logger: Logger) {
    self.backend = backend
    self.authenticator = authenticator
    self.configuration = configuration
    self.logger = logger
  }

  /// Answers one request of a connection.
  func respond(_ head: HTTPRequest, _ writer: consuming ResponseWriter, _ queue: ConnectionQueue) async throws {
    let exchange = queue.next()
    let start = configuration.accessLog ? ContinuousClock.now : nil
    let requestID = requestID(head.headerFields[.requestID])
    let answer: Answer
    do throws(Rejection) {
      answer = try await route(head, exchange)
    } catch {
      if error.status >= 500 {
        logger.warning("refused", metadata: ["code": "\(error.code.rawValue)", "request_id": "\(requestID)"])
      }
      answer = Answer(error, requestID: requestID)
    }
    if let start { log(head, answer.status, .now - start, requestID) }
    if !answer.grants.isEmpty {
      let (engine, grants) = (backend.engine, answer.grants)
      // Rare, and nobody is left to await it: the connection is gone.
      exchange.onLoss { Task { await engine.undelivered(batch: grants) } }
    }
    let response = response(answer, requestID, closes: head.headerFields[.connection] == "close")
    let body = head.method == .head ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
    do {
      try await writer.write(response: response, body: body)
    } catch {
      exchange.lost()
      throw error
    }
  }

  private func route(_ head: HTTPRequest, _ exchange: Exchange) async throws(Rejection) -> Answer {
    if let refusal = exchange.refusal { throw refusal }
    let target = head.path ?? "/"
    let end = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
    let (route, parameters) = try RouteTable.all.find(head.method.rawValue, target[..<end])
    let caller = try await caller(route, head.headerFields[.authorization])
    let query = end < target.endIndex ? try Query(target[end...].dropFirst()) : Query()
    try query.require(route.parameters)
    let body = exchange.body.map { Array($0.readableBytesView) } ?? []
    var request = RouteRequest(parameters: parameters, query: query, body: body, identity: caller)
    request.idempotencyKey = head.headerFields[.idempotencyKey]
    request.onDisconnect = { exchange.onDisconnect($0) }
    request.isDisconnected = { exchange.isDisconnected }
    return try await route.handler(request, backend)
  }

  private func caller(_ route: Route, _ header: String?) async throws(Rejection) -> Caller? {
    guard let scope = route.scope else { return nil }
    let caller: Caller
    do throws(AuthRejection) {
      let token = try Authenticator.token(inHeader: header)
      if let known = authenticator.cached(token) {
        caller = known
      } else {
        caller = try await authenticator.authenticate(token: token)
      }
    } catch { throw Rejection(error) }
    guard caller.may(ScopeSet(scope)) else {
      throw Rejection(.forbiddenScope, "this key lacks the scope \(scope.rawValue): use a key that has it")
        .with("scope", scope.rawValue)
    }
    return caller
  }

  private func response(_ answer: Answer, _ requestID: String, closes: Bool) -> HTTPResponse {
    var fields = HTTPFields()
    fields.reserveCapacity(4 + answer.headers.count)
    fields.append(HTTPField(name: .contentType, value: answer.contentType))
    fields.append(HTTPField(name: .contentLength, value: String(answer.body.count)))
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

  private func log(_ head: HTTPRequest, _ status: Int, _ duration: Duration, _ requestID: String) {
    let path = (head.path ?? "").prefix { $0 != "?" }
    logger.info(
      "request",
      metadata: [
        "method": "\(head.method.rawValue)", "path": "\(APIKey.masked(String(path)))", "status": "\(status)",
        "microseconds": "\(duration / .microseconds(1))", "request_id": "\(requestID)",
      ])
  }
}

extension HTTPField.Name {
  fileprivate static let requestID = HTTPField.Name("X-Request-ID")!
  fileprivate static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}
