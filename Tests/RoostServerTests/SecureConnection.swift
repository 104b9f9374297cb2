import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// A TLS connection that carries bytes as they are: for requests that no well-behaved client would send.
final class SecureConnection: Sendable {
  struct Closed: Error {}

  private let channel: any Channel
  private let arrived: BytesArrived
  /// The serial number of the certificate that the server showed.
  let serialNumber: [UInt8]
  /// What was agreed: `h2`, `http/1.1` or nothing.
  let negotiated: String?

  /// - Parameter change: The client's own TLS settings, such as a certificate.
  init(
    port: Int, authority: String, protocols: [String] = ["h2"],
    _ change: @Sendable (inout TLSConfiguration) throws -> Void = { _ in }
  ) async throws {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .file(authority)
    tls.applicationProtocols = protocols
    try change(&tls)
    let context = try NIOSSLContext(configuration: tls)
    let arrived = BytesArrived()
    self.arrived = arrived
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let tls = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
        try channel.pipeline.syncOperations.addHandler(tls, name: "tls")
        try channel.pipeline.syncOperations.addHandler(BytesCollector(arrived))
      }
    }.connect(host: "127.0.0.1", port: port).get()
    guard try await arrived.handshake() else { throw Closed() }
    let handler = channel.pipeline
    negotiated = arrived.negotiated
    serialNumber = try await channel.eventLoop.submit {
      // Gone already where the server has turned this client away.
      let tls = try? handler.syncOperations.handler(type: NIOSSLClientHandler.self)
      return tls?.peerCertificate?.serialNumber ?? []
    }.get()
  }

  func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
  /// Says good-bye and closes.
  func close() { channel.close(promise: nil) }
  /// Closes without good-bye, as when a process is killed.
  func cut() async throws {
    try await channel.eventLoop.flatSubmit { [channel] in
      channel.pipeline.syncOperations.removeHandler(name: "tls")
    }.get()
    channel.close(promise: nil)
  }

  /// Takes exactly so many bytes, or fails when the server has closed before.
  func take(_ count: Int) async throws -> [UInt8] { try await arrived.take(count) }
  /// Whether the server has closed, once all that it sent has been taken.
  func isClosedByServer() async -> Bool { await arrived.isAtEnd() }
}

/// What a connection has received, waited for by one reader.
private final class BytesArrived: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var hasShakenHands = false
    var negotiated: String?
    var hasEnded = false
    var waiting: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func append(_ bytes: ByteBufferView) { change { $0.bytes += bytes } }
  var negotiated: String? { state.withLock { $0.negotiated } }

  func shookHands(_ negotiated: String?) {
    change {
      $0.hasShakenHands = true
      $0.negotiated = negotiated
    }
  }

  func end() { change { $0.hasEnded = true } }

  func handshake() async throws -> Bool {
    await wait { $0.hasShakenHands || $0.hasEnded }
    return state.withLock { $0.hasShakenHands }
  }

  func take(_ count: Int) async throws -> [UInt8] {
    await wait { $0.bytes.count >= count || $0.hasEnded }
    return try state.withLock { state in
      guard state.bytes.count >= count else { throw SecureConnection.Closed() }
      defer { state.bytes.removeFirst(count) }
      return Array(state.bytes.prefix(count))
    }
  }

  func isAtEnd() async -> Bool {
    await wait { !$0.bytes.isEmpty || $0.hasEnded }
    return state.withLock { $0.bytes.isEmpty }
  }

  private func change(_ work: (inout State) -> Void) {
    state.withLock { state in
      work(&state)
      return state.waiting.take()
    }?.resume()
  }

  private func wait(_ isSo: (State) -> Bool) async {
    while !state.withLock({ isSo($0) }) {
      await withCheckedContinuation { continuation in
        let isNow = state.withLock { state in
          if isSo(state) { return true }
          state.waiting = continuation
          return false
        }
        if isNow { continuation.resume() }
      }
    }
  }
}

private final class BytesCollector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let arrived: BytesArrived

  init(_ arrived: BytesArrived) { self.arrived = arrived }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    arrived.append(unwrapInboundIn(data).readableBytesView)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted(let negotiated) = event as? TLSUserEvent { arrived.shookHands(negotiated) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    arrived.end()
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { arrived.end() }
}
