import Foundation
import RoostAPI
import RoostKeys
import Testing

struct AuthenticatorTests {
  private let manual = ManualClock()
  private let store = CountingStore()

  private func makeKey(expiresAt: Date? = nil) async throws -> (key: String, id: String) {
    let created = try await KeyService(store: store, clock: manual.clock).create(
      name: "n", ownerID: "o", type: .client, expiresAt: expiresAt, by: .commandLine)
    return (created.key.reveal(), created.record.id)
  }

  @Test("a verified key is served from the cache for less than five seconds")
  func positiveAge() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let (key, id) = try await makeKey()
    #expect(authenticator.cached(Substring(key)) == nil)
    let caller = try await authenticator.authenticate(header: "bearer \(key)")
    #expect(caller.keyID == id && caller.ownerID == "o" && caller.type == .client)
    manual.advance(milliseconds: 4_999)
    #expect(authenticator.cached(Substring(key))?.keyID == id)
    #expect(store.lookUps == 1)
    _ = try await store.revoke(id, at: manual.now)
    manual.advance(milliseconds: 1)
    #expect(authenticator.cached(Substring(key)) == nil)
    await #expect(throws: AuthRejection.revoked) { try await authenticator.authenticate(token: Substring(key)) }
  }

  @Test("an unknown id is remembered for less than one second")
  func negativeAge() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let key = APIKey.mint(.client)
    let token = Substring(key.whole.reveal())
    await #expect(throws: AuthRejection.invalid) { try await authenticator.authenticate(token: token) }
    let record = KeyRecord(key: key, name: "n", ownerID: "o", queues: [.all], createdAt: manual.now)
    try await store.create(record)
    manual.advance(milliseconds: 999)
    await #expect(throws: AuthRejection.invalid) { try await authenticator.authenticate(token: token) }
    #expect(store.lookUps == 1)
    manual.advance(milliseconds: 1)
    #expect(try await authenticator.authenticate(token: token).keyID == key.id)
  }

  @Test("a header that was judged is known again for less than a second, and not beyond its key's end")
  func memo() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let (key, _) = try await makeKey(expiresAt: manual.now.addingTimeInterval(5.5))
    let header = "Bearer \(key)"
    let caller = try await authenticator.authenticate(header: header)
    func judge() throws -> KeyMemo {
      try #require(authenticator.judge(try Authenticator.token(inHeader: header), header))
    }
    func knows(_ memo: KeyMemo, _ text: String) -> Bool {
      Array(text.utf8).withUnsafeBytes { authenticator.recall(memo, $0)?.keyID == caller.keyID }
    }
    let first = try judge()
    #expect(knows(first, header) && !knows(first, header + "x") && !knows(first, "bearer \(key)"))
    manual.advance(milliseconds: 999)
    #expect(knows(first, header))
    manual.advance(milliseconds: 1)
    #expect(!knows(first, header))
    // What is remembered for five seconds is not believed for six by way of a memo.
    manual.advance(milliseconds: 3_900)
    let late = try judge()
    manual.advance(milliseconds: 99)
    #expect(knows(late, header))
    manual.advance(milliseconds: 1)
    #expect(!knows(late, header))
    _ = try await authenticator.authenticate(header: header)
    let last = try judge()
    manual.advance(milliseconds: 499)
    #expect(knows(last, header))
    manual.advance(milliseconds: 1)
    #expect(!knows(last, header), "the key has expired")
  }

  @Test("expiry is checked at every hit")
  func expiry() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let (key, _) = try await makeKey(expiresAt: manual.now.addingTimeInterval(2))
    _ = try await authenticator.authenticate(token: Substring(key))
    manual.advance(milliseconds: 1_999)
    #expect(authenticator.cached(Substring(key)) != nil)
    manual.advance(milliseconds: 1)
    #expect(authenticator.cached(Substring(key)) == nil)
    await #expect(throws: AuthRejection.expired) { try await authenticator.authenticate(token: Substring(key)) }
  }

  @Test("while the store is down remembered keys serve until they are too old, then it is unavailable, not invalid")
  func down() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let (key, id) = try await makeKey()
    _ = try await authenticator.authenticate(token: Substring(key))
    store.setDown(true)
    #expect(try await authenticator.authenticate(token: Substring(key)).keyID == id)
    let stranger = Substring(APIKey.mint(.client).whole.reveal())
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: stranger) }
    manual.advance(milliseconds: 5_000)
    await #expect(throws: AuthRejection.unavailable) { try await authenticator.authenticate(token: Substring(key)) }
    store.setDown(false)
    #expect(try await authenticator.authenticate(token: Substring(key)).keyID == id)
  }

  @Test("a malformed, an unknown and a wrong secret look the same on the wire")
  func uniform() async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    await #expect(throws: AuthRejection.missing) { try await authenticator.authenticate(header: nil) }
    await #expect(throws: AuthRejection.malformed) { try await authenticator.authenticate(header: "Basic eA==") }
    #expect(AuthRejection.malformed.description == AuthRejection.invalid.description)
    for refusal in [AuthRejection.malformed, .invalid, .expired] {
      #expect(refusal.status == 401 && refusal.code == "invalid_key")
    }
    #expect(AuthRejection.unavailable.status == 503 && AuthRejection.revoked.code == "revoked_key")
  }

  @Test("what became of a key is told only to one who presents its secret", arguments: [true, false])
  func wrongSecret(isRevoked: Bool) async throws {
    let authenticator = Authenticator(store: store, clock: manual.clock)
    let (key, id) = try await makeKey(expiresAt: manual.now.addingTimeInterval(1))
    if isRevoked { _ = try await store.revoke(id, at: manual.now) }
    manual.advance(milliseconds: 1_000)
    let truth: AuthRejection = isRevoked ? .revoked : .expired
    await #expect(throws: truth) { try await authenticator.authenticate(token: Substring(key)) }
    await #expect(throws: AuthRejection.invalid) {
      try await authenticator.authenticate(token: Substring(Forgery.sameID(as: key)))
    }
  }
}
