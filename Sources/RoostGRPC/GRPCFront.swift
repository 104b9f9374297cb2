import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import RoostEngine
import RoostKeys
import RoostProto
import RoostServer
import ServiceLifecycle

/// How the gRPC front listens and what it bears; what is not said here is as HTTP has it.
package struct GRPCConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0: any free port, reported by `onListening`.
  package var port = 0
  /// Connections beyond wait in the kernel's queue.
  package var maxConnections = 4_096
  /// Calls that a connection may have open at once.
  package var maxStreams = 128
  /// How long a handshake may take.
  package var handshakeTimeout: Duration = .seconds(15)
  /// How long a connection without a call stays.
  package var idleTimeout: Duration = .seconds(300)
  /// How long a connection may be silent before it is asked whether it lives, and how long it may take to answer.
  package var pingInterval: Duration = .seconds(30)
  package var pingTimeout: Duration = .seconds(15)
  /// How long a stream of work may be open.
  package var streamAge = RoostService.mostAge
  /// How long a connection may be open, and how long its calls get then.
  package var connectionAge: Duration = .seconds(3_900)
  package var connectionGrace: Duration = .seconds(60)

  package init() {}
}

/// The gRPC front as a service: a graceful shutdown ends the streams of work once what their workers have said is carried
/// out, empties the long polls, and ends when what is in flight has been answered.
package struct GRPCFront: Service {
  private let configuration: GRPCConfiguration
  private let calls: CallFront
  private let metrics: GRPCMetrics
  private let streams: OpenStreams
  private let logger: Logger
  private let onListening: @Sendable (Int) -> Void

  /// - Parameters:
  ///   - calls: The server's, with its keys, limits and certificate.
  ///   - onListening: Called once with the port.
  package init(
    _ configuration: GRPCConfiguration, calls: CallFront, registry: PrometheusRegistry, logger: Logger,
    onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
  ) {
    self.configuration = configuration
    self.calls = calls
    self.logger = logger
    self.onListening = onListening
    streams = OpenStreams(age: configuration.streamAge)
    metrics = GRPCMetrics(
      methods: Roost_V1_Roost.Method.descriptors.map(\.method), statuses: RPCError.statusNames, registry: registry)
  }

  /// Could not be opened.
  package struct Failure: Error, CustomStringConvertible {
    let reason: String
    package var description: String { "cannot listen on GRPC_PORT: \(reason)" }
  }

  package func run() async throws {
    let log = CallLog(metrics: metrics, logger: logger, isOn: calls.limits.accessLog)
    let service = RoostService(calls: calls, metrics: metrics, streams: streams, log: log)
    let listener = GRPCListener(
      configuration: configuration, tls: calls.limits.tls, metrics: metrics, logger: logger, onListening: onListening)
    let transport = HTTP2ServerTransport.Custom(listenerFactory: listener, config: transportConfiguration(log))
    let server = GRPCServer(transport: transport, services: [service])
    try await withTaskCancellationOrGracefulShutdownHandler {
      do { try await server.serve() } catch let error as IOError { throw Failure(reason: "\(error)") }
    } onCancelOrGracefulShutdown: {
      streams.stop()
      Task { await calls.engine?.drainWaiters() }
      server.beginGracefulShutdown()
    }
  }

  private func transportConfiguration(_ log: CallLog) -> HTTP2ServerTransport.Custom<GRPCListener>.Config {
    var transport = HTTP2ServerTransport.Custom<GRPCListener>.Config.defaults
    transport.rpc.maxRequestPayloadSize = mostMessageBytes
    transport.http2.maxConcurrentStreams = configuration.maxStreams
    transport.http2.targetWindowSize = CallGate.windowBytes
    transport.http2.maxFrameSize = 64 << 10
    transport.connection.maxIdleTime = configuration.idleTimeout
    transport.connection.maxAge = configuration.connectionAge
    transport.connection.maxGraceTime = configuration.connectionGrace
    transport.connection.keepalive.time = configuration.pingInterval
    transport.connection.keepalive.timeout = configuration.pingTimeout
    transport.connection.keepalive.clientBehavior = .init(
      minPingIntervalWithoutCalls: .seconds(10), allowWithoutCalls: true)
    // A lone call should not wait for others.
    transport.connection.flushCoalescing = nil
    // On the stream's event loop, when the library's own handlers are in its pipeline, and before anything is read.
    transport.channelDebuggingCallbacks.onAcceptHTTP2Stream = { [calls] stream in
      stream.eventLoop.makeCompletedFuture {
        let peer = AddressBlock(stream.parent?.remoteAddress)
        try stream.pipeline.syncOperations.addHandler(CallGate(calls, peer: peer, log: log), position: .first)
      }
    }
    return transport
  }
}

/// The listening socket, and what stands before HTTP/2 on each connection.
struct GRPCListener: HTTP2ServerTransport.ListenerFactory {
  let configuration: GRPCConfiguration
  let tls: TLSIdentity?
  let metrics: GRPCMetrics
  let logger: Logger
  let onListening: @Sendable (Int) -> Void
  var eventLoopGroup: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }

  func makeListeningChannel(
    listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
    connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
  ) async throws -> NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never> {
    let listener = try await ServerBootstrap(group: eventLoopGroup)
      .serverChannelOption(.backlog, value: 1_024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers(
            AcceptGate(logger: logger), ConnectionLimit(limit: configuration.maxConnections))
        }.flatMap { listenerConfigurator.configure(channel: channel) }
      }
      .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .bind(host: configuration.host, port: configuration.port) { channel in
        channel.eventLoop.makeCompletedFuture { try secure(channel) }
          .flatMap {
            connectionConfigurator.configure(
              channel: channel, tls: tls == nil ? .none : .configured(requireALPN: true))
          }
      }
    onListening(listener.channel.localAddress?.port ?? configuration.port)
    return listener
  }

  /// On the channel's event loop.
  private func secure(_ channel: any Channel) throws {
    metrics.connectionOpened()
    channel.closeFuture.whenComplete { [metrics] _ in metrics.connectionClosed() }
    guard let tls else { return }
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandlers(tls.makeHandler(), HandshakeDeadline(configuration.handshakeTimeout))
  }
}

/// Closes a connection that has not shaken hands in time: until then nothing else watches it.
private final class HandshakeDeadline: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny
  typealias InboundOut = NIOAny

  private let limit: TimeAmount
  private var alarm: Scheduled<Void>?

  init(_ limit: Duration) { self.limit = TimeAmount(limit) }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    alarm = context.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    alarm?.cancel()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent { alarm?.cancel() }
    context.fireUserInboundEventTriggered(event)
  }
}
