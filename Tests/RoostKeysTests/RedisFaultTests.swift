import Foundation
import NIOCore
import NIOPosix
import RedisForTests
import RoostKeys
import Testing

/// What becomes of keys when Redis fails in each of the ways it can.
struct RedisFaultTests {
  private func authenticator(_ scene: RedisScene, _ store: RedisKeyStore) -> Authenticator {
    Authenticator(store: store, clock: scene.manual.clock)
  }

  /// An authenticator that remembers a key of the scene.
  private func remembered(_ scene: RedisScene) async throws -> (Authenticator, token: Substring, id: String) {
    let store = try scene.open()
    let authenticator = authenticator(scene, store)
    let (token, id) = try await scene.makeKey(store)
    try await scene.waitForListeners(1)
    try await RoostKeysTests.eventually("the key is remembered") {
      _ = try await authenticator.authenticate(token: token)
      return authenticator.cached(token) != nil
    }
    return (authenticator, token, id)
  }

  /// Asks until the answer is this refusal; only "unavailable" may come before it.
  private func eventually(_ expected: AuthRejection, _ authenticator: Authenticator, _ token: Substring) async throws {
    try await RoostKeysTests.eventually("the answer is \(expected)") {
      do throws(AuthRejection) {
        _ = try await authenticator.authenticate(token: token)
        return false
      } catch {
        #expect(error == expected || error == .unavailable)
        return error == expected
      }
    }
  }

  /// Asks until the key is good; only "unavailable" may come before that.
  private func eventuallyGood(_ authenticator: Authenticator, _ token: Substring) async throws {
    try await RoostKeysTests.eventually("the key is good") {
      do throws(AuthRejection) {
        _ = try await authenticator.authenticate(token: token)
        return true
      } catch {
        #expect(error == .unavailable)
        return false
      }
    }
  }

  @Test("fault 40: with Redis down from the start keys are unavailable, not wrong, until it is there")
  func downAtBoot() async throws {
    let scene = try await RedisScene(isUp: false)
    let store = try scene.open()
    let authenticator = authenticator(scene, store)
    let key = APIKey.mint(.client)
    let token = Substring(key.whole.reveal())
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    await #expect(throws: KeyStoreError.self) { try await store.check() }
    await #expect(throws: KeyStoreError.self) { try await store.list(owner: nil) }
    try await away { try scene.server.start() }
    try await RoostKeysTests.eventually("the store answers") { (try? await store.check()) != nil }
    try await store.create(scene.record(key))
    #expect(try await authenticator.authenticate(token: token).keyID == key.id)
  }

  @Test("fault 41: killed, remembered keys serve until they are too old, then none is judged; it is back by itself")
  func killed() async throws {
    let scene = try await RedisScene()
    let (authenticator, token, id) = try await remembered(scene)
    scene.server.kill()
    scene.manual.advance(milliseconds: 4_999)
    #expect(try await authenticator.authenticate(token: token).keyID == id)
    let stranger = Substring(APIKey.mint(.client).whole.reveal())
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: stranger) }
    scene.manual.advance(milliseconds: 1)
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    try await away { try scene.server.start() }
    try await eventuallyGood(authenticator, token)
    try await eventually(.invalid, authenticator, stranger)
  }

  @Test("fault 42: a Redis that hangs blocks no event loop; what was asked is answered when it goes on")
  func hangs() async throws {
    let scene = try await RedisScene()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let address = try RedisAddress(Secret(scene.server.url()))
    var limits = RedisLimits()
    limits.command = .seconds(60)
    let store = RedisKeyStore(address, limits: limits, group: group)
    let (_, id) = try await scene.makeKey(store)
    scene.server.hang()
    async let found = store.find(id)
    // The only loop there is runs this while the question is open.
    for _ in 0..<100 { try await group.next().submit {}.get() }
    scene.server.goOn()
    #expect(try await found?.id == id)
    store.close()
    try await group.shutdownGracefully()
  }

  @Test("fault 42: a Redis that hangs for longer than the limit is given up, and found again when it goes on")
  func hangsForLong() async throws {
    let scene = try await RedisScene()
    let store = try scene.open { $0.command = .milliseconds(200) }
    let authenticator = authenticator(scene, store)
    let (token, _) = try await scene.makeKey(scene.open(listens: false))
    scene.server.hang()
    for _ in 0..<3 {
      await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    }
    let other = try scene.open(listens: false) { $0.command = .milliseconds(200) }
    await #expect(throws: KeyStoreError.self) { try await other.check() }
    scene.server.goOn()
    try await eventuallyGood(authenticator, token)
  }

  @Test("fault 42: while Redis hangs only so many questions wait, and more are refused at once")
  func manyQuestions() async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false) {
      $0.commandsInFlight = 12
      $0.ping = .seconds(600)
    }
    let (_, id) = try await scene.makeKey(scene.open(listens: false))
    _ = try await store.find(id)
    scene.server.hang()
    let outcomes = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<6 { group.addTask { (try? await store.find(id)) != nil } }
      // The two that are refused end while the others wait; only then does it go on.
      let refused = [await group.next(), await group.next()]
      scene.server.goOn()
      return await group.reduce(into: refused.compactMap { $0 }) { $0.append($1) }
    }
    #expect(outcomes == [false, false, true, true, true, true])
  }

  @Test("fault 43: a Redis that lost its keys refuses them all, and an admin can be made again")
  func emptied() async throws {
    let scene = try await RedisScene()
    let store = try scene.open()
    let authenticator = authenticator(scene, store)
    let (token, _) = try await scene.makeKey(store, .admin)
    _ = try await authenticator.authenticate(token: token)
    scene.server.kill()
    try await away { try scene.server.start(keeping: false) }
    // No clock was turned: the cache is flushed because Redis was lost and found.
    try await eventually(.invalid, authenticator, token)
    let again = try scene.open(listens: false)
    let (newToken, newID) = try await scene.makeKey(again, .admin)
    #expect(try await authenticator.authenticate(token: newToken).keyID == newID)
  }

  @Test("fault 44: a revocation that nobody told of counts when the remembered key is too old")
  func missed() async throws {
    let scene = try await RedisScene()
    let (authenticator, token, id) = try await remembered(scene)
    try scene.server.cli("HSET", "api_key:\(id)", "revoked_at_ms", "1700000000000")
    scene.manual.advance(milliseconds: 4_999)
    #expect(authenticator.cached(token) != nil)
    scene.manual.advance(milliseconds: 1)
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: token) }
  }

  @Test("fault 44: a daemon that did not hear for a while forgets what it remembered as soon as it hears again")
  func deaf() async throws {
    let scene = try await RedisScene()
    let (authenticator, token, id) = try await remembered(scene)
    try scene.server.cli("HSET", "api_key:\(id)", "revoked_at_ms", "1700000000000")
    try scene.server.cli("CLIENT", "KILL", "TYPE", "pubsub")
    try await RoostKeysTests.eventually("the cache is flushed") { authenticator.cached(token) == nil }
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: token) }
  }

  @Test(
    "fault 45: a malformed or unexpected reply ends the connection, and the next one serves",
    arguments: [
      "?what\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ":one\r\n", "*2147483647\r\n", "*-7\r\n", ":1\r\n", "+OK\r\n",
      "$-1\r\n", "*1\r\n$1\r\na\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    ])
  func malformed(reply: String) async throws {
    let server = try await FakeRedis.start(badReply: reply)
    var limits = RedisLimits()
    (limits.connect, limits.command) = (.seconds(30), .seconds(60))
    let store = RedisKeyStore(
      try RedisAddress(Secret("redis://127.0.0.1:\(server.port)")), limits: limits, listens: false)
    let authenticator = Authenticator(store: store)
    let token = Substring(APIKey.mint(.client).whole.reveal())
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    try await eventually(.invalid, authenticator, token)
    #expect(server.connections == 2)
    store.close()
    try await server.stop()
  }

  @Test("fault 45: a reply that nobody asked for ends the connection")
  func unasked() async throws {
    let server = try await FakeRedis.start(badReply: "*0\r\n*0\r\n")
    let store = RedisKeyStore(try RedisAddress(Secret("redis://127.0.0.1:\(server.port)")), listens: false)
    try await eventually(.invalid, Authenticator(store: store), Substring(APIKey.mint(.client).whole.reveal()))
    try await RoostKeysTests.eventually("there is another connection") { server.connections == 2 }
    store.close()
    try await server.stop()
  }

  @Test("fault 45: a Redis that hangs up in the middle of a reply makes keys unavailable, not wrong")
  func cutReply() async throws {
    let server = try await FakeRedis.start(badReply: "*2\r\n$4\r\nna", thenCloses: true)
    let store = RedisKeyStore(try RedisAddress(Secret("redis://127.0.0.1:\(server.port)")), listens: false)
    let authenticator = Authenticator(store: store)
    let token = Substring(APIKey.mint(.client).whole.reveal())
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    try await eventually(.invalid, authenticator, token)
    store.close()
    try await server.stop()
  }
}
