import Foundation
import RedisForTests
import RoostAPI
import RoostKeys
import Testing

/// Keys of another system in the same Redis: passed over, and taken over when asked to.
struct ForeignKeysTests {
  private static let worker = "wk-4f9c2d10ab37e6584f9c2d10ab37e658"
  private static let client = "client_legacy_0123456789abcdef"
  private static let revoked = "client_gone_0123456789abcdef"

  private static func add(_ scene: RedisScene, _ key: String, _ fields: String...) throws {
    for (name, value) in zip(["owner_id", "type", "scopes", "status"], fields) {
      try scene.server.cli("HSET", "api_key:\(key)", name, value)
    }
    try scene.server.cli("SADD", fields[3] == "revoked" ? "keys:revoked" : "keys:active", key)
    try scene.server.cli("SADD", "owner:\(fields[0]):keys", key)
  }

  private static func addAll(_ scene: RedisScene) throws {
    try add(scene, worker, "ada", "worker", #"["jobs:lease","jobs:ack","things:do"]"#, "active")
    try add(scene, client, "bob", "client", "jobs:submit, jobs:read", "active")
    try add(scene, revoked, "bob", "client", "*", "revoked")
    try add(scene, "odd-status-0123456789", "bob", "client", "jobs:submit", "paused")
    try add(scene, "odd-type-0123456789abc", "bob", "king", "jobs:submit", "active")
    try add(scene, "no-scopes-0123456789ab", "bob", "client", "things:do", "active")
    try add(scene, "k3y", "bob", "client", "jobs:submit", "active")
  }

  @Test("they are counted, and hide none of Roost's own; a store that holds only them is new")
  func passedOver() async throws {
    let scene = try await RedisScene()
    let directory = try TemporaryDirectory()
    try Self.addAll(scene)
    let store = try scene.open(listens: false)
    #expect(try await store.isEmpty())
    let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path)
    #expect(try await bootstrap.ensureAdminKey() == .made(file: directory.file("admin.key")))
    let (_, id) = try await scene.makeKey(store)
    let listing = try await store.list(owner: nil)
    #expect(listing.records.count == 2 && listing.records.contains { $0.id == id })
    #expect(listing.foreign == 7 && listing.unreadable.isEmpty)
    #expect(try await store.list(owner: "bob").records.isEmpty)
    let authenticator = Authenticator(store: store, clock: scene.manual.clock)
    await #expect(throws: AuthRejection.invalid) { try await authenticator.authenticate(token: Substring(Self.worker)) }
  }

  @Test(
    "taken over, a key works on as it is, with the scopes that it had and no others; what is not understood is named")
  func takenOver() async throws {
    let scene = try await RedisScene()
    try Self.addAll(scene)
    let store = try scene.open(listens: false)
    let foreign = ForeignKeys(in: store, clock: scene.manual.clock)
    let outcome = try await foreign.takeOver(removing: false)
    #expect(outcome.added == 3 && outcome.skipped.count == 4 && outcome.total == 7 && outcome.short == 0)
    let reasons = outcome.skipped.map { "\($0.key) \($0.reason)" }.joined(separator: "\n")
    for word in ["status", "type", "scope", "visible characters"] { #expect(reasons.contains(word), "\(reasons)") }
    for key in ["odd-status-0123456789", "k3y"] { #expect(!reasons.contains(key)) }
    let authenticator = Authenticator(store: store, clock: scene.manual.clock)
    let worker = try await authenticator.authenticate(header: nil, apiKey: Self.worker)
    #expect(worker.ownerID == "ada" && worker.type == .worker && worker.scopes == [.lease, .ack])
    let client = try await authenticator.authenticate(token: Substring(Self.client))
    #expect(client.ownerID == "bob" && client.scopes == [.submit, .read])
    await #expect(throws: AuthRejection.revoked) {
      try await authenticator.authenticate(token: Substring(Self.revoked))
    }
    await #expect(throws: AuthRejection.invalid) {
      try await authenticator.authenticate(token: Substring(Self.client + "x"))
    }
    // Nothing here holds a whole key, and it can be revoked by one.
    let record = try scene.server.cli("HGETALL", "api_key:\(client.keyID)")
    #expect(record.contains("bob") && !record.contains(Self.client))
    let keys = KeyService(store: store, clock: scene.manual.clock)
    await #expect(throws: KeyRejection.self) { try await keys.replace(client.keyID, by: .commandLine) }
    #expect(try await keys.revoke(Self.client, by: .commandLine).id == client.keyID)
  }

  @Test("doing it again changes nothing but what was revoked there since; with removal no whole key is left")
  func again() async throws {
    let scene = try await RedisScene()
    try Self.add(scene, Self.worker, "ada", "worker", "*", "active")
    try Self.add(scene, Self.client, "bob", "client", "jobs:submit", "active")
    let store = try scene.open(listens: false)
    let foreign = ForeignKeys(in: store, clock: scene.manual.clock)
    _ = try await foreign.takeOver(removing: false)
    scene.manual.advance(milliseconds: 1_000)
    #expect(try await foreign.takeOver(removing: false).present == 2)
    try scene.server.cli("HSET", "api_key:\(Self.client)", "status", "revoked")
    let outcome = try await foreign.takeOver(removing: true)
    #expect(outcome.present == 1 && outcome.revoked == 1 && outcome.removed == 2)
    #expect(try scene.server.cli("EXISTS", "api_key:\(Self.client)", "api_key:\(Self.worker)") == "0")
    let listing = try await store.list(owner: nil)
    #expect(listing.foreign == 0 && listing.records.count == 2)
    #expect(try await foreign.takeOver(removing: true).total == 0)
  }
}
