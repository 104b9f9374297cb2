import Foundation
import RoostAPI
import RoostKeys
import Testing

struct EmbeddedKeyStoreTests {
  private let directory: TemporaryDirectory
  private let manual = ManualClock()

  init() throws { directory = try TemporaryDirectory() }

  private func open() throws -> EmbeddedKeyStore { try EmbeddedKeyStore(directory: directory.path) }
  private func record(_ key: APIKey = .mint(.client)) -> KeyRecord {
    KeyRecord(key: key, name: "n", ownerID: "o", queues: [.all], createdAt: manual.now)
  }

  @Test("records come back after reopening, from a file of mode 0600 that holds no secret")
  func reopen() async throws {
    let key = APIKey.mint(.worker)
    try await open().create(record(key))
    let found = try #require(try await open().find(key.id))
    #expect(found.belongs(to: key) && found.createdAt == manual.now && found.revokedAt == nil)
    #expect(try directory.permissions("keys.json") == 0o600 && directory.permissions("keys.lock") == 0o600)
    #expect(!String(decoding: try directory.read("keys.json"), as: UTF8.self).contains(key.secret.reveal()))
  }

  @Test("keys and audit log belong to whoever owns the directory, also when root made them")
  func owner() async throws {
    if geteuid() == 0 { try #require(chown(directory.path, 4_242, 4_243) == 0) }
    var owner = stat()
    try #require(stat(directory.path, &owner) == 0)
    try await open().create(record())
    let audit = AuditLog(directory: directory.path)
    await audit.record(AuditEvent("key.create", by: .commandLine, target: "k", outcome: "done"))
    for name in ["keys.json", "keys.lock", "audit.log"] {
      var status = stat()
      try #require(stat(directory.path + "/" + name, &status) == 0, "\(name)")
      #expect(status.st_uid == owner.st_uid && status.st_gid == owner.st_gid, "\(name)")
    }
  }

  @Test("a file of somebody else that stands there by a link is neither given away nor followed")
  func plantedLinks() async throws {
    let elsewhere = try TemporaryDirectory()
    try elsewhere.write(Data(), to: "victim")
    let victim = elsewhere.path + "/victim"
    if geteuid() == 0 { try #require(chown(directory.path, 4_242, 4_243) == 0) }
    try #require(link(victim, directory.path + "/audit.log") == 0)
    await AuditLog(directory: directory.path).record(
      AuditEvent("key.create", by: .commandLine, target: "k", outcome: "done"))
    try #require(symlink(victim, directory.path + "/keys.lock") == 0)
    await #expect(throws: KeyStoreError.self) { try await open().create(record()) }
    var status = stat()
    try #require(stat(victim, &status) == 0)
    #expect(status.st_uid == geteuid())
  }

  @Test("a FIFO or a directory in place of the file, or of its lock, is refused and not waited for")
  func noFile() async throws {
    for name in ["keys.json", "keys.lock"] {
      for make: (String) -> Int32 in [{ mkfifo($0, 0o600) }, { mkdir($0, 0o700) }] {
        let directory = try TemporaryDirectory()
        try #require(make(directory.path + "/" + name) == 0)
        await #expect(throws: KeyStoreError.self) {
          try await EmbeddedKeyStore(directory: directory.path).create(record())
        }
      }
    }
  }

  @Test("a changed byte anywhere in the file refuses, and the file stays as it is")
  func corruption() async throws {
    try await open().create(record())
    let good = try directory.read("keys.json")
    for place in good.indices {
      var bad = good
      bad[place] ^= 1
      try directory.write(bad, to: "keys.json")
      #expect(throws: KeyStoreError.self) { try open() }
      #expect(try directory.read("keys.json") == bad)
    }
    try directory.write(Data(good.dropLast(5)), to: "keys.json")
    #expect(throws: KeyStoreError.self) { try open() }
  }

  @Test("a file damaged or removed under a running daemon makes keys unavailable, not invalid")
  func damagedWhileRunning() async throws {
    let store = try open()
    let key = APIKey.mint(.client)
    try await store.create(record(key))
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let token = Substring(key.whole.reveal())
    try directory.write(Data("{}".utf8), to: "keys.json")
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
    try FileManager.default.removeItem(atPath: directory.file("keys.json"))
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: token) }
  }

  @Test("two stores that create at once lose no key")
  func concurrent() async throws {
    let stores = [try open(), try open()]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<60 {
        let record = record()
        group.addTask { try await stores[index % 2].create(record) }
      }
      try await group.waitForAll()
    }
    for store in stores { #expect(try await store.list(owner: "o").records.count == 60) }
    #expect(try await stores[0].list(owner: "other").records.isEmpty)
  }

  @Test("what a crash left in the temporary file is ignored and overwritten")
  func leftover() async throws {
    try await open().create(record())
    try directory.write(Data("half a fi".utf8), to: "keys.json.tmp")
    let store = try open()
    try await store.create(record())
    #expect(try await open().list(owner: nil).records.count == 2)
    #expect(!FileManager.default.fileExists(atPath: directory.file("keys.json.tmp")))
  }

  @Test("a revocation in this process is seen at once, one by another process within 250 ms")
  func revocation() async throws {
    let daemon = try open()
    let keys = [APIKey.mint(.client), APIKey.mint(.client)]
    for key in keys { try await daemon.create(record(key)) }
    let authenticator = Authenticator(store: daemon, clock: manual.clock)
    let tokens = keys.map { Substring($0.whole.reveal()) }
    for token in tokens { _ = try await authenticator.authenticate(token: token) }
    #expect(authenticator.cached(tokens[0]) != nil)
    _ = try await KeyService(store: daemon, clock: manual.clock).revoke(keys[0].id, by: .commandLine)
    #expect(authenticator.cached(tokens[0]) == nil)
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: tokens[0]) }

    _ = try await authenticator.authenticate(token: tokens[1])
    _ = try await KeyService(store: open(), clock: manual.clock).revoke(keys[1].id, by: .commandLine)
    manual.advance(milliseconds: 250)
    #expect(authenticator.cached(tokens[1]) == nil)
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: tokens[1]) }
  }

  @Test("the first admin key is made once, in a file of mode 0600, and works")
  func bootstrapAdmin() async throws {
    let store = try open()
    let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path)
    #expect(try await bootstrap.ensureAdminKey() == .made(file: directory.file("admin.key")))
    let text = String(decoding: try directory.read("admin.key"), as: UTF8.self)
    #expect(try await bootstrap.ensureAdminKey() == .held)
    #expect(String(decoding: try directory.read("admin.key"), as: UTF8.self) == text)
    #expect(try directory.permissions("admin.key") == 0o600)
    let caller = try await Authenticator(store: store).authenticate(token: text.dropLast())
    #expect(caller.may(.admin))
  }

  @Test("a first key whose answer was lost is kept if it is in the store, and its file removed if another's is")
  func unconfirmedAdmin() async throws {
    for isMade in [true, false] {
      let directory = try TemporaryDirectory()
      let store = LosingStore(store: try EmbeddedKeyStore(directory: directory.path), makesIt: isMade)
      let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path)
      await #expect(throws: KeyStoreError.self) { try await bootstrap.ensureAdminKey() }
      if !isMade { try await store.create(record()) }
      #expect(try await bootstrap.ensureAdminKey() == (isMade ? .made(file: directory.file("admin.key")) : .held))
      #expect(FileManager.default.fileExists(atPath: directory.file("admin.key")) == isMade)
      #expect(try await bootstrap.ensureAdminKey() == .held)
    }
  }

  @Test(
    "development keys are made beside others, and are the same at every start; without their file new ones are made")
  func devKeys() async throws {
    _ = try await KeyBootstrap(store: open(), dataDirectory: directory.path).ensureAdminKey()
    let first = try await KeyBootstrap(store: open(), dataDirectory: directory.path).ensureDevKeys().map { $0.reveal() }
    let again = KeyBootstrap(store: try open(), dataDirectory: directory.path)
    #expect(try await again.ensureDevKeys().map { $0.reveal() } == first)
    #expect(first.map { String($0.prefix { $0 != "=" }) } == ["client_key", "worker_key", "admin_key"])
    #expect(try directory.permissions("dev.keys") == 0o600)
    try FileManager.default.removeItem(atPath: directory.file("dev.keys"))
    let second = try await again.ensureDevKeys().map { $0.reveal() }
    #expect(second.count == 3 && Set(second).isDisjoint(with: first))
    let authenticator = Authenticator(store: try open())
    for line in first + second { _ = try await authenticator.authenticate(token: line.drop { $0 != "=" }.dropFirst()) }
    try Data("not keys\n".utf8).write(to: URL(fileURLWithPath: directory.file("dev.keys")))
    await #expect(throws: KeyBootstrap.Failure.self) { try await again.ensureDevKeys() }
  }
}

/// A store whose answer to the creation of the first keys is lost, whether it made them or not.
private struct LosingStore: KeyStore {
  let store: EmbeddedKeyStore
  let makesIt: Bool
  var checkInterval: Duration? { nil }
  var place: String { store.place }

  func createFirst(_ records: [KeyRecord]) async throws(KeyStoreError) -> Bool {
    if makesIt { _ = try await store.createFirst(records) }
    throw .unreachable("the answer is lost for the test")
  }
  func find(_ id: String) async throws(KeyStoreError) -> KeyRecord? { try await store.find(id) }
  func create(_ record: KeyRecord) async throws(KeyStoreError) { try await store.create(record) }
  func list(owner: Name?) async throws(KeyStoreError) -> KeyListing { try await store.list(owner: owner) }
  func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord? { nil }
  func check() async throws(KeyStoreError) {}
  func onChange(_ handler: @escaping @Sendable () -> Void) {}
}
