import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import RoostAPI
import Synchronization

/// Answers requests in a daemon's place: method, path with query, and body.
package typealias LocalDaemon =
  @Sendable (_ method: String, _ path: String, _ body: [UInt8]) async -> (
    status: Int, headers: [(String, String)], body: [UInt8]
  )

/// Connections to one daemon: sends a request, again if need be, and turns what is no success into `RoostError`.
package final class Transport: Sendable {
  /// What is asked.
  struct Request: Sendable {
    var method: HTTPMethod
    /// From `/`, query included, percent-encoded.
    var path: String
    var body: [UInt8]?
    /// How long the daemon itself may take, for long polls.
    var wait: Duration = .zero
    /// How long one attempt may take, if not as long as the configuration says.
    var timeout: Duration?
    /// Whether being carried out twice is no more than being carried out once.
    var isIdempotent = true

    static func get(_ path: String) -> Request { Request(method: .GET, path: path) }
    static func delete(_ path: String) -> Request { Request(method: .DELETE, path: path) }
    static func put(_ path: String, _ body: [UInt8]) -> Request { Request(method: .PUT, path: path, body: body) }
    static func patch(_ path: String, _ body: [UInt8]) -> Request { Request(method: .PATCH, path: path, body: body) }
    static func post(_ path: String, _ body: [UInt8]? = nil) -> Request {
      Request(method: .POST, path: path, body: body)
    }
  }

  package let configuration: ClientConfiguration
  private let http: HTTPClient
  /// Where the daemon is: the first that answers is asked until it does not.
  private let bases: [String]
  private let preferred = Atomic(0)
  /// The value of the header.
  package let authorization: String
  private let settings: HTTPClient.Configuration
  /// What answers in the daemon's place; nil: a daemon.
  private let local: LocalDaemon?

  /// - Parameter urls: At least one.
  init(urls: [String], key: String, configuration: ClientConfiguration) throws(RoostError) {
    self.configuration = configuration
    var bases: [String] = []
    for url in urls { bases.append(try Self.checked(url)) }
    guard !bases.isEmpty else {
      throw RoostError(.invalidConfiguration, "there is no URL of a daemon: give one at least")
    }
    self.bases = bases
    local = nil
    // A key is plain ASCII without spaces; anything else could break out of the header.
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw RoostError(.invalidConfiguration, "this is no API key: it must be visible ASCII, without spaces")
    }
    authorization = "Bearer \(key)"
    var settings = HTTPClient.Configuration()
    var tls = try TLSSettings.make(configuration.trustRoots, configuration.certificate)
    if !configuration.checksCertificateName { tls.certificateVerification = .noHostnameVerification }
    settings.tlsConfiguration = tls
    settings.redirectConfiguration = .disallow
    settings.timeout.connect = .seconds(5)
    settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, configuration.maxConnections)
    // Well before the daemon closes, after two minutes.
    settings.connectionPool.idleTimeout = .seconds(60)
    // Repetition is decided here, so that a refused connection is known at once.
    settings.connectionPool.retryConnectionEstablishment = false
    // Its spans would begin traces of their own, one for each poll; the daemon's say what became of a request.
    settings.tracing.tracer = nil
    self.settings = settings
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
  }

  /// One that asks what stands in for a daemon in this process.
  init(local: @escaping LocalDaemon, configuration: ClientConfiguration) {
    self.configuration = configuration
    self.local = local
    (bases, authorization) = (["local"], "")
    settings = HTTPClient.Configuration()
    http = HTTPClient(eventLoopGroupProvider: .singleton)
  }

  /// Connections for one stream, which says something every fifteen seconds: a silence of three times that is its end.
  func streamClient() -> HTTPClient {
    var settings = settings
    settings.timeout.read = .seconds(45)
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
  }

  /// The address that is asked now.
  var base: String { bases[preferred.load(ordering: .relaxed)] }

  /// An address did not answer: the next one is asked from now on.
  func leave(_ base: String) { if let place = bases.firstIndex(of: base) { turn(from: place) } }

  deinit {
    // The closing of connections outlives the last reference to them.
    Task { [http] in try? await http.shutdown() }
  }

  /// Sends a request until it is answered, within the bounds of the configuration.
  func send(_ request: Request) async throws -> [UInt8] {
    let retry = configuration.retry
    let deadline = ContinuousClock.now + retry.deadline
    var backoff = Backoff(retry)
    var attempt = 1
    while true {
      do throws(Failure) {
        return try await sendOnce(request)
      } catch {
        guard case .refused(let error) = error else { throw CancellationError() }
        let pause = backoff.pause(atLeast: error.retryAfter)
        guard error.isRetryable, request.isIdempotent || error.wasNotTaken, attempt < retry.maxAttempts,
          ContinuousClock.now + pause < deadline
        else { throw error }
        configuration.logger.debug(
          "asking again", metadata: ["path": "\(request.path)", "attempt": "\(attempt)", "error": "\(error)"])
        attempt += 1
        // Another address answers at once, or not; only after all of them there is something to wait for.
        if attempt % bases.count != 1 % bases.count, error.code == .unreachable { continue }
        try await Task.sleep(for: pause)
      }
    }
  }

  /// Why one attempt failed.
  enum Failure: Error {
    case cancelled
    case refused(RoostError)
  }

  /// Sends a request once.
  func sendOnce(_ request: Request) async throws(Failure) -> [UInt8] {
    if let local { return try await Self.send(request, to: local) }
    let place = preferred.load(ordering: .relaxed)
    let base = bases[place]
    let time = (request.timeout ?? configuration.requestTimeout) + request.wait
    let response: HTTPClient.Response
    do {
      // Futures rather than `async` calls: their deadlines and cancellation wait for no thread of Swift's pool.
      let message = try message(request, base)
      let task = http.execute(
        request: message, delegate: ResponseAccumulator(request: message, maxBodySize: Self.maxAnswerBytes),
        deadline: .now() + .milliseconds(time.milliseconds))
      response = try await withTaskCancellationHandler {
        try await task.get()
      } onCancel: {
        task.cancel()
      }
    } catch {
      if Task.isCancelled { throw .cancelled }
      turn(from: place)
      let reason = TLSSettings.reason(
        error, showsNone: base.hasPrefix("https") && configuration.certificate == nil)
      throw .refused(
        RoostError(.unreachable, "no answer from \(base): \(reason)", Self.wasSent(error) ? .unanswered : .unsent))
    }
    let body = response.body.map { Array($0.readableBytesView) } ?? []
    guard (200..<300).contains(response.status.code) else {
      // Stopping, starting, or a proxy that reaches nothing behind it: another address may be better off.
      if [502, 503, 504].contains(response.status.code) { turn(from: place) }
      throw .refused(RoostError(answer: body, status: Int(response.status.code), headers: response.headers))
    }
    return body
  }

  /// Sends the end of an attempt once. A page with status 200 is no acknowledgement.
  ///
  /// - Returns: The job's state, and when it is tried again.
  func endOnce(_ request: Request) async throws(Failure) -> (state: JobState, runAt: Date?) {
    let answer = try await sendOnce(request)
    do throws(RoostError) {
      let fields = try JSONFields(answer)
      return (JobState(rawValue: try fields.required("state", JSONFields.text)), fields.date("run_at"))
    } catch {
      throw .refused(error)
    }
  }

  private static func send(_ request: Request, to local: LocalDaemon) async throws(Failure) -> [UInt8] {
    let reply = await local(request.method.rawValue, request.path, request.body ?? [])
    guard (200..<300).contains(reply.status) else {
      if Task.isCancelled { throw .cancelled }
      throw .refused(RoostError(answer: reply.body, status: reply.status, headers: HTTPHeaders(reply.headers)))
    }
    return reply.body
  }

  /// The next address is asked from now on, unless another request has found that out already.
  private func turn(from place: Int) {
    guard bases.count > 1 else { return }
    _ = preferred.compareExchange(expected: place, desired: (place + 1) % bases.count, ordering: .relaxed)
  }

  private func message(_ request: Request, _ base: String) throws -> HTTPClient.Request {
    var message = try HTTPClient.Request(url: base + request.path, method: request.method)
    message.headers.add(name: "Authorization", value: authorization)
    if let trace = JobTrace.current {
      message.headers.add(name: "traceparent", value: trace.traceparent)
      if let state = trace.tracestate { message.headers.add(name: "tracestate", value: state) }
    }
    if let body = request.body {
      message.headers.add(name: "Content-Type", value: "application/json")
      message.body = .byteBuffer(ByteBuffer(bytes: body))
    }
    return message
  }

  /// Requests carry the current trace in their headers. What stands in for a daemon has none, so there the job says it.
  func traced(_ options: JobOptions) -> JobOptions {
    guard local != nil, options.traceparent == nil, let trace = JobTrace.current else { return options }
    var options = options
    options.traceparent = trace.traceparent
    options.tracestate = options.tracestate ?? trace.tracestate
    return options
  }

  /// Whether a request without an answer may have reached the daemon.
  static func wasSent(_ error: any Error) -> Bool {
    switch error {
    case is NIOConnectionError: false
    case let error as HTTPClientError: error != .connectTimeout && error != .getConnectionFromPoolTimeout
    default: true
    }
  }

  private static let maxAnswerBytes = 64 << 20

  /// Checks a URL and takes the slash off its end.
  private static func checked(_ url: String) throws(RoostError) -> String {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      scheme == "http" || scheme == "https", let host = parts.host, !host.isEmpty
    else {
      throw RoostError(.invalidConfiguration, "this is no URL of a daemon: it must look like http://127.0.0.1:8080")
    }
    guard parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil else {
      throw RoostError(.invalidConfiguration, "the URL of a daemon has no user, query or fragment: remove them")
    }
    return url.hasSuffix("/") ? String(url.dropLast()) : url
  }
}

extension RoostError {
  /// What a refusal says.
  init(answer: [UInt8], status: Int, headers: HTTPHeaders) {
    // A year at most: the number may come from anyone, and is added to a clock's time.
    let retryAfter = headers.first(name: "Retry-After").flatMap(Int.init).map { seconds in
      Duration.seconds(min(max(0, seconds), 365 * 86_400))
    }
    let requestID = headers.first(name: "X-Request-ID")
    guard let fields = try? JSONFields(answer), let code = fields.text("code"), Self.isRoost(code, status, fields)
    else {
      self.init(
        .unexpectedAnswer, "status \(status), and no answer of a Roost daemon", .foreign, status: status,
        requestID: requestID, retryAfter: retryAfter)
      return
    }
    self.init(
      Code(rawValue: code), fields.message, .daemon, status: status,
      requestID: requestID ?? fields.text("request_id"), field: fields.object("details")?.text("field"),
      retryAfter: retryAfter, existingJob: fields.existingJob)
  }
}

extension RoostError {
  /// Others say `code`, too. It is the daemon's if it stands beside the id that the daemon gives each request, or is a
  /// code that nobody else uses, with its own status. Gateways number their requests as well where they let nobody in: a
  /// 401 or 403 is the daemon's only with one of its codes.
  private static func isRoost(_ code: String, _ status: Int, _ fields: JSONFields) -> Bool {
    let known = ErrorCode(rawValue: code).flatMap { $0.status == status ? $0 : nil }
    if fields.text("request_id") != nil { return known != nil || status != 401 && status != 403 }
    return known.map { $0 != .forbidden && $0 != .badRequest && $0 != .internalError } ?? false
  }
}

extension JSONFields {
  /// What an error says to a person; daemons and gateways for old clients call it `error`.
  var message: String { text("message") ?? text("error") ?? "" }

  /// The job that an idempotency key belongs to.
  var existingJob: JobID? {
    (object("details")?.text("existing_job_id") ?? text("existing_job_id")).map { JobID($0) }
  }
}

/// A path's part or a query's value, percent-encoded but for what needs no encoding anywhere.
package func percentEncoded(_ text: String) -> String {
  text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
}

private let unreserved = CharacterSet(
  charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
