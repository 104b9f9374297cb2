import RoostEngine
import Synchronization

/// Where requests find the engine: nowhere yet while the log is replayed, though the server listens already.
final class EngineDoor: Sendable {
  private struct State {
    var engine: Engine?
    var progress = ReplayProgress()
  }

  private let state: Mutex<State>

  /// - Parameter engine: nil: one comes later.
  init(_ engine: Engine?) { state = Mutex(State(engine: engine)) }

  var engine: Engine? { state.withLock { $0.engine } }

  func open(_ engine: Engine) { state.withLock { $0.engine = engine } }

  /// How far the replay has come.
  var progress: ReplayProgress { state.withLock { $0.progress } }

  func note(_ progress: ReplayProgress) { state.withLock { $0.progress = progress } }
}
