import ArgumentParser
import Glibc
import Metrics
import RoostCore
import RoostEngine
import RoostKeys
import RoostLog
import RoostServer
import ServiceLifecycle

/// Where settings become the plain structs of the engine and the server.
extension Daemon {
  func openEngine() throws(CommandFailure) -> Engine {
    var limits = Limits()
    limits.maxQueues = configuration.maxQueues
    limits.leaseMilliseconds = configuration.leaseMilliseconds
    limits.leaseCheckMilliseconds = configuration.leaseCheckMilliseconds
    limits.retentionMilliseconds = configuration.retentionMilliseconds
    limits.retentionMaxJobs = configuration.retentionMaxJobs
    limits.idempotencyWindowMilliseconds = configuration.idempotencyWindowMilliseconds
    limits.requiresLeaseID = configuration.requiresLeaseID
    do throws(LogError) {
      var engine = EngineConfiguration(directory: configuration.dataDirectory) { [answers] error in
        // Neither memory nor page cache can be trusted any more; the next start recovers. Whoever waited is being told
        // so, and a client that does not read its answer cannot keep the process.
        StandardStream.error.write(line: "roost: \(inert("\(error)"))")
        answers.waitUntilAnswered(atMost: .seconds(2))
        _exit(ExitStatus.logFailed.rawValue)
      }
      engine.limits = limits
      engine.segmentBytes = configuration.segmentBytes
      engine.memoryLimitBytes = configuration.memoryLimitBytes
      engine.bootID = ClockReading.bootID()
      return try Engine.open(engine)
    } catch {
      throw CommandFailure(opening: configuration.dataDirectory, error)
    }
  }

  func makeServer(_ engine: Engine, _ store: EmbeddedKeyStore, _ tls: TLSIdentity?) -> some Service {
    var front = ServerConfiguration()
    front.host = configuration.host
    front.port = configuration.port
    front.maxPayloadBytes = configuration.maxPayloadBytes
    front.accessLog = configuration.logsAccess
    front.version = Roost.configuration.version
    front.metricsPort = configuration.metricsPort
    front.metricsHost = configuration.metricsHost
    front.metricsQueues = configuration.metricsQueues
    front.tls = tls
    front.answers = answers
    front.maxConnections = min(front.maxConnections, DescriptorLimit.raised().connections)
    let failures = configuration.authFailuresPerMinute
    let throttle = failures > 0 ? GuessThrottle(failuresPerMinute: failures) : nil
    let metrics = PrometheusRegistry()
    // For what libraries count; the daemon's own parts are handed the registry.
    MetricsSystem.bootstrap(metrics)
    let authenticator = Authenticator(store: store, throttle: throttle, logger: logger, metrics: metrics)
    return makeRoostServer(
      engine: engine, authenticator: authenticator, keys: KeyService(store: store), keyStore: store,
      configuration: front, audit: audit, logger: logger, metrics: metrics,
      onListening: { [host = configuration.host, scheme = tls == nil ? "http" : "https"] port in
        let shown = host.contains(":") ? "[\(host)]" : host
        StandardStream.error.write(line: "listening on \(scheme)://\(shown):\(port)")
      },
      onMetricsListening: { [host = configuration.metricsHost] port in
        let shown = host.contains(":") ? "[\(host)]" : host
        StandardStream.error.write(line: "metrics on http://\(shown):\(port)/metrics")
      })
  }
}
