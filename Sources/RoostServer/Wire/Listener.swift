import Logging
import NIOCore
import NIOExtras
import NIOPosix
import NIOTLS
import RoostKeys
import ServiceLifecycle

/// A listening socket and its connections, as a service: a graceful shutdown stops accepting and ends when what is in
/// flight has been answered.
struct Listener: Sendable {
  let host: String
  let port: Int
  let front: HTTPFront
  let group: any EventLoopGroup
  let logger: Logger

  /// - Parameter onListening: Called once with the port.
  func run(_ onListening: @escaping @Sendable (Int) -> Void) async throws {
    let quiescing = ServerQuiescingHelper(group: group)
    let channel = try await bootstrap(quiescing).bind(host: host, port: port).get()
    let ended = channel.eventLoop.makePromise(of: Void.self)
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        onListening(channel.localAddress?.port ?? port)
        // It never fails.
        try? await ended.futureResult.get()
      } onGracefulShutdown: {
        quiescing.initiateShutdown(promise: ended)
      }
    } onCancel: {
      quiescing.initiateShutdown(promise: ended)
    }
  }

  private func bootstrap(_ quiescing: ServerQuiescingHelper) -> ServerBootstrap {
    let configuration = front.configuration
    let contexts = LoopContexts(group, configuration)
    return ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1_024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      // One at a time: the bound is exact.
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers(
            AcceptGate(logger: logger), ConnectionLimit(limit: configuration.maxConnections),
            quiescing.makeServerChannelHandler(channel: channel))
        }
      }
      .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      // A client that has said everything may still wait for its answer.
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try setUp(channel, contexts) }
      }
  }

  /// TLS where there is a certificate, then the version of HTTP that both sides speak. On the channel's event loop.
  private func setUp(_ channel: any Channel, _ contexts: LoopContexts) throws {
    front.metrics.connectionOpened()
    channel.closeFuture.whenComplete { [front] _ in front.metrics.connectionClosed() }
    let pipeline = channel.pipeline.syncOperations
    guard let tls = front.configuration.tls else {
      return try pipeline.addHandler(HTTP1Connection(front: front, loop: contexts[channel.eventLoop]))
    }
    // Until it has shaken hands a connection has no deadline but this one.
    let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(front.configuration.headerTimeout)) {
      channel.close(promise: nil)
    }
    channel.closeFuture.whenComplete { _ in deadline.cancel() }
    let negotiation = ApplicationProtocolNegotiationHandler { [front] result, channel in
      deadline.cancel()
      return channel.eventLoop.makeCompletedFuture {
        if case .negotiated("h2") = result {
          let connection = try HTTP2Connection(channel, front, contexts[channel.eventLoop])
          Task { await connection.handle() }
        } else {
          try channel.pipeline.syncOperations.addHandler(
            HTTP1Connection(front: front, loop: contexts[channel.eventLoop]))
        }
      }
    }
    try pipeline.addHandlers(tls.makeHandler(), negotiation, HandshakeErrors())
  }
}

/// Ends a connection whose handshake fails: there is nobody to answer.
private final class HandshakeErrors: ChannelInboundHandler {
  typealias InboundIn = Never

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
