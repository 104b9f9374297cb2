import Foundation
import RoostAPI
import RoostKeys
import Testing

/// Owners and keys are told apart by their bytes, in both stores.
struct LookAlikeTests {
  private static let composed = "caf\u{E9}"
  private static let decomposed = "cafe\u{301}"
  private let directory: TemporaryDirectory
  private let manual = ManualClock()

  init() throws { directory = try TemporaryDirectory() }

  private func expectApart(_ store: any KeyStore) async throws {
    let keys = KeyService(store: store, clock: manual.clock)
    func make(_ owner: String) async throws -> KeyRecord {
      try await keys.create(name: "n", ownerID: owner, type: .client, by: .commandLine).record
    }
    let (one, other) = (try await make(Self.composed), try await make(Self.decomposed))
    let caller = Caller(one)
    #expect(try await keys.list(ownedBy: caller).records.map(\.id) == [one.id])
    await #expect(throws: KeyRejection.self) { try await keys.revoke(other.id, by: .caller(caller)) }
    #expect(try await store.find(other.id)?.revokedAt == nil)
    #expect(try await keys.revoke(one.id, by: .caller(caller)).revokedAt != nil)
  }

  @Test("owners that look alike neither list nor revoke each other's keys: in a file")
  func embedded() async throws {
    try await expectApart(try EmbeddedKeyStore(directory: directory.path))
  }

  @Test("owners that look alike neither list nor revoke each other's keys: in Redis")
  func redis() async throws {
    let scene = try await RedisScene()
    try await expectApart(try scene.open(listens: false))
  }

  @Test("a text that only equals an id is no id")
  func ids() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    var key = APIKey.mint(.client)
    while !key.id.contains("K") { key = APIKey.mint(.client) }
    try await store.create(KeyRecord(key: key, name: "n", ownerID: "o", queues: [.all], createdAt: manual.now))
    let kelvin = key.id.replacing("K", with: "\u{212A}")
    #expect(kelvin == key.id)
    #expect(try await store.find(kelvin) == nil)
    await #expect(throws: KeyRejection.notFound) {
      try await KeyService(store: store, clock: manual.clock).revoke(kelvin, by: .commandLine)
    }
  }

  @Test("a wrong secret costs the store the same question as an unknown id, whatever is remembered")
  func sameQuestions() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let made = try await KeyService(store: store, clock: manual.clock).create(
      name: "n", ownerID: "o", type: .client, by: .commandLine)
    let token = made.key.reveal()
    _ = try await authenticator.authenticate(token: Substring(token))
    for _ in 0..<3 {
      for wrong in [try Forgery.sameID(as: token), APIKey.mint(.client).whole.reveal()] {
        let before = store.lookUps
        await #expect(throws: AuthRejection.invalid) { try await authenticator.authenticate(token: Substring(wrong)) }
        #expect(store.lookUps == before + 1)
      }
    }
    let before = store.lookUps
    _ = try await authenticator.authenticate(token: Substring(token))
    #expect(store.lookUps == before, "the right one is remembered")
  }
}
