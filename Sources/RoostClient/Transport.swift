import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import RoostAPI

/// Connections to one daemon: sends a request, again if need be, and turns what is no success into `RoostError`.
final class Transport: Sendable {
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

    static func get(_ path: String) -> Request { Request(method: .GET, path: path) }
    static func delete(_ path: String) -> Request { Request(method: .DELETE, path: path) }
    static func post(_ path: String, _ body: [UInt8]? = nil) -> Request {
      Request(method: .POST, path: path, body: body)
    }
  }

  let configuration: ClientConfiguration
  private let http: HTTPClient
  private let base: String
  private let authorization: String

  init(url: String, key: String, configuration: ClientConfiguration) throws(RoostError) {
    self.configuration = configuration
    base = try Self.checked(url)
    // A key is plain ASCII without spaces; anything else could break out of the header.
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw RoostError(.invalidConfiguration, "this is no API key: it must be visible ASCII, without spaces")
    }
    authorization = "Bearer \(key)"
    var settings = HTTPClient.Configuration()
    settings.tlsConfiguration = try Self.tls(configuration.trustRoots)
    settings.redirectConfiguration = .disallow
    settings.timeout.connect = .seconds(5)
    settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, configuration.maxConnections)
    // The daemon closes after 75 seconds.
    settings.connectionPool.idleTimeout = .seconds(60)
    // Repetition is decided here, so that a refused connection is known at once.
    settings.connectionPool.retryConnectionEstablishment = false
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
  }

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
        guard error.isRetryable, attempt < retry.maxAttempts, ContinuousClock.now + pause < deadline else {
          throw error
        }
        configuration.logger.debug(
          "asking again", metadata: ["path": "\(request.path)", "attempt": "\(attempt)", "error": "\(error)"])
        attempt += 1
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
    var message = HTTPClientRequest(url: base + request.path)
    message.method = request.method
    message.headers.add(name: "Authorization", value: authorization)
    if let body = request.body {
      message.headers.add(name: "Content-Type", value: "application/json")
      message.body = .bytes(ByteBuffer(bytes: body))
    }
    let response: HTTPClientResponse
    let body: [UInt8]
    do {
      let time = TimeAmount.milliseconds(
        ((request.timeout ?? configuration.requestTimeout) + request.wait).milliseconds)
      response = try await http.execute(message, timeout: time)
      body = Array((try await response.body.collect(upTo: Self.maxAnswerBytes)).readableBytesView)
    } catch {
      if Task.isCancelled { throw .cancelled }
      throw .refused(RoostError(.unreachable, "no answer from \(base): \(error)"))
    }
    guard (200..<300).contains(response.status.code) else {
      throw .refused(RoostError(answer: body, status: Int(response.status.code), headers: response.headers))
    }
    return body
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

  private static func tls(_ roots: ClientConfiguration.TrustRoots) throws(RoostError) -> TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    do {
      switch roots {
      case .system: break
      case .file(let path): configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
      case .pem(let text):
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(text.utf8)))
      }
    } catch {
      throw RoostError(.invalidConfiguration, "the trust roots cannot be read: \(error)")
    }
    return configuration
  }
}

extension RoostError {
  /// What a refusal says.
  init(answer: [UInt8], status: Int, headers: HTTPHeaders) {
    let retryAfter = headers.first(name: "Retry-After").flatMap(Int.init).map { Duration.seconds(max(0, $0)) }
    let fields = try? JSONFields(answer)
    let requestID = headers.first(name: "X-Request-ID")
    guard let fields, let code = fields.text("code") else {
      self.init(
        .unexpectedAnswer, "status \(status), and no answer of a Roost daemon", status: status, requestID: requestID,
        retryAfter: retryAfter)
      return
    }
    self.init(
      Code(rawValue: code), fields.text("message") ?? "", status: status,
      requestID: requestID ?? fields.text("request_id"), field: fields.object("details")?.text("field"),
      retryAfter: retryAfter, existingJob: fields.object("details")?.text("existing_job_id").map { JobID($0) })
  }
}

/// A path's part or a query's value, percent-encoded but for what needs no encoding anywhere.
func percentEncoded(_ text: String) -> String {
  text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
}

private let unreserved = CharacterSet(
  charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
