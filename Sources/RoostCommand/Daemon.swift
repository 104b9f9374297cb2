import ArgumentParser
import Glibc
import Logging
import NIOCore
import RoostCore
import RoostEngine
import RoostKeys
import RoostLog
import RoostServer
import ServiceLifecycle

/// The daemon from its first file to its last: opens the log, makes the first keys, serves, and on SIGTERM or SIGINT
/// drains, marks the log as cleanly stopped and returns.
struct Daemon {
  let configuration: ServeConfiguration
  let logger: Logger
  let audit: AuditLog
  /// What must be written before the process may end.
  let answers = AnswersInFlight()

  init(configuration: ServeConfiguration) {
    self.configuration = configuration
    let (level, format) = (configuration.logLevel, configuration.logFormat)
    LogStream.standardError.speak(format)
    logger = Logger(label: "roost") { _ in LineLogHandler(level: level, format: format) }
    audit = AuditLog(directory: configuration.dataDirectory, logger: logger)
  }

  func run() async throws(CommandFailure) {
    sayConfiguration()
    let tls = try openTLS()
    let engine = try openEngine()
    do throws(CommandFailure) {
      try await serve(engine, tls)
    } catch {
      await engine.stop()
      throw error
    }
    await engine.stop()
    logger.info("stopped")
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

  private func serve(_ engine: Engine, _ tls: TLSIdentity?) async throws(CommandFailure) {
    let store = try openKeyStore()
    let firstKeys = FirstKeys(
      bootstrap: KeyBootstrap(store: store, dataDirectory: configuration.dataDirectory, audit: audit),
      isDevelopment: configuration.isDevelopment, logger: logger)
    let isDone = try await firstKeys.make()
    // Cancelled when this function ends.
    async let _: Void = isDone ? () : firstKeys.makeLater()
    let server = makeServer(engine, store, tls)
    let stop = StopSignals(logger: logger, onHangUp: { reload(tls) })
    do {
      try await stop.run(server, within: .milliseconds(configuration.shutdownMilliseconds))
    } catch let error as IOError {
      throw CommandFailure(
        .unusable, "cannot listen on \(inert(configuration.host)):\(configuration.port): \(inert("\(error)"))")
    } catch {
      throw CommandFailure(.unusable, "the server stopped: \(inert("\(error)"))")
    }
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
