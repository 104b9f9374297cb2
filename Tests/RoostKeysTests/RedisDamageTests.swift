import RedisForTests
import RoostKeys
import Testing

/// Records in Redis that someone or something has changed: errors that name them, never a refused key.
struct RedisDamageTests {
  private func expectDamage(
    _ scene: RedisScene, _ store: RedisKeyStore, _ key: APIKey, _ what: String
  ) async throws {
    let error = await #expect(throws: KeyStoreError.self, "\(what)") { try await store.find(key.id) }
    let text = error?.description ?? ""
    #expect(text.contains("api_key:\(key.id)"), "\(what): \(text)")
    let authenticator = Authenticator(store: store, clock: scene.manual.clock)
    await #expect(throws: AuthRejection.unavailable, "\(what)") {
      try await authenticator.authenticate(token: Substring(key.whole.reveal()))
    }
    // It harms itself alone: the others are listed and serve.
    let other = APIKey.mint(.client)
    try await store.create(scene.record(other))
    let listing = try await store.list(owner: nil)
    #expect(listing.records.contains { $0.id == other.id } && listing.unreadable.count == 1, "\(what)")
    #expect("\(listing.unreadable)".contains("api_key:\(key.id)"), "\(what)")
    #expect(try await authenticator.authenticate(token: Substring(other.whole.reveal())).keyID == other.id)
  }

  @Test(
    "a record that lacks a field names itself",
    arguments: ["format", "id", "name", "owner_id", "type", "queues", "created_at_ms", "secret_sha256"])
  func missingField(field: String) async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    let key = APIKey.mint(.client)
    try await store.create(scene.record(key))
    try scene.server.cli("HDEL", "api_key:\(key.id)", field)
    try await expectDamage(scene, store, key, "without \(field)")
  }

  @Test(
    "a record with a field that cannot be read names itself and not the value",
    arguments: [
      ("format", "x"), ("format", "2"), ("format", "0"), ("id", "other"), ("type", "king"), ("queues", ""),
      ("queues", "a*b"), ("created_at_ms", "1.5"), ("expires_at_ms", "soon"), ("revoked_at_ms", ""),
      ("secret_sha256", "hunter2"), ("name", "\u{FFFD}"),
    ])
  func wrongField(field: String, value: String) async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    let key = APIKey.mint(.client)
    try await store.create(scene.record(key))
    if field == "name" {
      // A byte that is no UTF-8 cannot be an argument here; the server makes it itself.
      try scene.server.cli("EVAL", "redis.call('HSET', KEYS[1], 'name', '\\255')", "1", "api_key:\(key.id)")
    } else {
      try scene.server.cli("HSET", "api_key:\(key.id)", field, value)
    }
    try await expectDamage(scene, store, key, "\(field) = \(value)")
    await #expect { try await store.find(key.id) } throws: { !"\($0)".contains("hunter2") }
  }

  @Test("a hash that was evicted while its id stands in a set, or is of another type, is damage")
  func evicted() async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    let key = APIKey.mint(.client)
    try await store.create(scene.record(key))
    try scene.server.cli("DEL", "api_key:\(key.id)")
    try await expectDamage(scene, store, key, "evicted")
    await #expect(throws: KeyStoreError.self) { try await store.revoke(key.id, at: scene.manual.now) }
    try scene.server.cli("SET", "api_key:\(key.id)", "text")
    try await expectDamage(scene, store, key, "text")
  }

  @Test("a set of another type refuses a change before anything of it is done")
  func wrongSet() async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    try scene.server.cli("SET", "owner:o:keys", "text")
    let error = await #expect(throws: KeyStoreError.self) { try await store.create(scene.record()) }
    #expect(error?.description.contains("owner:o:keys") == true)
    #expect(try scene.server.cli("DBSIZE") == "1")
  }
}
