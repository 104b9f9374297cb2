import Foundation
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
