import RoostAPI
import RoostKeys
import Testing

struct APIKeyTests {
  @Test("a minted key is read back with its type and id", arguments: KeyType.allCases)
  func roundTrip(type: KeyType) throws {
    let key = APIKey.mint(type)
    let read = try #require(APIKey(key.whole.reveal()))
    #expect(read.type == type && read.id == key.id && read.secret.reveal() == key.secret.reveal())
    #expect(key.secret.reveal().count == 27 && key.id.count == APIKey.idLength)
  }

  @Test("every single changed, dropped or doubled character is refused without a look-up")
  func typos() async throws {
    let store = CountingStore()
    let authenticator = Authenticator(store: store)
    let key = Array(APIKey.mint(.client).whole.reveal())
    let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
    for place in key.indices {
      for other in alphabet where other != key[place] {
        var wrong = key
        wrong[place] = other
        #expect(APIKey(String(wrong)) == nil)
      }
      var cut = key
      cut.remove(at: place)
      #expect(APIKey(String(cut)) == nil)
      #expect(APIKey(String(key[...place] + key[place...])) == nil)
      await #expect(throws: AuthRejection.malformed) { try await authenticator.authenticate(token: Substring(cut)) }
    }
    #expect(store.lookUps == 0)
  }

  @Test("a secret shows itself in no description, dump or interpolation")
  func redacted() {
    let key = APIKey.mint(.worker)
    let record = KeyRecord(key: key, name: "n", ownerID: "o", queues: [.all], createdAt: ManualClock().now)
    var output = "\(key) \(key.whole) \(String(reflecting: key)) \(record) \(String(reflecting: record))"
    dump(key, to: &output)
    dump(record, to: &output)
    #expect(!output.contains(key.secret.reveal()) && !output.contains(record.secretHash.hex))
  }

  @Test("masking hides whole, cut, mistyped and encoded keys, and leaves ids and other text alone")
  func masking() {
    let key = APIKey.mint(.client)
    let whole = key.whole.reveal()
    let masked = "client_\(key.id)_***"
    #expect(APIKey.masked(whole) == masked)
    #expect(APIKey.masked("DELETE /v1/keys/\(whole)?a=b and \(whole)") == "DELETE /v1/keys/\(masked)?a=b and \(masked)")
    #expect(APIKey.masked(String(whole.dropLast(9))) == masked)
    let secret = key.secret.reveal()
    #expect(!APIKey.masked("CLIENT%5F\(key.id)%5f\(secret)").contains(secret))
    #expect(!APIKey.masked("client_\(key.id)\(secret)").contains(secret))
    let paths = "/keys/\(secret)/\(secret.dropLast())"
    #expect(APIKey.masked(paths, bareSecrets: true) == "/keys/***/\(secret.dropLast())")
    #expect(APIKey.masked(paths) == paths)
    #expect(APIKey.masked("/keys/\(key.id)/client_\(key.id) é") == "/keys/\(key.id)/client_\(key.id) é")
  }

  @Test("each type has exactly the scopes of the design's table")
  func scopes() {
    let client = ["jobs:submit", "jobs:read", "jobs:cancel", "keys:read", "keys:revoke"]
    let worker = ["jobs:read", "jobs:lease", "jobs:ack", "keys:read", "keys:revoke"]
    #expect(KeyType.client.scopes.listed.map(\.rawValue) == client)
    #expect(KeyType.worker.scopes.listed.map(\.rawValue) == worker)
    #expect(KeyType.admin.scopes.listed == Scope.allCases)
    #expect(KeyType.client < .worker && KeyType.worker < .admin)
  }

  @Test("patterns match one name, a prefix or everything, and a star elsewhere is refused")
  func patterns() throws {
    let exact = try #require(QueuePattern("email"))
    let prefix = try #require(QueuePattern("img-*"))
    #expect(exact.matches("email") && !exact.matches("emails") && !exact.matches("emai"))
    #expect(prefix.matches("img-") && prefix.matches("img-a") && !prefix.matches("img"))
    #expect(QueuePattern.all.matches("x") && QueuePattern("*") == .all)
    for wrong in ["", "a*b", "**", "*a", "a b", "é", "a\n", String(repeating: "a", count: 129)] {
      #expect(QueuePattern(wrong) == nil)
    }
    let caller = Caller(keyID: "i", ownerID: "o", type: .worker, queues: [exact, prefix])
    #expect(caller.mayUse(queue: "img-1") && !caller.mayUse(queue: "other") && !caller.allowsAllQueues)
    #expect(caller.may(.lease) && !caller.may(.submit))
  }
}
