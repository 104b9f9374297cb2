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
    let level = configuration.logLevel
    logger = Logger(label: "roost") { _ in LineLogHandler(level: level) }
    audit = AuditLog(directory: configuration.dataDirectory, logger: logger)
  }

  func run() async throws(CommandFailure) {
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

  private func serve(_ engine: Engine, _ tls: TLSIdentity?) async throws(CommandFailure) {
    let store = try await openKeyStore()
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

  /// Opens the key store, and on an empty one makes the first keys.
  private func openKeyStore() async throws(CommandFailure) -> EmbeddedKeyStore {
    do {
      let store = try EmbeddedKeyStore(directory: configuration.dataDirectory)
      let bootstrap = KeyBootstrap(store: store, dataDirectory: configuration.dataDirectory, audit: audit)
      if configuration.isDevelopment {
        for line in try await bootstrap.ensureDevKeys() { StandardStream.output.write(line: line.reveal()) }
      } else if let file = try await bootstrap.ensureAdminKey() {
        logger.notice(
          "an admin key was made; its file is the only place where it stands", metadata: ["file": "\(file)"])
      }
      return store
    } catch {
      throw CommandFailure(.unusable, inert("\(error)"))
    }
  }
}
