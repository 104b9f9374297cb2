import RoostEngine
import Synchronization

/// Where requests find the engine: nowhere yet while the log is replayed, though the server listens already.
final class EngineDoor: Sendable {
  private struct State {
    var backend: Backend?
    var progress = ReplayProgress()
  }

  private let state = Mutex(State())
  private let makeBackend: @Sendable (Engine) -> Backend

  /// - Parameters:
  ///   - engine: nil: one comes later.
  ///   - makeBackend: Makes what the routes work with once there is an engine.
  init(_ engine: Engine?, makeBackend: @escaping @Sendable (Engine) -> Backend) {
    self.makeBackend = makeBackend
    if let engine { open(engine) }
  }

  /// nil: the log is still being replayed.
  var backend: Backend? { state.withLock { $0.backend } }
  var engine: Engine? { backend?.engine }

  func open(_ engine: Engine) {
    let backend = makeBackend(engine)
    state.withLock { $0.backend = backend }
  }

  /// How far the replay has come.
  var progress: ReplayProgress { state.withLock { $0.progress } }

  func note(_ progress: ReplayProgress) { state.withLock { $0.progress = progress } }
}
