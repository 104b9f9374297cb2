import Logging
import NIOCore
import NIOPosix
import RoostEngine
import RoostKeys
import RoostPush
import ServiceLifecycle

/// The HTTP server as a service: run it in a `ServiceGroup`; its graceful shutdown empties the long polls, stops
/// accepting and ends when what is in flight has been answered.
///
/// - Parameters:
///   - engine: nil: it is still replaying its log. The server listens, tells how far that is, and serves from
///     `RoostServer.open` on.
///   - keyStore: The store behind `authenticator` and `keys`, asked by `/readyz`.
///   - audit: Hears of changes to keys and of what admins do; nil writes nothing down.
///   - signing: What deliveries are signed with.
///   - pusher: Delivers jobs; nil: nobody does.
///   - group: The event loops that serve connections.
///   - metrics: Where the counts stand that `/metrics` shows; swift-metrics should be bootstrapped with it.
///   - onListening: Called once with the port.
///   - onMetricsListening: The same for the metrics' listener, where they have one.
package func makeRoostServer(
  engine: Engine?, authenticator: Authenticator, keys: KeyService, keyStore: any KeyStore,
  configuration: ServerConfiguration, signing: SigningSecrets = SigningSecrets(), pusher: Pusher? = nil,
  audit: AuditLog? = nil,
  logger: Logger,
  group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
  metrics: PrometheusRegistry = PrometheusRegistry(),
  onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in },
  onMetricsListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
) -> RoostServer {
  let targets = pusher?.targets ?? PushTargets()
  let daemonMetrics = DaemonMetrics(
    registry: metrics, version: configuration.version, namedQueues: configuration.metricsQueues,
    budget: configuration.budget, tls: configuration.tls, interval: configuration.figureInterval, targets: targets,
    age: configuration.metricsAge, droppedSpans: configuration.droppedSpans)
  let keyHealth = KeyStoreHealth(keyStore, logger: logger)
  let door = EngineDoor(engine) { engine in
    Backend(
      engine: engine, keys: keys, keyHealth: keyHealth, lastUse: { authenticator.lastUse(of: $0) },
      maxPayloadBytes: configuration.maxPayloadBytes, metrics: daemonMetrics, audit: audit, signing: signing,
      targets: targets,
      eventListeners: configuration.eventListeners)
  }
  let calls = CallFront(
    door: door, authenticator: authenticator, configuration: configuration, audit: audit, registry: metrics,
    logger: logger)
  let front = HTTPFront(
    door: door, authenticator: authenticator, configuration: configuration, audit: audit,
    registry: metrics, logger: logger,
    table: .main(hasMetrics: configuration.metricsPort == nil, dashboard: configuration.dashboard))
  let listener = Listener(
    host: configuration.host, port: configuration.port, front: front, group: group, logger: logger)
  let metricsListener = configuration.metricsPort.map { port in
    // Open like the route itself: no key, no certificate. Few ask for it, and they may not use up the descriptors.
    var plain = configuration
    plain.tls = nil
    plain.maxConnections = min(configuration.maxConnections, ServerConfiguration.metricsConnections)
    plain.headerTimeout = min(configuration.headerTimeout, .seconds(5))
    plain.idleTimeout = min(configuration.idleTimeout, .seconds(75))
    let front = HTTPFront(
      door: door, authenticator: authenticator, configuration: plain, audit: nil,
      registry: metrics, logger: logger, table: .metricsOnly)
    return MetricsListener(
      listener: Listener(
        host: configuration.metricsHost, port: port, front: front, group: group, logger: logger),
      onListening: { port in
        pusher?.isOwn(port: port)
        onMetricsListening(port)
      })
  }
  let announce: @Sendable (Int) -> Void = { port in
    pusher?.isOwn(port: port)
    onListening(port)
  }
  return RoostServer(
    listener: listener, onListening: announce, metricsListener: metricsListener, door: door,
    metrics: daemonMetrics, bodies: configuration.bodies, authenticator: authenticator, keyHealth: keyHealth,
    pusher: pusher, calls: calls)
}

/// See `makeRoostServer`.
package struct RoostServer: Service {
  fileprivate let listener: Listener
  fileprivate let onListening: @Sendable (Int) -> Void
  fileprivate let metricsListener: MetricsListener?
  fileprivate let door: EngineDoor
  fileprivate let metrics: DaemonMetrics
  fileprivate let bodies: OpenBodies
  fileprivate let authenticator: Authenticator
  fileprivate let keyHealth: KeyStoreHealth
  fileprivate let pusher: Pusher?
  private let engines = AsyncStream.makeStream(of: Engine.self, bufferingPolicy: .bufferingNewest(1))
  /// For fronts beside HTTP.
  package let calls: CallFront

  /// A port that another front listens on: no job is delivered to it.
  package func hasFront(port: Int) { pusher?.isOwn(port: port) }

  /// Tells how far the replay is.
  package func note(_ progress: ReplayProgress) { door.note(progress) }

  /// The log is replayed: requests are served from now on.
  package func open(_ engine: Engine) async {
    // Before the first request, so that rates count everything since the start.
    metrics.begin(engine)
    door.open(engine)
    engines.continuation.yield(engine)
  }

  package func run() async throws {
    try await withGracefulShutdownHandler {
      if let engine = door.engine { await open(engine) }
      // Ends with the server: a task that is not awaited is cancelled.
      async let _ = metrics.watch { door.engine }
      async let _ = authenticator.keepWatch()
      async let _ = keyHealth.watch()
      async let deliveries: Void = deliver()
      if let metricsListener {
        try await metricsListener.run { try await listener.run(onListening) }
      } else {
        try await listener.run(onListening)
      }
      // What is under way is waited for, as requests are.
      engines.continuation.finish()
      await deliveries
    } onGracefulShutdown: {
      // The server waits for what is in flight, and long polls, bodies and streams that go on are: they end first.
      bodies.stop()
      pusher?.stop()
      door.backend?.events.stop()
      Task { await door.engine?.drainWaiters() }
    }
  }
}

extension RoostServer {
  /// Delivers jobs from the moment on that there is an engine.
  fileprivate func deliver() async {
    guard let pusher else { return }
    for await engine in engines.stream { return await pusher.run(engine) }
  }
}

/// The listener of `/metrics`, where it has one of its own.
private struct MetricsListener: Sendable {
  let listener: Listener
  let onListening: @Sendable (Int) -> Void

  /// Could not be opened.
  struct Failure: Error, CustomStringConvertible {
    let reason: String
    var description: String { "cannot listen on METRICS_HOST and METRICS_PORT: \(reason)" }
  }

  /// Opens it, and only then runs `main`: who asked for metrics should not get a daemon without.
  func run(_ main: @escaping @Sendable () async throws -> Void) async throws {
    let (isOpen, report) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        defer { report.finish() }
        do {
          try await listener.run { port in
            onListening(port)
            report.yield()
          }
        } catch { throw Failure(reason: "\(error)") }
      }
      for await _ in isOpen {
        tasks.addTask { try await main() }
        break
      }
      while let _ = try await tasks.next() {}
    }
  }
}
