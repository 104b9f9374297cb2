import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import RoostClient
import RoostProto
import ServiceLifecycle
import UnixSignals

/// A ``Worker`` whose jobs come over one stream of gRPC, as soon as there are any, instead of by long polls: handlers,
/// configuration, key and certificates are the worker's.
///
/// ```swift
/// var worker = Worker(client: client, queues: ["email"])
/// worker.handle(SendEmail.self) { email, context in … }
/// try await GRPCWorker(worker, url: "http://127.0.0.1:9090").runUntilSignalled()
/// ```
///
/// Before it starts a job it confirms with the daemon that the job is still its own, so that one that lay in a buffer for
/// too long is not run twice. When the stream breaks its handlers go on: the worker opens another stream, confirms the
/// leases that it holds, and tells the outcomes that the daemon has not heard of. Everything else is as ``Worker`` does it.
public struct GRPCWorker: Service {
  let worker: Worker
  let target: Target
  /// Jobs that it may hold beside those that run.
  let prefetch: Int

  /// - Parameters:
  ///   - worker: With its handlers; `pollWait` is of no use here.
  ///   - url: Of the daemon's `GRPC_PORT`, such as `http://127.0.0.1:9090` or `https://roost.example.org:9090`.
  ///   - prefetch: How many jobs may be on their way or wait here while others run, 0 to 1,000. A job that waits here is
  ///     nobody else's.
  /// - Throws: ``RoostError`` with code `invalid_configuration`.
  public init(_ worker: Worker, url: String, prefetch: Int = 0) throws(RoostError) {
    guard (0...1_000).contains(prefetch) else {
      throw RoostError(.invalidConfiguration, "prefetch must be 0 to 1000, got \(prefetch)")
    }
    self.worker = worker
    self.prefetch = prefetch
    target = try Target(url, worker.client.transport.configuration)
  }

  /// Runs jobs until it is told to stop.
  ///
  /// - Throws: ``RoostError`` if the daemon itself refuses this worker: its key, its queues, its settings. A daemon that is
  ///   away is no error: the worker waits for it.
  public func run() async throws {
    try await GRPCSession(self).run()
  }

  /// Runs until SIGTERM or SIGINT, then drains.
  public func runUntilSignalled() async throws {
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: self)], gracefulShutdownSignals: [.sigterm, .sigint],
        logger: worker.client.transport.configuration.logger))
    try await group.run()
  }
}

/// Where a daemon listens for gRPC, and how to trust it.
struct Target: Sendable {
  private let host: String
  private let port: Int
  private let security: HTTP2ClientTransport.Posix.TransportSecurity

  init(_ url: String, _ configuration: ClientConfiguration) throws(RoostError) {
    guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty, let port = parts.port,
      ["http", "https"].contains(parts.scheme), ["", "/"].contains(parts.path), parts.query == nil, parts.user == nil
    else {
      throw RoostError(
        .invalidConfiguration, "\(url) is no URL of a daemon's GRPC_PORT, such as http://127.0.0.1:9090")
    }
    self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
    self.port = port
    guard parts.scheme == "https" else {
      security = .plaintext
      return
    }
    security = Self.tls(configuration)
  }

  private static func tls(_ configuration: ClientConfiguration) -> HTTP2ClientTransport.Posix.TransportSecurity {
    let roots: TLSConfig.TrustRootsSource =
      switch configuration.trustRoots {
      case .system: .systemDefault
      case .file(let path): .certificates([.file(path: path, format: .pem)])
      case .pem(let text): .certificates([.bytes(Array(text.utf8), format: .pem)])
      }
    switch configuration.certificate {
    case nil: return .tls { $0.trustRoots = roots }
    case .files(let chain, let key):
      return .mTLS(
        certificateChain: [.file(path: chain, format: .pem)], privateKey: .file(path: key, format: .pem)
      ) { $0.trustRoots = roots }
    case .pem(let chain, let key):
      return .mTLS(
        certificateChain: [.bytes(Array(chain.utf8), format: .pem)],
        privateKey: .bytes(Array(key.utf8), format: .pem)
      ) { $0.trustRoots = roots }
    }
  }

  func transport() throws -> HTTP2ClientTransport.Posix {
    var config = HTTP2ClientTransport.Posix.Config.defaults
    config.connection.keepalive = .init(time: .seconds(30), timeout: .seconds(15), allowWithoutCalls: false)
    config.connection.flushCoalescing = nil
    config.http2.targetWindowSize = 1 << 20
    config.backoff = .init(initial: .milliseconds(50), max: .seconds(5), multiplier: 2, jitter: 0.5)
    return try HTTP2ClientTransport.Posix(
      target: .dns(host: host, port: port), transportSecurity: security, config: config)
  }
}
