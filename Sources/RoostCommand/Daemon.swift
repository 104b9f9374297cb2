import ArgumentParser
import Glibc
import Logging
import NIOCore
import RoostCore
import RoostEngine
import RoostKeys
import RoostLog
import RoostServer
import RoostTelemetry
import ServiceLifecycle

/// The daemon from its first file to its last: opens the log, makes the first keys, serves, and on SIGTERM or SIGINT
/// drains, marks the log as cleanly stopped and returns.
struct Daemon {
  let configuration: ServeConfiguration
  let logger: Logger
  let audit: AuditLog
  /// Makes the spans of requests; nil: none are made.
  let tracer: OTLPTracer?
  private let telemetry: TelemetryConfiguration?
  /// What must be written before the process may end.
  let answers = AnswersInFlight()

  init(configuration: ServeConfiguration, telemetry: TelemetryConfiguration?) {
    self.configuration = configuration
    self.telemetry = telemetry
    tracer = telemetry.map { OTLPTracer($0) }
    let (level, format) = (configuration.logLevel, configuration.logFormat)
    LogStream.standardError.speak(format)
    logger = Logger(label: "roost") { _ in LineLogHandler(level: level, format: format) }
    audit = AuditLog(directory: configuration.dataDirectory, logger: logger)
  }

  func run() async throws(CommandFailure) {
    // Before the log is opened: each of its segments keeps a descriptor, and there may be more than a shell allows.
    let descriptors = try DescriptorLimit.ofDaemon(loops: configuration.loops)
    sayConfiguration()
    let tls = try openTLS()
    let exporter = try openExporter()
    let adminKey = try openAdminKey()
    let opening = EngineOpening(engineConfiguration(), logger: logger)
    // Until the directory is known to be this process's, nothing else is touched.
    try await opening.untilLocked()
    if let reason = LinuxDisk.isWritableByOthers(configuration.dataDirectory) {
      logger.warning(
        "others may write the data directory, and with it replace jobs and keys: take the right away with chmod 700",
        metadata: ["directory": "\(configuration.dataDirectory)", "reason": "\(reason)"])
    }
    let exporting = exporter.map { exporter in Task { await exporter.run() } }
    do throws(CommandFailure) {
      try await serve(opening, tls, adminKey, descriptors)
    } catch {
      exporting?.cancel()
      await opening.engine?.stop()
      throw error
    }
    await opening.engine?.stop()
    if let exporting {
      // Nobody listens for a second signal any more: it ends the process at once all the same.
      for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
      exporting.cancel()
      await exporting.value
    }
    LogStream.standardError.tellHeldLines()
    logger.info("stopped")
  }

  /// What sends spans to the collector; nil: nothing is traced.
  private func openExporter() throws(CommandFailure) -> OTLPExporter? {
    guard let telemetry, let tracer else { return nil }
    do throws(TelemetryConfiguration.Problems) {
      return try OTLPExporter(telemetry, tracer.queue, version: Roost.configuration.version, logger: logger)
    } catch {
      throw CommandFailure(error)
    }
  }

  /// One line with everything that is not the default.
  private func sayConfiguration() {
    let settings = configuration.given.map { ($0.name, Logger.MetadataValue.string($0.value)) }
    logger.info(
      "starting",
      metadata: [
        "version": "\(Roost.configuration.version)",
        "settings": .dictionary(Dictionary(uniqueKeysWithValues: settings)),
      ])
    for warning in configuration.warnings { logger.warning("\(warning)") }
  }

  /// Listens at once, so that `/readyz` answers while the log is replayed; serves when that is done and keys are there.
  private func serve(
    _ opening: EngineOpening, _ tls: TLSIdentity?, _ adminKey: (key: APIKey, file: String)?,
    _ descriptors: DescriptorLimit
  ) async throws(CommandFailure) {
    let store = try openKeyStore()
    let (ports, listening) = AsyncStream.makeStream(of: Int.self)
    let (server, grpc) = try makeServer(store, tls, descriptors) { listening.yield($0) }
    let services: [any Service] = grpc.map { [server, $0] } ?? [server]
    let stop = StopSignals(logger: logger, hasStarted: { opening.engine != nil }, onHangUp: { reload(tls) })
    let limit = Duration.milliseconds(configuration.shutdownMilliseconds)
    do {
      try await withThrowingTaskGroup(of: IsOver.self) { tasks in
        tasks.addTask {
          try await stop.run(services, within: limit)
          return .yes
        }
        tasks.addTask {
          try await bringUp(server, opening, store, adminKey, ports)
          return .no
        }
        defer { tasks.cancelAll() }
        for try await isOver in tasks where isOver == .yes { return }
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch let error as IOError {
      throw CommandFailure(
        .unusable, "cannot listen on \(inert(configuration.host)):\(configuration.port): \(inert("\(error)"))")
    } catch {
      throw CommandFailure(.unusable, "the server stopped: \(inert("\(error)"))")
    }
  }

  /// Whether a task of the daemon ends it.
  private enum IsOver { case yes, no }

  private func bringUp(
    _ server: RoostServer, _ opening: EngineOpening, _ store: any KeyStore, _ adminKey: (key: APIKey, file: String)?,
    _ ports: AsyncStream<Int>
  ) async throws {
    let engine = try await opening.opened { server.note($0) }
    let firstKeys = FirstKeys(
      bootstrap: KeyBootstrap(store: store, dataDirectory: configuration.dataDirectory, audit: audit),
      isDevelopment: configuration.isDevelopment, adminKey: adminKey, logger: logger)
    let isDone = try await firstKeys.make()
    await server.open(engine)
    for await port in ports {
      sayListening(port)
      break
    }
    async let _ = PressureLog(logger: logger).watch(engine)
    if !isDone { await firstKeys.makeLater() }
  }

  /// The admin key that was made beforehand: read before anything else is touched.
  private func openAdminKey() throws(CommandFailure) -> (key: APIKey, file: String)? {
    guard let file = configuration.adminKeyFile else { return nil }
    return (try APIKey(adminKeyFile: file), file)
  }

  /// Opens the key store. Redis need not be there yet.
  private func openKeyStore() throws(CommandFailure) -> any KeyStore {
    if let address = configuration.redis { return RedisKeyStore(address, logger: logger) }
    do throws(KeyStoreError) {
      return try EmbeddedKeyStore(directory: configuration.dataDirectory)
    } catch {
      throw CommandFailure(store: error)
    }
  }
}
