import Foundation
import RedisForTests
import RoostAPI
import RoostKeys
import Testing

struct RedisKeyStoreTests {
  @Test("a record comes back as it was, stands in the sets of its status, owner and type, and holds no secret")
  func roundTrip() async throws {
    let scene = try await RedisScene()
    let store = try scene.open()
    let key = APIKey.mint(.worker)
    let patterns = try ["a,b", "img-*", "*"].map { try #require(QueuePattern($0)) }
    let record = KeyRecord(
      key: key, name: "náme \" '", ownerID: "ówner of: many", queues: patterns, createdAt: scene.manual.now,
      expiresAt: scene.manual.now.addingTimeInterval(60.001))
    try await store.create(record)
    let found = try #require(try await scene.open(listens: false).find(key.id))
    #expect(found.belongs(to: key) && found.name == record.name && found.ownerID == record.ownerID)
    #expect(found.queues == patterns && found.createdAt == record.createdAt && found.expiresAt == record.expiresAt)
    #expect(found.revokedAt == nil)
    #expect(try await store.find(APIKey.mint(.worker).id) == nil)
    let server = scene.server
    for set in ["keys:active", "owner:ówner of: many:keys", "keys:type:worker"] {
      #expect(try server.cli("SMEMBERS", set) == key.id)
    }
    let stored = try server.cli("HGETALL", "api_key:\(key.id)")
    #expect(stored.contains(record.secretHash.hex) && !stored.contains(key.secret.reveal()))
  }

  @Test("an id is taken once, revoking keeps the first time, and both change nothing else")
  func changes() async throws {
    let scene = try await RedisScene()
    let store = try scene.open()
    let record = scene.record()
    try await store.create(record)
    await #expect(throws: KeyStoreError.duplicate(id: record.id)) { try await store.create(record) }
    let first = try await store.revoke(record.id, at: scene.manual.now)?.revokedAt
    scene.manual.advance(milliseconds: 10)
    #expect(try await store.revoke(record.id, at: scene.manual.now)?.revokedAt == first && first != nil)
    #expect(try await store.find(record.id)?.revokedAt == first)
    await #expect(throws: KeyStoreError.duplicate(id: record.id)) { try await store.create(record) }
    #expect(try scene.server.cli("SMEMBERS", "keys:active") == "")
    #expect(try scene.server.cli("SMEMBERS", "keys:revoked") == record.id)
    #expect(try await store.revoke("nobody", at: scene.manual.now) == nil)
  }

  @Test("two stores that create at once lose no key, and each lists them all, the oldest first")
  func concurrent() async throws {
    let scene = try await RedisScene()
    let stores = [try scene.open(), try scene.open()]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<40 {
        let record = scene.record(owner: index.isMultiple(of: 4) ? "four" : "o")
        scene.manual.advance(milliseconds: 1)
        group.addTask { try await stores[index % 2].create(record) }
      }
      try await group.waitForAll()
    }
    for store in stores {
      let all = try await store.list(owner: nil).records
      #expect(all.count == 40 && all.map(\.createdAt) == all.map(\.createdAt).sorted())
      #expect(try await store.list(owner: "four").records.count == 10)
      #expect(try await store.list(owner: "other").records.isEmpty)
    }
  }

  @Test("a listing of many keys is a few round trips, not one for each")
  func listing() async throws {
    let scene = try await RedisScene()
    let server = scene.server
    let template = scene.record()
    try await scene.open(listens: false).create(template)
    // A thousand more of the same, made by the server itself.
    let script = """
      for i = 1, 999 do
        local id = string.format('k%011d', i)
        redis.call('COPY', KEYS[1], 'api_key:' .. id)
        redis.call('HSET', 'api_key:' .. id, 'id', id)
        redis.call('SADD', 'keys:active', id)
      end
      """
    try server.cli("EVAL", script, "1", "api_key:\(template.id)")
    let store = try scene.open(listens: false)
    try await store.check()
    let before = try Self.reads(server)
    #expect(try await store.list(owner: nil).records.count == 1_000)
    // Redis counts the reads of its sockets. A pipeline of 256 questions is 9 KB, and a read takes 16 KB.
    #expect(try Self.reads(server) - before < 50)
  }

  private static func reads(_ server: RedisServer) throws -> Int {
    let line = try server.cli("INFO", "stats").split(whereSeparator: \.isNewline)
      .first { $0.hasPrefix("total_reads_processed:") }
    return try #require(line.flatMap { Int($0.drop { $0 != ":" }.dropFirst()) })
  }

  @Test("of many who find the store empty at once, one makes the first keys")
  func first() async throws {
    let scene = try await RedisScene()
    let made = try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        let store = try scene.open(listens: false)
        let record = scene.record()
        group.addTask { try await store.createFirst([record]) }
      }
      return try await group.reduce(into: [Bool]()) { $0.append($1) }
    }
    #expect(made.count { $0 } == 1)
    #expect(try scene.server.cli("SCARD", "keys:active") == "1")
  }

  @Test("a revocation by one daemon is seen at once by another")
  func shared() async throws {
    let scene = try await RedisScene()
    let (one, other) = (try scene.open(), try scene.open())
    let (token, id) = try await scene.makeKey(one)
    let authenticator = Authenticator(store: other, clock: scene.manual.clock)
    try await scene.waitForListeners(2)
    // The flush at the beginning of listening may still come: ask until the answer stays.
    try await eventually("the key is remembered") {
      _ = try await authenticator.authenticate(token: token)
      return authenticator.cached(token) != nil
    }
    _ = try await one.revoke(id, at: scene.manual.now)
    // No clock was turned: only the message can have emptied the cache.
    try await eventually("the cache is flushed") { authenticator.cached(token) == nil }
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: token) }
  }

  @Test("a user of the access list and a database of its own are enough, with the rights that the documentation lists")
  func accessList() async throws {
    let scene = try await RedisScene()
    let server = scene.server
    let page = #filePath.replacing("Tests/RoostKeysTests/RedisKeyStoreTests.swift", with: "docs/configuration.md")
    let document = try String(contentsOfFile: page, encoding: .utf8)
    let rule = try #require(document.firstMatch(of: #/ACL SETUSER ([^`]*)/#)?.1)
    let words = rule.split { $0.isWhitespace || $0 == "\\" }.map(String.init)
    try Self.setUser(server, words.map { $0.hasPrefix(">") ? ">p@ss/wörd" : $0 })
    try server.cli("ACL", "SETUSER", "default", "off")
    let store = try scene.open("roost:p%40ss%2Fw%C3%B6rd@", "/3")
    let (token, id) = try await scene.makeKey(store)
    let authenticator = Authenticator(store: store, clock: scene.manual.clock)
    #expect(try await authenticator.authenticate(token: token).keyID == id)
    #expect(try await store.list(owner: nil).records.count == 1)
    #expect(try await store.list(owner: "o").records.count == 1)
    #expect(try await store.revoke(id, at: scene.manual.now) != nil)
    #expect(try await store.createFirst([scene.record()]) == false)
    #expect(try await store.adopt(scene.record()) == .added)
    // It listens, too: a change of its own comes back.
    let wrong = try scene.open(listens: false, "roost:wrong@", "/3")
    let error = await #expect(throws: KeyStoreError.self) { try await wrong.check() }
    #expect("\(error.map(String.init(describing:)) ?? "")".contains("WRONGPASS"))
    let otherDatabase = try scene.open(listens: false, "roost:p%40ss%2Fw%C3%B6rd@", "/4")
    #expect(try await otherDatabase.list(owner: nil).records.isEmpty)
  }

  private static func setUser(_ server: RedisServer, _ rules: [String]) throws {
    for rule in rules.dropFirst() { try server.cli("ACL", "SETUSER", rules[0], rule) }
  }

  @Test("a password without a user is that of Redis' default user")
  func passwordOnly() async throws {
    let scene = try await RedisScene()
    try scene.server.cli("CONFIG", "SET", "requirepass", "s3cret")
    try await scene.open(":s3cret@").check()
    let error = await #expect(throws: KeyStoreError.self) { try await scene.open(listens: false).check() }
    #expect(error?.description.contains("NOAUTH") == true)
  }

  @Test("what a user may not do is refused as a whole and told by command, not as an unknown key")
  func forbidden() async throws {
    let scene = try await RedisScene()
    let key = APIKey.mint(.client)
    try await scene.open(listens: false).create(scene.record(key))
    try Self.setUser(scene.server, ["half", "on", ">x", "~*", "+@all", "-sadd", "-hgetall"])
    let store = try scene.open(listens: false, "half:x@")
    await #expect(throws: KeyStoreError.refused(command: "SADD", code: "NOPERM")) {
      try await store.create(scene.record())
    }
    #expect(try scene.server.cli("DBSIZE") == "4")
    let authenticator = Authenticator(store: store, clock: scene.manual.clock)
    await #expect(throws: AuthRejection.unavailable) {
      try await authenticator.authenticate(token: Substring(key.whole.reveal()))
    }
  }
}
