import Foundation
import Logging
import Metrics
import Synchronization

/// Turns the `Authorization` header of a request into its caller, from a cache when it can.
///
/// `cached` answers at once or not at all; `authenticate` may ask the store. Remembered keys serve for up to 5 s,
/// refusals for up to 1 s, also while the store is down; a revocation flushes both.
package final class Authenticator: Sendable {
  private let store: any KeyStore
  private let clock: KeyClock
  private let throttle: GuessThrottle?
  private let logger: Logger?
  private let checkIntervalNanoseconds: Int64
  private let cache: Shared<KeyCache>
  private let storeAnswers = Mutex(true)
  private let reports = Mutex(AllowanceTable<Bool>(perMinute: 1, capacity: 1))
  private let hits: Counter
  private let misses: Counter
  private let size: Meter

  /// - Parameters:
  ///   - throttle: Slows down guesses; nil lets everyone guess as fast as they like.
  ///   - metrics: Where cache hits, misses and size are counted.
  package init(
    store: any KeyStore, clock: KeyClock = .system, throttle: GuessThrottle? = nil, logger: Logger? = nil,
    metrics: any MetricsFactory = MetricsSystem.factory
  ) {
    hits = Counter(label: "roost_key_cache_hits_total", factory: metrics)
    misses = Counter(label: "roost_key_cache_misses_total", factory: metrics)
    size = Meter(label: "roost_key_cache_keys", factory: metrics)
    self.store = store
    self.clock = clock
    self.throttle = throttle
    self.logger = logger
    checkIntervalNanoseconds = store.checkInterval.map { Int64($0 / .nanoseconds(1)) } ?? .max
    let cache = Shared(KeyCache())
    self.cache = cache
    store.onChange { [size] in
      cache.value.withLock { $0.flush() }
      size.set(0)
    }
  }

  /// The key in an `Authorization` header; the word `Bearer` in any case.
  package static func token(inHeader header: String?) throws(AuthRejection) -> Secret {
    guard let header, !header.isEmpty else { throw .missing }
    guard let space = header.firstIndex(of: " "), header[..<space].lowercased() == "bearer" else { throw .malformed }
    let token = header[space...].drop { $0 == " " }
    guard !token.isEmpty else { throw .malformed }
    return Secret(token)
  }

  /// The caller of a key verified a moment ago; nil means nothing but that `authenticate` is to be asked.
  /// Never blocks, computes no hash: for the event loop.
  package func cached(_ presented: Secret) -> Caller? {
    guard let id = presented.unverifiedKeyID else { return nil }
    let now = clock.elapsed()
    let caller: Caller? = cache.value.withLock { cache in
      guard now - cache.checkedAt < checkIntervalNanoseconds else { return nil }
      return cache.verifiedCaller(id: String(id), key: presented, at: now, wall: clock.wall)
    }
    if caller != nil { hits.increment() }
    return caller
  }

  /// The caller that the value of an `Authorization` header stands for.
  ///
  /// - Parameter peer: Where it came from; nil if that is not known, and then guesses are not counted.
  /// - Throws: `.unavailable` if only the store could tell and it does not answer; never a wrong `.invalid`.
  package func authenticate(header: String?, from peer: AddressBlock? = nil) async throws(AuthRejection) -> Caller {
    do throws(AuthRejection) {
      let presented = try Self.token(inHeader: header)
      if let caller = cached(presented) { return caller }
      if let peer, let wait = throttle?.wait(peer, presenting: presented) {
        throw .tooManyAttempts(retryAfterSeconds: wait)
      }
      let caller = try await verify(presented)
      throttle?.passed(presented)
      return caller
    } catch {
      guard error.isGuess, let peer, let wait = throttle?.failed(peer) else { throw error }
      reportThrottling(of: peer)
      throw .tooManyAttempts(retryAfterSeconds: wait)
    }
  }

  private func verify(_ presented: Secret) async throws(AuthRejection) -> Caller {
    misses.increment()
    guard let key = APIKey(presented.reveal()) else { throw .malformed }
    await checkStoreIfDue()
    let (record, generation) = try await record(id: key.id)
    guard (record ?? .nobody).belongs(to: key), let record else { throw .invalid }
    // Only now: the secret was right, so its holder may know what became of the key.
    if record.revokedAt != nil { throw .revoked }
    if record.isExpired(at: clock.wall()) { throw .expired }
    cache.value.withLock { $0.markVerified(key, generation: generation) }
    return Caller(record)
  }

  /// The remembered or stored record, and the cache's generation from before it was read.
  private func record(id: String) async throws(AuthRejection) -> (KeyRecord?, UInt64) {
    let now = clock.elapsed()
    let (finding, generation) = cache.value.withLock { ($0.finding(id: id, at: now), $0.generation) }
    switch finding {
    case .record(let record): return (record, generation)
    case .absent: return (nil, generation)
    case .unknown: break
    }
    do {
      let record = try await store.find(id)
      note(answers: true)
      let count = cache.value.withLock { cache in
        cache.remember(record, id: id, readAt: now, generation: generation)
        return cache.count
      }
      size.set(count)
      return (record, generation)
    } catch {
      note(answers: false, error)
      throw .unavailable
    }
  }

  /// Lets a store that hears of nothing by itself look for changes made elsewhere; a change flushes the cache.
  private func checkStoreIfDue() async {
    let now = clock.elapsed()
    guard now - cache.value.withLock({ $0.checkedAt }) >= checkIntervalNanoseconds else { return }
    do {
      try await store.check()
      note(answers: true)
      cache.value.withLock { $0.checkedAt = max($0.checkedAt, now) }
    } catch {
      // What is remembered serves on until it is too old.
      note(answers: false, error)
    }
  }

  /// At most one line a minute, whoever guesses and how often.
  private func reportThrottling(of peer: AddressBlock) {
    guard let logger, reports.withLock({ $0.spend(true, at: clock.elapsed()) }) else { return }
    logger.warning("keys are being guessed: further attempts are refused for a while", metadata: ["address": "\(peer)"])
  }

  /// Logs only when the store's state turns, so that an outage is two lines and not one a request.
  private func note(answers: Bool, _ error: KeyStoreError? = nil) {
    let turned = storeAnswers.withLock { state in
      defer { state = answers }
      return state != answers
    }
    guard turned else { return }
    if let error {
      logger?.error("API keys cannot be checked", metadata: ["reason": "\(error)"])
    } else {
      logger?.notice("API keys can be checked again")
    }
  }
}

/// A lock that a closure can hold on to without holding on to its owner.
private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: Value) {
    self.value = Mutex(value)
  }
}
