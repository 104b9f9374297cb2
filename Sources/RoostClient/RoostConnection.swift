import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL

/// A daemon's address and a key: sends requests and takes apart what comes back.
/// The command line uses it as it is; it retries nothing by itself.
package struct RoostConnection: Sendable {
  /// Whoever asks decides whether to ask again: a refused connection is told at once, not at the end of the time.
  private static let client: HTTPClient = {
    var configuration = HTTPClient.Configuration.singletonConfiguration
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(configuration: configuration)
  }()

  private let base: String
  private let key: String?
  /// nil: the system's authorities, and no certificate.
  private let tls: TLSConfiguration?

  /// - Parameters:
  ///   - url: Such as `http://127.0.0.1:8080`; with or without a slash at the end.
  ///   - key: The API key; nil sends none.
  ///   - trust: Files with the authority to trust and the certificate to show.
  ///   - certificateCheck: Less than `full` only for who sends no key and asks the own machine.
  /// - Throws: ``RoostError`` with code `invalid_configuration` if one of the files cannot be used.
  package init(
    url: String, key: String?, trust: TrustFiles, certificateCheck: CertificateCheck = .full
  ) throws(RoostError) {
    base = url.hasSuffix("/") ? String(url.dropLast()) : url
    self.key = key
    guard trust.authority != nil || trust.certificate != nil || certificateCheck != .full else {
      tls = nil
      return
    }
    var tls = try TLSSettings.make(trust.roots, trust.clientCertificate)
    switch certificateCheck {
    case .full: break
    case .withoutName: tls.certificateVerification = .noHostnameVerification
    case .none: tls.certificateVerification = .none
    }
    self.tls = tls
  }

  /// Sends one request and reads the whole answer, at most 16 MiB.
  ///
  /// - Parameter timeoutMilliseconds: For everything together.
  /// - Throws: `unreachable` where no answer came; whether the request was carried out is then unknown.
  package func send(
    _ method: Method, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil,
    timeoutMilliseconds: Int64 = 30_000
  ) async throws(Unreachable) -> Reply {
    var request = HTTPClientRequest(url: base + path)
    request.method = HTTPMethod(rawValue: method.rawValue)
    request.tlsConfiguration = tls
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
    if let body {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    do {
      let response = try await Self.client.execute(request, timeout: .milliseconds(timeoutMilliseconds))
      let content = try await response.body.collect(upTo: 16 << 20)
      return Reply(status: Int(response.status.code), body: Array(content.readableBytesView))
    } catch {
      throw Unreachable(url: base, error, showsNone: tls?.privateKey == nil)
    }
  }

  /// What the command line asks with.
  package enum Method: String, Sendable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  /// What the daemon answered.
  package struct Reply: Sendable {
    package var status: Int
    package var body: [UInt8]
    package var isSuccess: Bool { (200..<300).contains(status) }
  }

  /// How the daemon's certificate is judged.
  package enum CertificateCheck: Sendable {
    /// Issued by an authority that is trusted, for the name in the URL.
    case full
    /// Issued by an authority that is trusted, for whatever name.
    case withoutName
    case none
  }
}
