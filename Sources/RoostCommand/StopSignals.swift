import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Turns the first SIGTERM or SIGINT into a graceful shutdown and the second into an exit at once.
/// SIGHUP stops nothing: files that may be read again are.
struct StopSignals {
  let logger: Logger
  /// Before that no request was taken, and nothing is to be answered: the first signal ends the process.
  let hasStarted: @Sendable () -> Bool
  let onHangUp: @Sendable () -> Void

  /// Runs services until one ends or a signal asks them to. They stop in reverse order, one after the other.
  ///
  /// - Parameter limit: How long requests in flight get after the signal; then they are cancelled.
  func run(_ services: [any Service], within limit: Duration) async throws {
    var configuration = ServiceGroupConfiguration(
      services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
      logger: Logger(label: "roost.services") { _ in SwiftLogNoOpLogHandler() })
    configuration.maximumGracefulShutdownDuration = limit
    let group = ServiceGroup(configuration: configuration)
    let asked = AskedToStop()
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      tasks.addTask {
        var isStopping = false
        for await signal in signals {
          guard signal != .sighup else {
            onHangUp()
            continue
          }
          // Nothing answered is lost by either: the log is as durable as after a kill.
          if isStopping { _exit(128 + signal.rawValue) }
          guard hasStarted() else {
            logger.info("stopped while the log was replayed", metadata: ["signal": "\(signal)"])
            _exit(0)
          }
          isStopping = true
          asked.time.withLock { $0 = .now }
          logger.info("stopping: answering what is in flight", metadata: ["signal": "\(signal)"])
          await group.triggerGracefulShutdown()
        }
      }
      defer { tasks.cancelAll() }
      do { try await tasks.next() } catch is CancellationError {}
      // The group cancels what is left when the time is up, and does not say so.
      if let since = asked.time.withLock({ $0 }), .now - since >= limit {
        logger.warning("the time to stop ran out with requests in flight")
      }
    }
  }
}

/// When the first signal came; nil before.
private final class AskedToStop: Sendable {
  let time = Mutex<ContinuousClock.Instant?>(nil)
}
