import Foundation
import RoostKeys
import RoostServer
import Synchronization
import Testing

/// What a guesser of keys learns: nothing, and that slowly.
@Suite struct GuessTests {
  @Test("fault 49: whatever is wrong with a key, the answer is the same, byte for byte, on every route")
  func sameBytes() async throws {
    try await TestDaemon.run { daemon in
      let guesses = try Self.guesses(daemon.client)
      for route in RouteTable.all.routes where route.scope != nil {
        let path = route.path.replacing("{id}", with: "x").replacing("{queue}", with: "x")
          .replacing("{group}", with: "x").replacing("{schedule}", with: "x")
        var answers = Set<[UInt8]>()
        for guess in guesses {
          let reply = try await daemon.send(
            route.method, path, headers: ["X-Request-ID: same", "Authorization: \(guess)"])
          #expect(reply.status == 401 && reply.code == "invalid_key", "\(route.method) \(path): \(guess.prefix(6))")
          answers.insert(Self.bytes(reply))
        }
        #expect(answers.count == 1, "\(route.method) \(path)")
      }
    }
  }

  @Test("a revoked key is called so to its holder, and to nobody who has only its id")
  func revoked() async throws {
    try await TestDaemon.run { daemon in
      let key = try await daemon.keys.create(name: "n", ownerID: "alice", type: .client, by: .commandLine).key.reveal()
      _ = try await daemon.keys.revoke(key, by: .commandLine)
      #expect(try await daemon.send("GET", "/keys", key).code == "revoked_key")
      let same = ["X-Request-ID: same"]
      let ofRevoked = try await daemon.send("GET", "/keys", try Self.sameID(as: key), headers: same)
      let ofGood = try await daemon.send("GET", "/keys", try Self.sameID(as: daemon.client), headers: same)
      let ofNone = try await daemon.send("GET", "/keys", APIKey.mint(.client).whole.reveal(), headers: same)
      #expect(ofRevoked.code == "invalid_key")
      #expect(Set([ofRevoked, ofGood, ofNone].map(Self.bytes)).count == 1)
    }
  }

  @Test("fault 49: guesses are throttled by address with 429 and Retry-After, good keys from there are not")
  func throttled() async throws {
    let clock = StoppedClock()
    try await TestDaemon.run(throttle: GuessThrottle(failuresPerMinute: 3, clock: clock.clock)) { daemon in
      #expect(try await daemon.send("GET", "/keys", daemon.client).status == 200)
      for _ in 0..<3 {
        #expect(try await daemon.send("GET", "/keys", APIKey.mint(.client).whole.reveal()).status == 401)
      }
      let refused = try await daemon.send("GET", "/keys", APIKey.mint(.client).whole.reveal())
      #expect(refused.status == 429 && refused.code == "too_many_attempts")
      #expect(refused.headers["retry-after"] == "20")
      #expect(try await daemon.send("GET", "/keys", daemon.client).status == 200)
      #expect(try await daemon.send("GET", "/health").status == 200)
      #expect(try await daemon.send("GET", "/keys").code == "missing_key")
      #expect(try await daemon.send("GET", "/keys", daemon.worker).status == 429, "never seen: it waits like a guess")
      clock.advance(seconds: 20)
      #expect(try await daemon.send("GET", "/keys", daemon.worker).status == 200)
    }
  }

  /// Everything but the time of day.
  private static func bytes(_ reply: Reply) -> [UInt8] {
    let lines = String(decoding: reply.head, as: UTF8.self).components(separatedBy: "\r\n")
    return Array(lines.filter { !$0.lowercased().hasPrefix("date:") }.joined(separator: "\n").utf8) + reply.body
  }

  /// Values of `Authorization` that are wrong in one way each.
  private static func guesses(_ key: String) throws -> [String] {
    let unknown = APIKey.mint(.client).whole.reveal()
    let typo = String(key.dropLast()) + (key.hasSuffix("0") ? "1" : "0")
    let otherType = key.replacing("client_", with: "worker_")
    return [
      "Bearer \(unknown)", "Bearer \(try sameID(as: key))", "Bearer \(typo)", "Bearer \(key.dropLast(5))",
      "Bearer \(otherType)", "Bearer x", "Bearer", "Basic \(key)", key, "Bearer \(key) \(key)", "bearer  ",
    ]
  }

  /// A key with the id and type of another, whose secret and checksum are its own.
  private static func sameID(as key: String) throws -> String {
    let id = try #require(key.split(separator: "_").dropFirst().first)
    let type = try #require(APIKey(key)).type
    let body = "\(type.rawValue)_\(id)_\(APIKey.mint(type).secret.reveal())"
    let forged = body + APIKey.checksum(of: body)
    #expect(APIKey(forged)?.id == String(id))
    return forged
  }
}

/// A clock that moves only when told.
final class StoppedClock: Sendable {
  private let nanoseconds = Mutex<Int64>(1_000_000_000)

  func advance(seconds: Int64) { nanoseconds.withLock { $0 += seconds * 1_000_000_000 } }
  var clock: KeyClock { KeyClock(wall: { Date() }, elapsed: { self.nanoseconds.withLock { $0 } }) }
}
