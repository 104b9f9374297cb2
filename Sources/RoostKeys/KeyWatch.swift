import Foundation
import Synchronization

/// Someone who acts on a key for longer than a key may be believed, such as a long poll. Giving up the watch, or
/// letting go of it, ends it.
package final class KeyWatch: Sendable {
  private let watches: KeyWatches
  private let key: KeyWatches.Key
  private let number: UInt64

  fileprivate init(_ watches: KeyWatches, _ key: KeyWatches.Key, _ number: UInt64) {
    self.watches = watches
    self.key = key
    self.number = number
  }

  deinit { giveUp() }

  package func giveUp() { watches.remove(key, number) }
}

/// Who acts on which key, so that whoever judges a key judges it once for all of them.
final class KeyWatches: Sendable {
  typealias Action = @Sendable (AuthRejection) -> Void

  /// A secret that was replaced under the same id is another key.
  fileprivate struct Key: Hashable {
    let id: String
    let secretHash: SecretHash?

    init(_ caller: Caller) {
      id = caller.keyID
      secretHash = caller.secretHash
    }
  }

  private struct Watched {
    let caller: Caller
    var actions: [UInt64: Action] = [:]
  }

  private struct State {
    var keys: [Key: Watched] = [:]
    var nextNumber: UInt64 = 0
    /// Woken while nobody slept.
    var isAwake = false
    var sleeper: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  /// The callers whose keys are in use, one for each key.
  var callers: [Caller] { state.withLock { $0.keys.values.map(\.caller) } }

  func add(_ caller: Caller, _ action: @escaping Action) -> KeyWatch {
    let key = Key(caller)
    let (number, isNew) = state.withLock { state in
      state.nextNumber += 1
      let isNew = state.keys[key] == nil
      state.keys[key, default: Watched(caller: caller)].actions[state.nextNumber] = action
      return (state.nextNumber, isNew)
    }
    // It may end sooner than the others, and may have ended since it was found good.
    if isNew { wake() }
    return KeyWatch(self, key, number)
  }

  fileprivate func remove(_ key: Key, _ number: UInt64) {
    // What an action holds is let go of outside of the lock: it may be the last to hold something that comes here.
    _ = state.withLock { state -> Action? in
      let action = state.keys[key]?.actions.removeValue(forKey: number)
      if state.keys[key]?.actions.isEmpty == true { state.keys[key] = nil }
      return action
    }
  }

  /// Tells everyone who acts on the caller's key.
  func end(_ caller: Caller, _ rejection: AuthRejection) {
    let watched = state.withLock { $0.keys.removeValue(forKey: Key(caller)) }
    for action in (watched?.actions ?? [:]).values { action(rejection) }
  }

  /// Ends the sleep, or the next one at once.
  func wake() {
    let sleeper = state.withLock { state in
      state.isAwake = state.sleeper == nil
      return state.sleeper.take()
    }
    sleeper?.resume()
  }

  /// Sleeps until something is to be judged: until it is woken, the next key expires, or `limit` is over; without a key
  /// in use, until it is woken. One task sleeps; cancelling it wakes it.
  func sleep(atMost limit: Duration, wall now: Date) async {
    let pause = state.withLock { state -> Duration? in
      guard !state.keys.isEmpty else { return nil }
      let expiry = state.keys.values.compactMap(\.caller.expiresAt).min()
      return expiry.map { min(limit, .seconds(max(0, $0.timeIntervalSince(now)))) } ?? limit
    }
    let timer = pause.map { pause in
      Task {
        if (try? await Task.sleep(for: pause)) != nil { self.wake() }
      }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { sleeper in
        let isAwake = state.withLock { state in
          if !state.isAwake { state.sleeper = sleeper }
          defer { state.isAwake = false }
          return state.isAwake
        }
        if isAwake { sleeper.resume() }
      }
    } onCancel: {
      wake()
    }
    timer?.cancel()
  }
}
