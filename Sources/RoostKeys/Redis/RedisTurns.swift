import Synchronization

/// Lets one change at a time through, in the order of asking.
final class RedisTurns: Sendable {
  /// More than these do not wait: each may take as long as Redis may.
  private static let maximumWaiting = 32

  private struct State {
    var isTaken = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  /// Waits for its turn; every `take` that did not throw needs its `give`.
  func take() async throws(KeyStoreError) {
    let isTooMany = state.withLock { $0.waiting.count >= Self.maximumWaiting }
    if isTooMany { throw .unreachable("too many changes of keys wait for Redis: try again") }
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        defer { state.isTaken = true }
        if state.isTaken { state.waiting.append(continuation) }
        return !state.isTaken
      }
      if isFree { continuation.resume() }
    }
  }

  func give() {
    let next = state.withLock { state in
      state.isTaken = !state.waiting.isEmpty
      return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
    }
    next?.resume()
  }
}
