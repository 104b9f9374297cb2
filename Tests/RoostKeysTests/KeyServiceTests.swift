import Foundation
import RoostAPI
import RoostKeys
import Testing

struct KeyServiceTests {
  private let store = CountingStore()
  private let manual = ManualClock()
  private var service: KeyService { KeyService(store: store, clock: manual.clock) }

  @Test(
    "one revokes oneself, keys of the same owner not of a higher type, and an admin any",
    arguments: KeyType.allCases, KeyType.allCases)
  func owners(callerType: KeyType, targetType: KeyType) async throws {
    for sameOwner in [true, false] {
      let target = try await service.create(
        name: "n", ownerID: sameOwner ? "me" : "you", type: targetType, by: .commandLine)
      let caller = Caller(keyID: "caller", ownerID: "me", type: callerType)
      let allowed = callerType == .admin || (sameOwner && targetType <= callerType)
      if allowed {
        let revoked = try await service.revoke(target.record.id, by: .caller(caller))
        #expect(revoked.revokedAt == manual.now)
      } else {
        let rejection = await #expect(throws: KeyRejection.self) {
          try await service.revoke(target.record.id, by: .caller(caller))
        }
        #expect(rejection?.status == 403)
        #expect(try await store.find(target.record.id)?.revokedAt == nil)
        let oneself = try await service.revoke(target.key.reveal(), by: .caller(Caller(target.record)))
        #expect(oneself.revokedAt != nil)
      }
    }
  }

  @Test("revoking again succeeds with the first time; an unknown id, or a whole key with another secret, is not found")
  func repeated() async throws {
    let made = try await service.create(name: "n", ownerID: "o", type: .client, by: .commandLine)
    let first = try await service.revoke(made.key.reveal(), by: .commandLine).revokedAt
    manual.advance(milliseconds: 10)
    #expect(try await service.revoke(made.record.id, by: .commandLine).revokedAt == first)
    await #expect(throws: KeyRejection.notFound) { try await service.revoke("nothing", by: .commandLine) }
    let unknown = APIKey.mint(.client).whole.reveal()
    await #expect(throws: KeyRejection.notFound) { try await service.revoke(unknown, by: .commandLine) }
  }

  @Test("a disk without room for the file of keys is disk_low, another failure of the store auth_unavailable")
  func unwritable() {
    let full = KeyRejection.unavailable(.full(file: "keys.json", reason: "No space left on device"))
    #expect(full.status == 507 && full.code == "disk_low" && full.message.contains("free space"))
    #expect(full.description == "keys.json cannot be written: No space left on device")
    let down = KeyRejection.unavailable(.unreachable("it is down"))
    #expect(down.status == 503 && down.code == "auth_unavailable")
  }

  @Test("only admins make keys, and a bad field is named")
  func validation() async throws {
    let worker = KeyService.Actor.caller(Caller(keyID: "k", ownerID: "o", type: .worker))
    let refused = await #expect(throws: KeyRejection.self) {
      try await service.create(name: "n", ownerID: "o", type: .worker, by: worker)
    }
    #expect(refused?.status == 403)
    func field(name: String = "n", owner: String = "o", queues: [String]? = nil, expiry: Date? = nil) async -> String? {
      do throws(KeyRejection) {
        _ = try await service.create(
          name: name, ownerID: owner, type: .client, queues: queues, expiresAt: expiry, by: .commandLine)
        return nil
      } catch {
        if case .invalid(let field, _) = error { return field }
        return "another rejection"
      }
    }
    #expect(await field() == nil)
    #expect(await field(name: "") == "name")
    #expect(await field(name: "a\u{1b}[2J") == "name")
    #expect(await field(owner: "a\u{202e}b") == "owner_id")
    #expect(await field(queues: []) == "queues")
    #expect(await field(queues: ["a", "b*c"]) == "queues[1]")
    #expect(await field(expiry: manual.now) == "expires_at")
    #expect(await field(expiry: .distantFuture) == nil)
  }
}

/// A second key with the rights of the first.
struct KeyReplacementTests {
  private let store = CountingStore()
  private let manual = ManualClock()
  private var service: KeyService { KeyService(store: store, clock: manual.clock) }

  @Test("a replacement has the same rights and a lifetime of its own, and both work until the old one is revoked")
  func replace() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let old = try await service.create(
      name: "shop", ownerID: "ada", type: .worker, queues: ["img-*"], expiresAt: manual.now.addingTimeInterval(100),
      by: .commandLine)
    manual.advance(milliseconds: 60_000)
    let (replaced, new) = try await service.replace(old.record.id, by: .commandLine)
    #expect(replaced.id == old.record.id && new.record.id != old.record.id)
    #expect(new.record.name == "shop" && new.record.ownerID == "ada" && new.record.type == .worker)
    #expect(new.record.queues == old.record.queues)
    #expect(new.record.expiresAt == manual.now.addingTimeInterval(100))
    for key in [old.key, new.key] {
      #expect(try await authenticator.authenticate(token: Substring(key.reveal())).mayUse(queue: "img-1"))
    }
    _ = try await service.revoke(old.record.id, by: .commandLine)
    manual.advance(milliseconds: 5_000)
    await #expect(throws: AuthRejection.revoked) {
      try await authenticator.authenticate(token: Substring(old.key.reveal()))
    }
    #expect(try await authenticator.authenticate(token: Substring(new.key.reveal())).keyID == new.record.id)
  }

  @Test("only a living key is replaced, and only by one who may make keys")
  func refused() async throws {
    let old = try await service.create(name: "n", ownerID: "o", type: .client, by: .commandLine)
    let worker = KeyService.Actor.caller(Caller(keyID: "k", ownerID: "o", type: .worker))
    let refused = await #expect(throws: KeyRejection.self) { try await service.replace(old.record.id, by: worker) }
    #expect(refused?.status == 403)
    await #expect(throws: KeyRejection.notFound) { try await service.replace("nothing", by: .commandLine) }
    _ = try await service.revoke(old.record.id, by: .commandLine)
    let dead = await #expect(throws: KeyRejection.self) { try await service.replace(old.record.id, by: .commandLine) }
    #expect(dead?.status == 422)
  }

  @Test("a name or owner that holds a whole key is refused, one that only looks a little like it is not")
  func keyAsName() async throws {
    let key = APIKey.mint(.client).whole.reveal()
    for name in [key, "my key is \(key)!", "(\(key))"] {
      await #expect(throws: KeyRejection.self) {
        try await service.create(name: name, ownerID: "o", type: .client, by: .commandLine)
      }
      await #expect(throws: KeyRejection.self) {
        try await service.create(name: "n", ownerID: name, type: .client, by: .commandLine)
      }
    }
    _ = try await service.create(name: "admin_keys-of-ada", ownerID: "client_a", type: .client, by: .commandLine)
  }
}
