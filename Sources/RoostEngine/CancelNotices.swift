import Synchronization

/// Tells those who hold running jobs that some were called off, once that is durable: a stream of jobs hears of it before
/// it extends a lease.
package final class CancelNotices: Sendable {
  /// Called on the writer's thread with the jobs' numbers: it must be quick. They may be anybody's.
  package typealias Action = @Sendable (_ numbers: [UInt64]) -> Void

  private struct State {
    var listeners: [UInt64: Action] = [:]
    var nextNumber: UInt64 = 0
  }

  private let state = Mutex(State())

  /// Listens until the returned number is handed to `stop`.
  package func listen(_ action: @escaping Action) -> UInt64 {
    state.withLock { state in
      state.nextNumber += 1
      state.listeners[state.nextNumber] = action
      return state.nextNumber
    }
  }

  package func stop(_ number: UInt64) {
    // What an action holds is let go of outside of the lock.
    _ = state.withLock { $0.listeners.removeValue(forKey: number) }
  }

  func tell(_ numbers: [UInt64]) {
    let listeners = state.withLock { Array($0.listeners.values) }
    for listener in listeners { listener(numbers) }
  }
}
