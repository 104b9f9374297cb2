import Logging
import RoostEngine
import RoostLog
import Synchronization

/// Opens the engine on a thread of its own, so that the daemon can answer meanwhile, and tells how the replay goes.
final class EngineOpening: Sendable {
  private enum Step: Sendable {
    case replaying(ReplayProgress)
    case ended(Result<Engine, LogError>)
  }

  private let directory: String
  private let logger: Logger
  private let steps: AsyncStream<Step>
  private let found = Mutex<Engine?>(nil)

  init(_ configuration: EngineConfiguration, logger: Logger) {
    directory = configuration.directory
    self.logger = logger
    let (steps, report) = AsyncStream.makeStream(of: Step.self, bufferingPolicy: .bufferingNewest(1))
    self.steps = steps
    var configuration = configuration
    configuration.onReplay = { report.yield(.replaying($0)) }
    Engine.open(configuration) {
      report.yield(.ended($0))
      report.finish()
    }
  }

  /// The engine, once it is open.
  var engine: Engine? { found.withLock { $0 } }

  /// Waits until the directory is this process's.
  func untilLocked() async throws(CommandFailure) {
    for await step in steps {
      if case .ended(let result) = step { try note(result) }
      return
    }
  }

  /// Waits for the end of the replay, and logs each second how far it is.
  ///
  /// - Parameter onProgress: Called often.
  func opened(_ onProgress: (ReplayProgress) -> Void) async throws -> Engine {
    var told = ContinuousClock.now
    if let engine { return engine }
    for await step in steps {
      switch step {
      case .replaying(let progress):
        onProgress(progress)
        if ContinuousClock.now - told >= .seconds(1) {
          told = .now
          logger.info("replaying", metadata: ["bytes": "\(progress.bytes)", "of_bytes": "\(progress.ofBytes)"])
        }
      case .ended(let result): return try note(result)
      }
    }
    throw CancellationError()
  }

  @discardableResult
  private func note(_ result: Result<Engine, LogError>) throws(CommandFailure) -> Engine {
    switch result {
    case .success(let engine):
      found.withLock { $0 = engine }
      return engine
    case .failure(let error): throw CommandFailure(opening: directory, error)
    }
  }
}
