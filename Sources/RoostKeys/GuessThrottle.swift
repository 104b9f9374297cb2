import Synchronization

/// Slows down whoever guesses keys: counts wrong keys by address, and beyond the limit refuses to look at new ones.
///
/// Only guesses count: malformed and unknown keys and wrong secrets. A missing key, one that was revoked or has
/// expired, and a store that does not answer do not. A key that was right before is looked at from anywhere and at
/// any time, so that good keys behind the same address go on working.
package final class GuessThrottle: Sendable {
  /// Addresses remembered at once; more of them displace the ones that guessed least.
  package static let capacity = 4_096
  /// Good keys remembered: the last ones, between this many and twice as many.
  package static let goodKeys = 4_096

  private struct State {
    var guesses: AllowanceTable<AddressBlock>
    /// Seeded hashes of good keys, in two generations: when the newer is full, the older is forgotten.
    var good: Set<Int> = []
    var olderGood: Set<Int> = []
  }

  private let state: Mutex<State>
  private let clock: KeyClock

  /// - Parameter failuresPerMinute: From one address: so many at once, and so many more in each minute; at least 1.
  package init(failuresPerMinute: Int, clock: KeyClock = .system) {
    state = Mutex(State(guesses: AllowanceTable(perMinute: failuresPerMinute, capacity: Self.capacity)))
    self.clock = clock
  }

  /// How long this address is to wait before a key is looked at, seconds, at least 1; nil if it need not.
  func wait(_ peer: AddressBlock, presenting key: Secret) -> Int? {
    let (now, hash) = (clock.elapsed(), key.seededHash)
    let wait = state.withLock { state in
      state.good.contains(hash) || state.olderGood.contains(hash) ? 0 : state.guesses.wait(peer, at: now)
    }
    return wait == 0 ? nil : Self.seconds(wait)
  }

  /// Notes that the key was right.
  func passed(_ key: Secret) {
    let hash = key.seededHash
    state.withLock { state in
      guard !state.good.contains(hash) else { return }
      if state.good.count >= Self.goodKeys {
        state.olderGood = state.good
        state.good.removeAll(keepingCapacity: true)
      }
      state.good.insert(hash)
    }
  }

  /// Notes that a guess was wrong.
  ///
  /// - Returns: The seconds to wait, if the address had no guess left: many at once can be under way, and the answer
  ///   to more than were allowed is not theirs to know.
  func failed(_ peer: AddressBlock) -> Int? {
    let now = clock.elapsed()
    return state.withLock { state in
      state.guesses.spend(peer, at: now) ? nil : Self.seconds(state.guesses.wait(peer, at: now))
    }
  }

  private static func seconds(_ nanoseconds: Int64) -> Int {
    Int((max(1, nanoseconds) + 999_999_999) / 1_000_000_000)
  }
}
