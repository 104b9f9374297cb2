import Synchronization

/// Tells whoever judges the jobs of operations that one waits for it; one at a time is told.
final class ChoiceBell: Sendable {
  private struct State {
    var isWanted = false
    var isBusy = false
    var action: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// - Parameter action: Called on the writer's thread: it must be quick. It calls `mayGoOn` until that says no.
  func answer(with action: @escaping @Sendable () -> Void) { state.withLock { $0.action = action } }

  /// An operation waits.
  func ring() {
    let action = state.withLock { state -> (@Sendable () -> Void)? in
      state.isWanted = true
      guard !state.isBusy, let action = state.action else { return nil }
      state.isBusy = true
      return action
    }
    action?()
  }

  /// Whether somebody rang since it was asked last; if not, the next who rings is heard by another.
  func mayGoOn() -> Bool {
    state.withLock { state in
      state.isBusy = state.isWanted
      state.isWanted = false
      return state.isBusy
    }
  }
}
