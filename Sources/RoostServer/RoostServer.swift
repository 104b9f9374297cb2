import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import RoostEngine
import RoostKeys
import ServiceLifecycle

/// The HTTP server as a service: run it in a `ServiceGroup`; its graceful shutdown empties the long polls, stops
/// accepting and ends when what is in flight has been answered.
///
/// - Parameters:
///   - keyStore: The store behind `authenticator` and `keys`, asked by `/readyz`.
///   - group: The event loops that serve connections.
///   - onListening: Called once with the port.
package func makeRoostServer(
  engine: Engine, authenticator: Authenticator, keys: KeyService, keyStore: any KeyStore,
  configuration: ServerConfiguration, logger: Logger,
  group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
  onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
) -> some Service {
  let backend = Backend(
    engine: engine, keys: keys, keyStore: keyStore, maxPayloadBytes: configuration.maxPayloadBytes)
  let front = HTTPFront(backend: backend, authenticator: authenticator, configuration: configuration, logger: logger)
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
