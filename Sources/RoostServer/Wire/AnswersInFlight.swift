import Dispatch
import Synchronization

/// The requests that were taken and not yet answered, so that a process that must end can let their answers leave.
package final class AnswersInFlight: Sendable {
  private let current = Mutex(DispatchGroup())

  package init() {}

  /// Counts a request from here on; its `leave` is called once, when the answer was written or cannot be any more.
  func enter() -> DispatchGroup {
    let group = current.withLock { $0 }
    group.enter()
    return group
  }

  /// Waits for the requests taken so far, not for later ones. Blocks its thread; not for event loops.
  ///
  /// - Parameter limit: How long at most: a client that does not read would hold it up for ever.
  /// - Returns: Whether every answer was written, or lost its connection.
  @discardableResult
  package func waitUntilAnswered(atMost limit: Duration) -> Bool {
    let taken = current.withLock { group in
      let taken = group
      group = DispatchGroup()
      return taken
    }
    return taken.wait(timeout: .now() + .nanoseconds(Int(limit / .nanoseconds(1)))) == .success
  }
}
