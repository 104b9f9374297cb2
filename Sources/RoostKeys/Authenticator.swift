import Foundation
import Logging
import Metrics
import RoostAPI
import Synchronization

/// Turns the key that a request carries into its caller, from a cache when it can, and tells whoever acts on a key for
/// longer that it has ended.
///
/// `cached` answers at once or not at all; `authenticate` may ask the store. Remembered keys serve for up to 5 s,
/// refusals for up to 1 s, also while the store is down; a revocation flushes both.
package final class Authenticator: Sendable {
  private let store: any KeyStore
  private let clock: KeyClock
  private let throttle: GuessThrottle?
  /// Judges JSON Web Tokens; nil: there are keys alone.
  private let tokens: TokenAuthority?
  private let logger: Logger?
  private let checkIntervalNanoseconds: Int64
  private let cache: Shared<KeyCache>
  private let flushes = Flushes()
  private let watches = KeyWatches()
  private let storeAnswers = Mutex(true)
  /// Lines about guesses, and about records that cannot be read.
  private let reports = Mutex(AllowanceTable<String>(perMinute: 1, capacity: 64))
  private let hits: Counter
  private let misses: Counter
  private let size: Meter

  /// - Parameters:
  ///   - throttle: Slows down guesses; nil lets everyone guess as fast as they like.
  ///   - tokens: Whose JSON Web Tokens count beside keys; nil: none.
  ///   - metrics: Where cache hits, misses and size are counted.
  package init(
    store: any KeyStore, clock: KeyClock = .system, throttle: GuessThrottle? = nil, tokens: TokenAuthority? = nil,
    logger: Logger? = nil, metrics: any MetricsFactory = MetricsSystem.factory
  ) {
    self.tokens = tokens
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
    store.onChange { [size, watches, flushes] in
      cache.value.withLock { $0.flush() }
      flushes.count.wrappingAdd(1, ordering: .releasing)
      size.set(0)
      watches.wake()
    }
    tokens?.whenKeysChange { [watches, flushes] in
      flushes.count.wrappingAdd(1, ordering: .releasing)
      watches.wake()
    }
  }

  /// The key that a request carries: in `Authorization`, the word `Bearer` in any case, or else in `X-API-Key`.
  package static func token(
    inHeader header: String?, apiKey: String? = nil
  ) throws(AuthRejection) -> Secret {
    do throws(AuthRejection) {
      return try bearer(header)
    } catch {
      // A proxy's own credentials may stand in `Authorization`.
      guard let apiKey, !apiKey.isEmpty else { throw error }
      return Secret(apiKey)
    }
  }

  private static func bearer(_ header: String?) throws(AuthRejection) -> Secret {
    guard let header, !header.isEmpty else { throw .missing }
    let bytes = header.utf8
    guard let space = bytes.firstIndex(of: UInt8(ascii: " ")), header[..<space].asciiLowercased == "bearer" else {
      throw .malformed
    }
    let token = bytes[space...].drop { $0 == UInt8(ascii: " ") }
    guard !token.isEmpty else { throw .malformed }
    return Secret(Substring(token))
  }

  /// The caller of a key verified a moment ago; nil means nothing but that `authenticate` is to be asked.
  /// Never blocks, computes no hash: for the event loop.
  package func cached(_ presented: Secret) -> Caller? { judge(presented, nil)?.caller }

  /// The same, with what a connection needs to know the same header again.
  ///
  /// - Parameter header: The value of `Authorization` that held the key.
  package func judge(_ presented: Secret, _ header: String?) -> KeyMemo? {
    guard let id = presented.unverifiedKeyID else { return judge(token: presented, header) }
    // Before the cache is asked: a flush in between makes the memo void.
    let flushes = flushes.count.load(ordering: .acquiring)
    let now = clock.elapsed()
    let found: (caller: Caller, until: Int64)? = cache.value.withLock { cache in
      guard now - cache.checkedAt < checkIntervalNanoseconds else { return nil }
      guard let found = cache.verifiedCaller(id: String(id), key: presented, at: now, wall: clock.wall) else {
        return nil
      }
      let (unchecked, isFar) = cache.checkedAt.addingReportingOverflow(checkIntervalNanoseconds)
      return (found.caller, min(found.until, isFar ? .max : unchecked))
    }
    guard let found else { return nil }
    hits.increment()
    return KeyMemo(
      header: Secret(header ?? ""), caller: found.caller, flushes: flushes,
      until: min(found.until, now + KeyMemo.longestNanoseconds))
  }

  /// The same for a token.
  private func judge(token: Secret, _ header: String?) -> KeyMemo? {
    guard let tokens else { return nil }
    let flushes = flushes.count.load(ordering: .acquiring)
    guard let caller = tokens.cached(token) else { return nil }
    hits.increment()
    return KeyMemo(
      header: Secret(header ?? ""), caller: caller, flushes: flushes,
      until: clock.elapsed() + KeyMemo.longestNanoseconds)
  }

  /// The caller of a header that was judged before, if these are the same bytes and nothing has become of the key.
  package func recall(_ memo: KeyMemo, _ header: UnsafeRawBufferPointer) -> Caller? {
    guard memo.flushes == flushes.count.load(ordering: .acquiring), clock.elapsed() < memo.until, !header.isEmpty,
      memo.header.matches(header), memo.caller.expiresAt.map({ $0 > clock.wall() }) ?? true
    else { return nil }
    hits.increment()
    return memo.caller
  }

  /// Counts what may have ended keys: to be taken before a key is judged, and given to `holds` after it.
  package var flushCount: UInt64 { flushes.count.load(ordering: .acquiring) }

  /// Whether a caller that was judged may be believed without asking again: nothing has become of any key since, and its
  /// own has not expired.
  ///
  /// - Parameter flushCount: Of before the judgement.
  package func holds(_ caller: Caller, since flushCount: UInt64) -> Bool {
    flushCount == self.flushCount && (caller.expiresAt.map { $0 > clock.wall() } ?? true)
  }

  /// The caller that a request's headers stand for.
  ///
  /// - Parameters:
  ///   - header: The value of `Authorization`.
  ///   - apiKey: The value of `X-API-Key`, which counts where the other holds no key.
  ///   - peer: Where it came from; nil if that is not known, and then guesses are not counted.
  /// - Throws: `.unavailable` if only the store could tell and it does not answer; never a wrong `.invalid`.
  package func authenticate(
    header: String?, apiKey: String? = nil, from peer: AddressBlock? = nil
  ) async throws(AuthRejection) -> Caller {
    do throws(AuthRejection) {
      let presented = try Self.token(inHeader: header, apiKey: apiKey)
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
    if let tokens, tokens.isMeant(presented) { return try await tokens.caller(of: presented) }
    guard let key = PresentedKey(presented.reveal()) else { throw .malformed }
    await checkStoreIfDue()
    let (record, generation) = try await record(of: key, presented.seededHash)
    // Only now: the secret was right, so its holder may know what became of the key.
    if let ended = end(of: record) { throw ended }
    let now = clock.elapsed()
    cache.value.withLock { $0.markVerified(key, at: now, generation: generation) }
    return Caller(record)
  }

  /// The record of a key whose secret is right, and the cache's generation from before it was read.
  ///
  /// A wrong secret asks the store, whatever is remembered of its id: it must take as long as an unknown id.
  private func record(
    of key: PresentedKey, _ textHash: Int
  ) async throws(AuthRejection) -> (KeyRecord, UInt64) {
    let now = clock.elapsed()
    let (remembered, wasRefused, generation) = cache.value.withLock {
      ($0.record(id: key.id, at: now), $0.wasRefused(textHash, at: now), $0.generation)
    }
    if wasRefused { throw .invalid }
    if (remembered ?? .nobody).belongs(to: key), let remembered { return (remembered, generation) }
    let found = try await find(key.id)
    guard (found ?? .nobody).belongs(to: key), let found else {
      cache.value.withLock { $0.remember(refusalOf: textHash, at: now, generation: generation) }
      throw .invalid
    }
    remember(found, readAt: now, generation)
    return (found, generation)
  }

  private func remember(_ record: KeyRecord, readAt: Int64, _ generation: UInt64) {
    let count = cache.value.withLock { cache in
      cache.remember(record, readAt: readAt, generation: generation)
      return cache.count
    }
    size.set(count)
  }

  private func find(_ id: String) async throws(AuthRejection) -> KeyRecord? {
    do {
      let record = try await store.find(id)
      note(answers: true)
      return record
    } catch {
      note(answers: false, error)
      throw .unavailable
    }
  }

  /// Why a key of this record is not good; nil: it is.
  private func end(of record: KeyRecord) -> AuthRejection? {
    if record.revokedAt != nil { return .revoked }
    return record.isExpired(at: clock.wall()) ? .expired : nil
  }

  // MARK: Keys in use

  /// Why the key that a caller came with may no longer act; nil: it is as good as that of a new request. For what takes
  /// longer than a key may be believed: right before something is handed over.
  package func verdict(on caller: Caller) async -> AuthRejection? {
    if caller.tokenKey != nil { return tokens?.verdict(on: caller) ?? nil }
    if let expiresAt = caller.expiresAt, expiresAt <= clock.wall() { return .expired }
    await checkStoreIfDue()
    let now = clock.elapsed()
    let (isGood, generation) = cache.value.withLock {
      ($0.holds(caller, at: now, wall: clock.wall), $0.generation)
    }
    if isGood { return nil }
    let found: KeyRecord?
    do { found = try await find(caller.keyID) } catch { return error }
    guard let found, caller.secretHash.map(found.secretHash.isSame) ?? true else { return .invalid }
    if let ended = end(of: found) { return ended }
    remember(found, readAt: now, generation)
    return nil
  }

  /// Calls back, once, when the caller's key has ended or cannot be confirmed any more, until the watch is given up.
  /// It is noticed by `keepWatch`: a revocation here at once, one elsewhere as soon as the store hears of it, and an
  /// expiry at its instant.
  ///
  /// - Parameter action: Called on any thread: it must be quick.
  package func watch(_ caller: Caller, onEnd action: @escaping @Sendable (AuthRejection) -> Void) -> KeyWatch {
    watches.add(caller, action)
  }

  /// Looks after the keys in use until the task is cancelled.
  package func keepWatch() async {
    async let _ = tokens?.keepKeys()
    while !Task.isCancelled {
      await watches.sleep(atMost: store.checkInterval ?? .seconds(1), wall: clock.wall())
      await judgeWatched()
    }
  }

  /// Judges every key in use once.
  package func judgeWatched() async {
    for caller in watches.callers {
      if let ended = await verdict(on: caller) { watches.end(caller, ended) }
    }
  }

  /// When a key was used last, to the minute; nil: not since the daemon started, or too long ago. Uses are not stored.
  package func lastUse(of id: String) -> Date? {
    let (now, wall) = (clock.elapsed(), clock.wall())
    guard let used = cache.value.withLock({ $0.lastUse(of: id) }) else { return nil }
    let time = wall.timeIntervalSince1970 - Double(now - used) / 1e9
    return Date(timeIntervalSince1970: (time / 60).rounded(.down) * 60)
  }

  // MARK: The store

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
    guard let logger, mayReport("guesses") else { return }
    logger.warning("keys are being guessed: further attempts are refused for a while", metadata: ["address": "\(peer)"])
  }

  private func mayReport(_ what: String) -> Bool { reports.withLock { $0.spend(what, at: clock.elapsed()) } }

  /// Logs only when the store's state turns, so that an outage is two lines and not one a request.
  private func note(answers: Bool, _ error: KeyStoreError? = nil) {
    // A record that is damaged is no outage, and its holder may ask again and again.
    if let error, error.isOfOneRecord {
      let text = "\(error)"
      if mayReport(text) { logger?.error("a key cannot be checked", metadata: ["reason": "\(text)"]) }
      return
    }
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

/// Counts flushes of the cache, to be compared without its lock.
private final class Flushes: Sendable {
  let count = Atomic<UInt64>(0)
}
