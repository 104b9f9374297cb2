import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOPosix
import RoostEngine
import RoostKeys
import ServiceLifecycle

/// The HTTP server as a service: run it in a `ServiceGroup`; its graceful shutdown empties the long polls, stops
/// accepting and ends when what is in flight has been answered.
///
/// - Parameters:
///   - keyStore: The store behind `authenticator` and `keys`, asked by `/readyz`.
///   - audit: Hears of changes to keys and of what admins do; nil writes nothing down.
///   - group: The event loops that serve connections.
///   - onListening: Called once with the port.
package func makeRoostServer(
  engine: Engine, authenticator: Authenticator, keys: KeyService, keyStore: any KeyStore,
  configuration: ServerConfiguration, audit: AuditLog? = nil, logger: Logger,
  group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
  onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
) -> some Service {
  let backend = Backend(
    engine: engine, keys: keys, keyStore: keyStore, maxPayloadBytes: configuration.maxPayloadBytes)
  let front = HTTPFront(
    backend: backend, authenticator: authenticator, configuration: configuration, audit: audit, logger: logger)
  // Hummingbird says at info level what `onListening` says already.
  var quiet = logger
  quiet.logLevel = max(logger.logLevel, .notice)
  let server = Server(
    childChannelSetup: ConnectionSetup(front: front, configuration: configuration),
    configuration: .init(
      address: .hostname(configuration.host, port: configuration.port), backlog: 1_024,
      availableConnectionsDelegate: MaximumAvailableConnections(configuration.maxConnections, logger: quiet)),
    onServerRunning: { channel in onListening(channel.localAddress?.port ?? configuration.port) },
    eventLoopGroup: group, logger: quiet)
  return ServerService(server: server, engine: engine)
}

private struct ServerService: Service {
  let server: Server<ConnectionSetup>
  let engine: Engine

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await server.run()
    } onGracefulShutdown: {
      // The server waits for what is in flight, and long polls are: they end first.
      Task { await engine.drainWaiters() }
    }
  }
}

/// Sets up a connection: Hummingbird's HTTP/1 pipeline with a gate of our own, and a responder that knows it.
private struct ConnectionSetup: ServerChildChannel {
  struct Value: ServerChildChannelValue {
    let http: HTTP1Channel
    let stream: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
    var channel: any Channel { stream.channel }
  }

  let front: HTTPFront
  let configuration: ServerConfiguration

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    let queue = ConnectionQueue(peer: AddressBlock(channel.remoteAddress))
    let http = HTTP1Channel(
      responder: { [front] request, writer, _ in try await front.respond(request.head, writer, queue) },
      configuration: .init(
        additionalChannelHandlers: [RequestGate(configuration: configuration, queue: queue)],
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: configuration.maxHeaderBytes, maxHeaderListSize: configuration.maxHeaderBytes,
          maxHeaderFieldCount: configuration.maxHeaderCount)))
    return http.setup(channel: channel, logger: logger).map { Value(http: http, stream: $0) }
  }

  func handle(value: Value, logger: Logger) async {
    await value.http.handle(value: value.stream, logger: logger)
  }
}
