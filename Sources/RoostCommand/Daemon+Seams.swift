import ArgumentParser
import Glibc
import Logging
import Metrics
import NIOCore
import RoostCore
import RoostCron
import RoostEngine
import RoostGRPC
import RoostKeys
import RoostLog
import RoostPush
import RoostServer
import RoostTelemetry
import ServiceLifecycle

/// Where settings become the plain structs of the engine and the server.
extension Daemon {
  func engineConfiguration() -> EngineConfiguration {
    var limits = Limits()
    limits.maxQueues = configuration.maxQueues
    limits.maxSchedules = configuration.maxSchedules
    limits.maxBatches = configuration.maxBatches
    limits.queueIdleMilliseconds = configuration.queueIdleMilliseconds
    limits.leaseMilliseconds = configuration.leaseMilliseconds
    limits.leaseCheckMilliseconds = configuration.leaseCheckMilliseconds
    limits.retentionMilliseconds = configuration.retentionMilliseconds
    limits.deadRetentionMilliseconds = configuration.deadRetentionMilliseconds
    limits.maxRetries = configuration.defaultMaxRetries
    limits.retry = configuration.defaultRetry ?? .standard
    limits.timeoutMilliseconds = configuration.defaultTimeoutMilliseconds
    limits.retentionMaxJobs = configuration.retentionMaxJobs
    limits.idempotencyWindowMilliseconds = configuration.idempotencyWindowMilliseconds
    limits.maxWaiters = configuration.maxWaiters
    limits.requiresLeaseID = configuration.requiresLeaseID
    limits.pushConcurrency = configuration.pushConcurrency
    limits.pushTimeoutMilliseconds = configuration.pushTimeoutMilliseconds
    var engine = EngineConfiguration(directory: configuration.dataDirectory) {
      [answers, format = configuration.logFormat] error in
      // Neither memory nor page cache can be trusted any more; the next start recovers. Whoever waited is being told
      // so, and a client that does not read its answer cannot keep the process.
      let failure = CommandFailure(.logFailed, inert("\(error)")).said(as: format)
      StandardStream.error.write(line: failure.description)
      answers.waitUntilAnswered(atMost: .seconds(2))
      _exit(ExitStatus.logFailed.rawValue)
    }
    engine.limits = limits
    engine.segmentBytes = configuration.segmentBytes
    engine.eventsRetention = configuration.eventsRetention
    engine.memoryLimitBytes = configuration.memoryLimitBytes
    engine.bootID = ClockReading.bootID()
    engine.zones = ZoneBook(TimeZoneDatabase(environment: Variables.all))
    return engine
  }

  /// - Parameter onListening: Called once with the port.
  func makeServer(
    _ store: any KeyStore, _ tls: TLSIdentity?, _ descriptors: DescriptorLimit,
    onListening: @escaping @Sendable (_ port: Int) -> Void
  ) throws(CommandFailure) -> (RoostServer, GRPCFront?) {
    var front = ServerConfiguration()
    front.host = configuration.host
    front.port = configuration.port
    front.maxPayloadBytes = configuration.maxPayloadBytes
    front.accessLog = configuration.logsAccess
    front.idleTimeout = configuration.idleTimeout
    front.bodyTimeout = configuration.bodyTimeout
    front.maxConnections = min(configuration.maxConnections, descriptors.connections)
    front.version = Roost.configuration.version
    front.metricsPort = configuration.metricsPort
    front.metricsHost = configuration.metricsHost
    front.eventListeners = configuration.eventsListeners
    if let tracer {
      front.tracing = RequestTracing(tracer)
      front.droppedSpans = { tracer.queue.dropped }
    }
    front.metricsQueues = configuration.metricsQueues
    front.dashboard = configuration.dashboard
    front.tls = tls
    front.answers = answers
    let failures = configuration.authFailuresPerMinute
    let throttle = failures > 0 ? GuessThrottle(failuresPerMinute: failures) : nil
    let metrics = PrometheusRegistry()
    // For what libraries count; the daemon's own parts are handed the registry.
    MetricsSystem.bootstrap(metrics)
    let authenticator = Authenticator(
      store: store, throttle: throttle, tokens: tokenAuthority(metrics), logger: logger, metrics: metrics)
    let signing = try openSigningSecrets()
    let server = makeRoostServer(
      engine: nil, authenticator: authenticator, keys: KeyService(store: store, logger: logger), keyStore: store,
      configuration: front, signing: signing, pusher: try makePusher(signing), audit: audit, logger: logger,
      metrics: metrics,
      onListening: onListening,
      onMetricsListening: { port in say("metrics on", "http", configuration.metricsHost, port, path: "/metrics") })
    return (server, configuration.grpcPort.map { makeGRPC($0, server, descriptors, metrics) })
  }

  /// Whose JSON Web Tokens count; nil: nobody's.
  private func tokenAuthority(_ metrics: PrometheusRegistry) -> TokenAuthority? {
    guard let issuer = configuration.jwtIssuer, let audience = configuration.jwtAudience else { return nil }
    let source: any KeySetSource
    if let file = configuration.jwtKeySetFile {
      source = KeySetFile(path: file)
    } else if let url = configuration.jwtKeySetURL {
      source = KeySetURL(url)
    } else {
      return nil
    }
    return TokenAuthority(issuer: issuer, audience: audience, source: source, logger: logger, metrics: metrics)
  }

  private func makeGRPC(
    _ port: Int, _ server: RoostServer, _ descriptors: DescriptorLimit, _ metrics: PrometheusRegistry
  ) -> GRPCFront {
    var front = GRPCConfiguration()
    front.host = configuration.host
    front.port = port
    front.maxConnections = min(front.maxConnections, max(16, descriptors.connections / 4))
    let scheme = configuration.tlsCertificateFile == nil ? "http" : "https"
    return GRPCFront(front, calls: server.calls, registry: metrics, logger: logger) { port in
      server.hasFront(port: port)
      say("gRPC on", scheme, configuration.host, port)
    }
  }

  private func openSigningSecrets() throws(CommandFailure) -> SigningSecrets {
    do throws(KeyStoreError) {
      return try SigningSecrets(directory: configuration.dataDirectory)
    } catch {
      throw CommandFailure(store: error)
    }
  }

  private func makePusher(_ signing: SigningSecrets) throws(CommandFailure) -> Pusher {
    var push = PushConfiguration()
    push.judge = AddressJudge(allowed: configuration.pushAllowed ?? [], ports: configuration.pushPorts ?? [])
    push.authority = configuration.pushAuthorityFile
    push.timeoutMilliseconds = configuration.pushTimeoutMilliseconds
    push.version = Roost.configuration.version
    push.localAddresses = ((try? System.enumerateDevices()) ?? []).compactMap(\.address)
    do {
      return try Pusher(push, secrets: signing, logger: logger)
    } catch {
      throw CommandFailure(.usage, "PUSH_CA cannot be read: \(inert("\(error)"))")
    }
  }

  func sayListening(_ port: Int) {
    let scheme = configuration.tlsCertificateFile == nil ? "http" : "https"
    // First, so that whoever waits for the line finds the file.
    OwnDaemon.note(
      url: DaemonURL.own(scheme, host: configuration.host, port: "\(port)"), in: configuration.dataDirectory)
    say("listening on", scheme, configuration.host, port)
  }

  /// Says where the daemon listens, whatever the log level: those who started it wait for it.
  private func say(_ what: String, _ scheme: String, _ host: String, _ port: Int, path: String = "") {
    let address = "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)\(path)"
    switch configuration.logFormat {
    case .text: StandardStream.error.write(line: "\(what) \(inert(address))")
    case .json:
      let line = LogLine(.notice, "\(what) \(address)", ["address": "\(address)", "port": .stringConvertible(port)])
      StandardStream.error.write(line: line.text(as: .json))
    }
  }
}
