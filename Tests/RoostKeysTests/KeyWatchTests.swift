import Foundation
import RoostKeys
import Synchronization
import Testing

/// Who acts on a key for long is told when it has ended.
struct KeyWatchTests {
  private let directory: TemporaryDirectory
  private let manual = ManualClock()

  init() throws { directory = try TemporaryDirectory() }

  private func caller(
    _ authenticator: Authenticator, _ keys: KeyService, expiresAt: Date? = nil
  ) async throws -> Caller {
    let made = try await keys.create(
      name: "n", ownerID: "o", type: .worker, expiresAt: expiresAt, by: .commandLine)
    return try await authenticator.authenticate(token: Substring(made.key.reveal()))
  }

  /// What a watch is told first.
  private func firstEnd(
    _ authenticator: Authenticator, _ caller: Caller, _ act: () async throws -> Void
  ) async throws -> AuthRejection? {
    let (ends, report) = AsyncStream.makeStream(of: AuthRejection.self)
    let watch = authenticator.watch(caller) { report.yield($0) }
    let keeping = Task { await authenticator.keepWatch() }
    try await act()
    var first: AuthRejection?
    for await end in ends {
      first = end
      break
    }
    watch.giveUp()
    keeping.cancel()
    await keeping.value
    return first
  }

  @Test("a key that is revoked here ends at once; what is handed over in the same instant is judged, too")
  func revokedHere() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    let (authenticator, keys) = (Authenticator(store: store), KeyService(store: store))
    let caller = try await caller(authenticator, keys)
    #expect(await authenticator.verdict(on: caller) == nil)
    let end = try await firstEnd(authenticator, caller) {
      _ = try await keys.revoke(caller.keyID, by: .commandLine)
      // No one has been told yet, perhaps.
      #expect(await authenticator.verdict(on: caller) == .revoked)
    }
    #expect(end == .revoked)
  }

  @Test("a key that is revoked by another process ends when the change of the file is noticed")
  func revokedElsewhere() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    let authenticator = Authenticator(store: store)
    let caller = try await caller(authenticator, KeyService(store: store))
    let end = try await firstEnd(authenticator, caller) {
      _ = try await KeyService(store: EmbeddedKeyStore(directory: directory.path)).revoke(
        caller.keyID, by: .commandLine)
    }
    #expect(end == .revoked)
  }

  @Test("a key in Redis that another daemon revokes ends when that is published")
  func revokedInRedis() async throws {
    let scene = try await RedisScene()
    let store = try scene.open()
    let authenticator = Authenticator(store: store)
    let caller = try await caller(authenticator, KeyService(store: store))
    try await scene.waitForListeners(1)
    let end = try await firstEnd(authenticator, caller) {
      _ = try await KeyService(store: scene.open(listens: false)).revoke(caller.keyID, by: .commandLine)
    }
    #expect(end == .revoked)
  }

  @Test("a key that expires ends at its instant")
  func expires() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let keys = KeyService(store: store, clock: manual.clock)
    let caller = try await caller(authenticator, keys, expiresAt: manual.now.addingTimeInterval(3_600))
    let told = Mutex<[AuthRejection]>([])
    let watch = authenticator.watch(caller) { end in told.withLock { $0.append(end) } }
    manual.advance(milliseconds: 3_599_999)
    await authenticator.judgeWatched()
    #expect(told.withLock { $0 } == [])
    manual.advance(milliseconds: 1)
    await authenticator.judgeWatched()
    await authenticator.judgeWatched()
    #expect(told.withLock { $0 } == [.expired], "once")
    withExtendedLifetime(watch) {}
    // With the clocks of the system it wakes up by itself.
    let (real, realKeys) = (Authenticator(store: store), KeyService(store: store))
    let soon = try await self.caller(real, realKeys, expiresAt: Date().addingTimeInterval(0.2))
    #expect(try await firstEnd(real, soon) {} == .expired)
  }

  @Test("a key that cannot be confirmed any more ends as unavailable, and not before it is too old")
  func storeIsDown() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let caller = try await caller(authenticator, KeyService(store: store, clock: manual.clock))
    let told = Mutex<[AuthRejection]>([])
    let watch = authenticator.watch(caller) { end in told.withLock { $0.append(end) } }
    store.setDown(true)
    manual.advance(milliseconds: 4_999)
    await authenticator.judgeWatched()
    #expect(told.withLock { $0 } == [])
    manual.advance(milliseconds: 1)
    await authenticator.judgeWatched()
    #expect(told.withLock { $0 } == [.unavailable])
    withExtendedLifetime(watch) {}
  }

  @Test("a watch that was given up, or let go of, is told nothing; the others of its key are")
  func givenUp() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let caller = try await caller(authenticator, KeyService(store: store, clock: manual.clock))
    let told = Mutex<[String]>([])
    let first = authenticator.watch(caller) { _ in told.withLock { $0.append("given up") } }
    _ = authenticator.watch(caller) { _ in told.withLock { $0.append("let go") } }
    let last = authenticator.watch(caller) { _ in told.withLock { $0.append("kept") } }
    first.giveUp()
    _ = try await store.revoke(caller.keyID, at: manual.now)
    manual.advance(milliseconds: 5_000)
    await authenticator.judgeWatched()
    #expect(told.withLock { $0 } == ["kept"])
    withExtendedLifetime(last) {}
  }

  @Test("X-API-Key counts where Authorization holds no key")
  func apiKeyHeader() throws {
    func token(_ header: String?, _ apiKey: String?) throws -> String {
      try Authenticator.token(inHeader: header, apiKey: apiKey).reveal()
    }
    #expect(try token(nil, "a") == "a" && token("Basic eA==", "a") == "a" && token("bEARER  b", "a") == "b")
    #expect(throws: AuthRejection.missing) { try token(nil, "") }
    #expect(throws: AuthRejection.malformed) { try token("Basic eA==", nil) }
  }

  @Test("the last use of a key is told to the minute, as long as it is remembered")
  func lastUse() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let made = try await KeyService(store: store, clock: manual.clock).create(
      name: "n", ownerID: "o", type: .client, by: .commandLine)
    #expect(authenticator.lastUse(of: made.record.id) == nil)
    let token = Substring(made.key.reveal())
    for wait in [0, 11_000, 90_000] as [Int64] {
      manual.advance(milliseconds: wait)
      _ = try await authenticator.authenticate(token: token)
      let used = try #require(authenticator.lastUse(of: made.record.id))
      #expect(used <= manual.now && manual.now.timeIntervalSince(used) < 60)
      #expect(used.timeIntervalSince1970.truncatingRemainder(dividingBy: 60) == 0)
    }
  }
}
