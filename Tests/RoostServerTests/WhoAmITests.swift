import Foundation
import RoostKeys
import RoostServer
import Testing

/// `GET /whoami`: what one's key is and may do.
@Suite("Who am I") struct WhoAmITests {
  @Test("a key of each type reads its own id, owner, scopes, queues and expiry, and no secret")
  func own() async throws {
    try await TestDaemon.run { daemon in
      for type in KeyType.allCases {
        let expiry = Date(timeIntervalSince1970: 4_102_444_799)
        let made = try await daemon.keys.create(
          name: "n", ownerID: "é", type: type, queues: ["email", "img-*"], expiresAt: expiry, by: .commandLine)
        let key = made.key.reveal()
        let reply = try await daemon.send("GET", "/whoami", key)
        #expect(reply.status == 200)
        #expect(reply.string("key_id") == made.record.id && reply.string("owner_id") == "é")
        #expect(reply.string("type") == type.rawValue)
        #expect(reply.json["scopes"] as? [String] == type.scopes.listed.map(\.rawValue))
        #expect(reply.json["queues"] as? [String] == ["email", "img-*"])
        #expect(reply.string("expires_at") == "2099-12-31T23:59:59.000Z")
        #expect(reply.json.count == 6 && !reply.text.contains(key.split(separator: "_")[2]))
      }
      #expect(try await daemon.send("GET", "/v1/whoami", daemon.client).json["expires_at"] == nil)
    }
  }

  @Test("without a key, or with one that ended, it says nothing of any key")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      #expect(try await daemon.send("GET", "/whoami").code == "missing_key")
      #expect(try await daemon.send("GET", "/whoami", "client_x").code == "invalid_key")
      let made = try await daemon.keys.create(name: "n", ownerID: "o", type: .client, by: .commandLine)
      _ = try await daemon.keys.revoke(made.record.id, by: .commandLine)
      #expect(try await daemon.send("GET", "/whoami", made.key.reveal()).code == "revoked_key")
    }
  }
}
