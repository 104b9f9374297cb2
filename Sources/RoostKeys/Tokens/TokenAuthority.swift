import Foundation
import Logging
import Metrics
import RoostAPI
import Synchronization

/// Where the key set of an issuer comes from.
package protocol KeySetSource: Sendable {
  /// For the log.
  var name: String { get }
  /// How often it is read again.
  var interval: Duration { get }
  /// - Throws: Anything: the keys that are known stay.
  func load() async throws -> [UInt8]
}

/// A key set in a file, which may be replaced at any time.
package struct KeySetFile: KeySetSource {
  private let path: String

  package init(path: String) { self.path = path }

  package var name: String { path }
  package var interval: Duration { .seconds(5) }

  package func load() async throws -> [UInt8] {
    guard let file = FileHandle(forReadingAtPath: path) else { throw KeySet.Problem(description: "it cannot be read") }
    defer { try? file.close() }
    return [UInt8](try file.read(upToCount: KeySet.mostBytes + 1) ?? Data())
  }
}

/// Turns JSON Web Tokens of one issuer into callers: RS256, ES256 and EdDSA, by the keys of its set.
///
/// Verified tokens are remembered until they end or their key leaves the set. The set is read again at intervals, and when a
/// token names a key that is not in it, at most every ten seconds.
package final class TokenAuthority: Sendable {
  /// How far clocks may be apart.
  static let skew: TimeInterval = 60
  /// Tokens remembered.
  private static let capacity = 8_192
  private static let leastPause: Int64 = 10_000_000_000
  /// A set that could not be read for so long is not believed any more.
  private static let mostAge: Int64 = 3_600_000_000_000

  private struct State {
    var keys: KeySet?
    /// When the keys were read, and when that was tried last; `KeyClock.elapsed`.
    var readAt = Int64.min / 2
    var triedAt = Int64.min / 2
    var loading: Task<Void, Never>?
    var verified: [SecretHash: Caller] = [:]
    var isFailing = false
  }

  private let issuer: String
  private let audience: String
  private let source: any KeySetSource
  private let clock: KeyClock
  private let logger: Logger?
  private let state = Mutex(State())
  private let onChange = Mutex<(@Sendable () -> Void)?>(nil)
  private let reports = Mutex(AllowanceTable<String>(perMinute: 1, capacity: 64))
  private let accepted: Counter
  private let refused: [TokenRefusal: Counter]
  private let keyCount: Meter

  /// - Parameters:
  ///   - issuer: `iss` of every token, byte for byte.
  ///   - audience: Must be among `aud`.
  package init(
    issuer: String, audience: String, source: any KeySetSource, clock: KeyClock = .system, logger: Logger? = nil,
    metrics: any MetricsFactory = MetricsSystem.factory
  ) {
    self.issuer = issuer
    self.audience = audience
    self.source = source
    self.clock = clock
    self.logger = logger
    accepted = Counter(label: "roost_jwt_verified_total", factory: metrics)
    refused = Dictionary(
      uniqueKeysWithValues: TokenRefusal.allCases.map {
        ($0, Counter(label: "roost_jwt_refusals_total", dimensions: [("reason", $0.rawValue)], factory: metrics))
      })
    keyCount = Meter(label: "roost_jwt_keys", factory: metrics)
  }

  /// Calls back when a key has left the set, or is another.
  func whenKeysChange(_ action: @escaping @Sendable () -> Void) { onChange.withLock { $0 = action } }

  /// Whether a text is meant as a token rather than as a key.
  func isMeant(_ presented: Secret) -> Bool { presented.isMeantAsToken }

  /// The caller of a token that was verified before. Never blocks.
  func cached(_ presented: Secret) -> Caller? {
    guard presented.isMeantAsToken, presented.count <= WebToken.mostBytes else { return nil }
    let hash = SecretHash(of: presented)
    let now = clock.wall()
    return state.withLock { state in
      guard let caller = state.verified[hash], let end = caller.expiresAt, end > now else { return nil }
      return caller
    }
  }

  /// The caller that a token stands for.
  ///
  /// - Throws: `.invalidToken`, the same for all that is wrong with it; `.unavailable` while there are no keys.
  func caller(of presented: Secret) async throws(AuthRejection) -> Caller {
    if let caller = cached(presented) { return caller }
    let verified: Caller?
    do throws(TokenRefusal) {
      verified = try await verify(presented)
    } catch {
      refused[error]?.increment()
      report(error)
      throw .invalidToken(isGuess: error != .expired && error != .notYet)
    }
    guard let verified else { throw .unavailable }
    remember(verified)
    accepted.increment()
    return verified
  }

  /// Judges a token anew, and says what is wrong with it: for the operator, not for whoever sent it.
  ///
  /// - Returns: nil: there are no keys to judge it by.
  package func verify(_ presented: Secret) async throws(TokenRefusal) -> Caller? {
    let token = try WebToken(presented.reveal())
    guard let key = try await key(for: token) else { return nil }
    guard key.hasSigned(token.signed, token.signature) else { throw .signature }
    return try caller(try TokenClaims(token.payload), presented, key)
  }

  /// Why a token's caller may no longer act; nil: it may.
  func verdict(on caller: Caller) -> AuthRejection? {
    guard let end = caller.expiresAt, end > clock.wall() else { return .invalidToken(isGuess: false) }
    let now = clock.elapsed()
    return state.withLock { state in
      guard let keys = state.keys, now - state.readAt < Self.mostAge else { return .unavailable }
      return keys.keys.contains { $0.material == caller.tokenKey } ? nil : .invalidToken(isGuess: false)
    }
  }

  // MARK: Keys

  /// Reads the set again and again until the task is cancelled.
  func keepKeys() async {
    while !Task.isCancelled {
      await load()
      try? await Task.sleep(for: source.interval)
    }
  }

  private var hasKeys: Bool {
    let now = clock.elapsed()
    return state.withLock { $0.keys != nil && now - $0.readAt < Self.mostAge }
  }

  /// - Returns: nil: there are no keys to believe.
  private func key(for token: WebToken) async throws(TokenRefusal) -> KeySet.Key? {
    if !hasKeys { await loadIfDue(after: 1_000_000_000) }
    guard let known = state.withLock({ $0.keys }), hasKeys else { return nil }
    if let found = try? known.keys(for: token) { return found }
    // It may have been signed with a new one.
    await loadIfDue(after: Self.leastPause)
    return try (state.withLock { $0.keys } ?? known).keys(for: token)
  }

  private func loadIfDue(after pause: Int64) async {
    let now = clock.elapsed()
    let (isDue, loading) = state.withLock { state in (now - state.triedAt >= pause, state.loading) }
    if let loading { return await loading.value }
    if isDue { await load() }
  }

  /// Reads the set once, however many ask for it.
  package func load() async {
    let task = state.withLock { state in
      if let loading = state.loading { return loading }
      state.triedAt = clock.elapsed()
      let task = Task { await self.read() }
      state.loading = task
      return task
    }
    await task.value
  }

  private func read() async {
    do {
      let keys = try await KeySet(try await source.load())
      take(keys)
    } catch {
      let isNew = state.withLock { state in
        defer { (state.isFailing, state.loading) = (true, nil) }
        return !state.isFailing
      }
      if isNew {
        logger?.error(
          "the keys of tokens cannot be read", metadata: ["source": "\(source.name)", "reason": "\(error)"])
      }
    }
  }

  private func take(_ keys: KeySet) {
    let now = clock.elapsed()
    let (hasLost, isNew, wasFailing) = state.withLock { state in
      let known = Set(keys.keys.map(\.material))
      let before = state.keys.map { Set($0.keys.map(\.material)) }
      let hasLost = before.map { !$0.isSubset(of: known) } ?? false
      if hasLost { state.verified = state.verified.filter { known.contains($0.value.tokenKey ?? "") } }
      defer { (state.keys, state.readAt, state.isFailing, state.loading) = (keys, now, false, nil) }
      return (hasLost, before != known, state.isFailing)
    }
    keyCount.set(keys.keys.count)
    if isNew || wasFailing {
      logger?.notice(
        "the keys of tokens were read",
        metadata: ["source": "\(source.name)", "keys": "\(keys.keys.count)", "left_out": "\(keys.ignored)"])
    }
    if hasLost { onChange.withLock { $0 }?() }
  }

  // MARK: Claims

  private func caller(
    _ claims: TokenClaims, _ presented: Secret, _ key: KeySet.Key
  ) throws(TokenRefusal) -> Caller {
    guard let given = claims.issuer, Name(given) == Name(issuer) else { throw .issuer }
    guard claims.audiences.contains(where: { Name($0) == Name(audience) }) else { throw .audience }
    guard let expires = claims.expires else { throw .claims }
    let now = clock.wall().timeIntervalSince1970
    guard expires + Self.skew > now else { throw .expired }
    guard (claims.notBefore ?? 0) - Self.skew <= now, (claims.issuedAt ?? 0) - Self.skew <= now else { throw .notYet }
    guard let owner = claims.owner ?? claims.subject, (1...KeyRecord.maximumTextBytes).contains(owner.utf8.count),
      owner.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { throw .claims }
    return Caller(
      token: presented, subject: claims.subject ?? owner, issuer: issuer, ownerID: Name(owner), type: claims.type,
      queues: claims.queues, scopes: claims.scopes.map(claims.type.scopes.intersection) ?? claims.type.scopes,
      expiresAt: Date(timeIntervalSince1970: expires + Self.skew), key: key.material)
  }

  private func remember(_ caller: Caller) {
    guard let hash = caller.secretHash else { return }
    let now = clock.wall()
    state.withLock { state in
      if state.verified.count >= Self.capacity {
        state.verified = state.verified.filter { $0.value.expiresAt.map { $0 > now } ?? false }
        if state.verified.count >= Self.capacity { state.verified.removeAll(keepingCapacity: true) }
      }
      state.verified[hash] = caller
    }
  }

  /// At most a line a minute and reason.
  private func report(_ refusal: TokenRefusal) {
    guard reports.withLock({ $0.spend(refusal.rawValue, at: clock.elapsed()) }) else { return }
    logger?.notice("a token was refused", metadata: ["reason": "\(refusal.rawValue)"])
  }
}
