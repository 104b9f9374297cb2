import Glibc
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
      var engine = EngineConfiguration(directory: configuration.dataDirectory) { error in
        // Neither memory nor page cache can be trusted any more; the next start recovers. The answers that say so
        // are on their way to their sockets.
        StandardStream.error.write(line: "roost: \(inert("\(error)"))")
        usleep(200_000)
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

  func makeServer(_ engine: Engine, _ store: any KeyStore) -> some Service {
    var front = ServerConfiguration()
    front.host = configuration.host
    front.port = configuration.port
    front.maxPayloadBytes = configuration.maxPayloadBytes
    front.accessLog = configuration.logsAccess
    front.maxConnections = min(front.maxConnections, DescriptorLimit.raised().connections)
    return makeRoostServer(
      engine: engine, authenticator: Authenticator(store: store, logger: logger), keys: KeyService(store: store),
      keyStore: store, configuration: front, logger: logger,
      onListening: { [host = configuration.host] port in
        let shown = host.contains(":") ? "[\(host)]" : host
        StandardStream.error.write(line: "listening on http://\(shown):\(port)")
      })
  }
}
