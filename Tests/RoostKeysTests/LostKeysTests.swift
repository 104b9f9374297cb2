import Crypto
import Foundation
import RedisForTests
import RoostAPI
import RoostKeys
import Testing

/// A key store that lost its keys is an alarm and not a new one; and one record that is damaged harms itself alone.
struct LostKeysTests {
  private let directory: TemporaryDirectory
  private let manual = ManualClock()

  init() throws { directory = try TemporaryDirectory() }

  private func adminKey() throws -> String {
    String(decoding: try directory.read("admin.key"), as: UTF8.self)
  }

  @Test("fault 43: a store that was emptied gets no admin key by itself, and admin.key stays as it is: in a file")
  func embedded() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    _ = try await KeyBootstrap(store: store, dataDirectory: directory.path).ensureAdminKey()
    let before = try adminKey()
    #expect(await KeyStoreHealth(store).state() == .ok)
    try FileManager.default.removeItem(atPath: directory.file("keys.json"))
    #expect(await KeyStoreHealth(store).state() == .unavailable, "it is gone under a daemon")
    for isMoved in [false, true] {
      // Whoever moved the first key away has no admin.key any more; the store is known all the same.
      if isMoved { try FileManager.default.removeItem(atPath: directory.file("admin.key")) }
      let again = try EmbeddedKeyStore(directory: directory.path)
      let bootstrap = KeyBootstrap(store: again, dataDirectory: directory.path)
      #expect(try await bootstrap.ensureAdminKey() == .lost)
      #expect(await KeyStoreHealth(again).state() == .empty)
      #expect(try isMoved ? !FileManager.default.fileExists(atPath: directory.file("admin.key")) : adminKey() == before)
    }
    let elsewhere = KeyService(store: try EmbeddedKeyStore(directory: directory.path))
    _ = try await elsewhere.create(name: "n", ownerID: "o", type: .admin, by: .commandLine)
    #expect(await KeyStoreHealth(store).state() == .ok, "made by hand, while the daemon runs")
  }

  @Test("fault 43: a store that was emptied gets no admin key by itself, and admin.key stays as it is: in Redis")
  func redis() async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path)
    #expect(try await bootstrap.ensureAdminKey() == .made(file: directory.file("admin.key")))
    let before = try adminKey()
    try scene.server.cli("FLUSHALL")
    #expect(await KeyStoreHealth(store).state() == .empty)
    #expect(try await bootstrap.ensureAdminKey() == .lost)
    #expect(try adminKey() == before)
  }

  @Test("fault 43: a store that was emptied gets neither the key of ADMIN_KEY_FILE nor development keys by itself")
  func othersFirstKeys() async throws {
    let key = APIKey.mint(.admin)
    func store() throws -> EmbeddedKeyStore { try EmbeddedKeyStore(directory: directory.path) }
    func bootstrap() throws -> KeyBootstrap { KeyBootstrap(store: try store(), dataDirectory: directory.path) }
    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: directory.file(file)) }
    func expectLost() async throws {
      #expect(try await bootstrap().install(key) == .lost)
      let development = try bootstrap()
      do throws(KeyBootstrap.Failure) {
        let made = try await development.ensureDevKeys()
        Issue.record("\(made.count) keys were made")
      } catch {
        if case .lost = error {} else { Issue.record("\(error)") }
      }
      #expect(await KeyStoreHealth(try store()).state() == .empty)
      // Somebody has seen it.
      _ = try await KeyService(store: try store()).create(name: "n", ownerID: "o", type: .admin, by: .commandLine)
    }
    #expect(try await bootstrap().install(key) == .installed)
    try remove("keys.json")
    try await expectLost()
    #expect(try await bootstrap().install(key) == .installed)
    // A store that was never noted is noted by the key that it holds.
    try remove("keys.seen")
    #expect(try await bootstrap().install(key) == .held)
    try remove("keys.json")
    try await expectLost()

    let dev = try await bootstrap().ensureDevKeys().map { $0.reveal() }
    #expect(dev.count == 3)
    try remove("keys.seen")
    #expect(try await bootstrap().ensureDevKeys().map { $0.reveal() } == dev)
    try remove("keys.json")
    try await expectLost()
    #expect(try await bootstrap().ensureDevKeys().count == 3)
  }

  @Test("a key that was in the store when the daemon ended gets its file at the next start, and no other is made")
  func crashBeforeTheFile() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    _ = try await KeyBootstrap(store: store, dataDirectory: directory.path).ensureAdminKey()
    let key = try adminKey()
    for file in ["admin.key.new", "keys.seen"] { try? FileManager.default.removeItem(atPath: directory.file(file)) }
    try FileManager.default.moveItem(atPath: directory.file("admin.key"), toPath: directory.file("admin.key.new"))
    let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path)
    #expect(try await bootstrap.ensureAdminKey() == .made(file: directory.file("admin.key")))
    #expect(try adminKey() == key)
    // A crash between the two names of one file.
    try FileManager.default.linkItem(atPath: directory.file("admin.key"), toPath: directory.file("admin.key.new"))
    #expect(try await bootstrap.ensureAdminKey() == .made(file: directory.file("admin.key")))
    #expect(try adminKey() == key && !FileManager.default.fileExists(atPath: directory.file("admin.key.new")))
    #expect(try await bootstrap.ensureAdminKey() == .held)
  }

  @Test("the health asks what requests ask: a Redis that forbids it is unavailable")
  func forbidden() async throws {
    let scene = try await RedisScene()
    let store = try scene.open(listens: false)
    _ = try await scene.makeKey(store)
    #expect(await KeyStoreHealth(store).state() == .ok)
    for command in ["-hgetall", "-sismember"] {
      try scene.server.cli("ACL", "SETUSER", "default", command)
      #expect(await KeyStoreHealth(store).state() == .unavailable, "\(command)")
      try scene.server.cli("ACL", "SETUSER", "default", "+@all")
    }
    #expect(await KeyStoreHealth(store).state() == .ok)
  }

  @Test("a store is asked at most once a second, whoever wants to know")
  func bounded() async throws {
    let store = CountingStore()
    _ = try await KeyService(store: store).create(name: "n", ownerID: "o", type: .client, by: .commandLine)
    let health = KeyStoreHealth(store, clock: manual.clock)
    #expect(await health.state() == .ok)
    store.removeAll()
    manual.advance(milliseconds: 999)
    #expect(await health.state() == .ok)
    manual.advance(milliseconds: 1)
    #expect(await health.state() == .empty)
  }

  @Test("one damaged record in keys.json harms itself alone, and a change of another key keeps it")
  func damagedRecord() async throws {
    let keys = KeyService(store: try EmbeddedKeyStore(directory: directory.path))
    var made: [KeyService.Created] = []
    for owner in ["good", "OWNER"] {
      made.append(try await keys.create(name: "n", ownerID: owner, type: .client, by: .commandLine))
    }
    let long = String(repeating: "o", count: 256)
    try rewrite { $0.replacing("OWNER", with: long) }
    let store = try EmbeddedKeyStore(directory: directory.path)
    let authenticator = Authenticator(store: store)
    func authenticate(_ place: Int) async throws -> String {
      try await authenticator.authenticate(token: Substring(made[place].key.reveal())).keyID
    }
    for _ in 0..<2 {
      #expect(try await authenticate(0) == made[0].record.id)
      await #expect(throws: AuthRejection.unavailable) { try await authenticate(1) }
      let listing = try await store.list(owner: nil)
      #expect(listing.records.contains { $0.id == made[0].record.id })
      let said = "\(listing.unreadable)"
      #expect(said.contains(made[1].record.id) && said.contains("256 bytes"), "\(said)")
      _ = try await KeyService(store: store).create(name: "n", ownerID: "new", type: .client, by: .commandLine)
    }
    // Nothing of it was lost.
    try rewrite { $0.replacing(long, with: "OWNER") }
    let mended = try EmbeddedKeyStore(directory: directory.path)
    #expect(try await mended.list(owner: "OWNER").records.map(\.id) == [made[1].record.id])
    #expect(try await mended.list(owner: nil).records.count == 4)
  }

  private static func sha256(_ text: String) -> String {
    SHA256.hash(data: Data(text.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// Changes the text of keys.json and its checksum.
  private func rewrite(_ change: (String) -> String) throws {
    let text = String(decoding: try directory.read("keys.json"), as: UTF8.self)
    let start = try #require(text.range(of: "\"store\":")).upperBound
    let store = change(String(text[start...].dropLast(2)))
    let digits = Self.sha256(store)
    let file = "{\"checksum\":\"\(digits)\",\"store\":\(store)}\n"
    let fresh = directory.file("keys.json.x")
    try Data(file.utf8).write(to: URL(fileURLWithPath: fresh))
    guard rename(fresh, directory.file("keys.json")) == 0 else { throw InVain(description: "rename") }
  }
}
