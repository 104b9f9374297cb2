import Logging
import Synchronization

/// Whether requests with a key can be served, as the key store's own answers tell: asked at most once a second,
/// whoever wants to know.
package final class KeyStoreHealth: Sendable {
  package enum State: Sendable, Equatable {
    case ok
    /// It refuses or does not answer what every request with a key asks.
    case unavailable
    /// It answers, and holds no key: every request with one is refused.
    case empty
  }

  /// How long an answer counts, in nanoseconds.
  private static let age: Int64 = 1_000_000_000

  private struct Memory {
    var state: State?
    var askedAt = Int64.min / 2
    /// What the log said last.
    var reported = State.ok
    /// The question that is under way, for all who ask meanwhile.
    var asking: Task<State, Never>?
  }

  private let store: any KeyStore
  private let clock: KeyClock
  private let logger: Logger?
  private let memory = Mutex(Memory())

  /// - Parameter logger: Told when the state turns.
  package init(_ store: any KeyStore, logger: Logger? = nil, clock: KeyClock = .system) {
    self.store = store
    self.logger = logger
    self.clock = clock
  }

  /// The state, at most a second old.
  package func state() async -> State {
    let now = clock.elapsed()
    let asking: Task<State, Never>? = memory.withLock { memory in
      if memory.state != nil, now - memory.askedAt < Self.age { return nil }
      if let asking = memory.asking { return asking }
      let asking = Task { await self.ask(now) }
      memory.asking = asking
      return asking
    }
    if let asking { return await asking.value }
    return memory.withLock { $0.state } ?? .unavailable
  }

  /// Asks now and then until the task is cancelled, so that the log says what nobody asked for.
  package func watch() async {
    while (try? await Task.sleep(for: .seconds(5))) != nil { _ = await state() }
  }

  private func ask(_ now: Int64) async -> State {
    let (state, error) = await answer()
    let isNews = memory.withLock { memory in
      // A new store is empty for a moment, until its first key is made: only a second look makes it an alarm.
      let isSure = state != .empty || memory.state == .empty
      let isNews = isSure && state != memory.reported
      memory = Memory(state: state, askedAt: now, reported: isNews ? state : memory.reported)
      return isNews
    }
    if isNews { report(state, error) }
    return state
  }

  private func answer() async -> (State, KeyStoreError?) {
    do throws(KeyStoreError) {
      try await store.check()
      return (try await store.isEmpty() ? .empty : .ok, nil)
    } catch {
      return (.unavailable, error)
    }
  }

  private func report(_ state: State, _ error: KeyStoreError?) {
    switch state {
    case .ok: logger?.notice("the key store serves again")
    case .unavailable:
      logger?.error(
        "the key store cannot serve: requests with a key are refused",
        metadata: ["reason": "\(error?.description ?? "")"])
    case .empty:
      logger?.error(
        """
        the key store holds no key: every request with one is refused. If it held keys before, restore it from a copy; \
        else make them with `roost keys create`
        """, metadata: ["store": "\(store.place)"])
    }
  }
}
