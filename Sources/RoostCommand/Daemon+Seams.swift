import Glibc
import Logging
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
    limits.maxWaiters = configuration.maxWaiters
    limits.requiresLeaseID = configuration.requiresLeaseID
    do throws(LogError) {
      var engine = EngineConfiguration(directory: configuration.dataDirectory) {
        [format = configuration.logFormat] error in
        // Neither memory nor page cache can be trusted any more; the next start recovers. The answers that say so
        // are on their way to their sockets.
        let failure = CommandFailure(.logFailed, inert("\(error)")).said(as: format)
        StandardStream.error.write(line: failure.description)
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

  func makeServer(_ engine: Engine, _ store: EmbeddedKeyStore) -> some Service {
    var front = ServerConfiguration()
    front.host = configuration.host
    front.port = configuration.port
    front.maxPayloadBytes = configuration.maxPayloadBytes
    front.accessLog = configuration.logsAccess
    front.idleTimeout = configuration.idleTimeout
    front.bodyTimeout = configuration.bodyTimeout
    front.maxConnections = min(configuration.maxConnections, DescriptorLimit.raised().connections)
    return makeRoostServer(
      engine: engine, authenticator: Authenticator(store: store, logger: logger), keys: KeyService(store: store),
      keyStore: store, configuration: front, logger: logger,
      onListening: { port in sayAddress(port) })
  }

  /// Says where the daemon listens, whatever the log level: those who started it wait for it.
  private func sayAddress(_ port: Int) {
    let host = configuration.host
    let address = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    switch configuration.logFormat {
    case .text: StandardStream.error.write(line: "listening on \(inert(address))")
    case .json:
      let line = LogLine(
        .notice, "listening on \(address)", ["address": "\(address)", "port": .stringConvertible(port)])
      StandardStream.error.write(line: line.text(as: .json))
    }
  }
}
