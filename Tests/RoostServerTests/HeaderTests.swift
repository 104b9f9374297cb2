import Foundation
import RoostEngine
import RoostServer
import Testing

/// What stands in headers is taken as it is, or refused: never made into what someone else may have sent.
@Suite("Headers") struct HeaderTests {
  private static let unreadable: [[UInt8]] = [
    [0x6B, 0xFF], [0x6B, 0xFE], [0xC3], [0x6B, 0xED, 0xA0, 0x80], Array("k\u{FFFD}".utf8),
  ]

  private static func submit(_ daemon: TestDaemon, _ fields: [[UInt8]]) async throws -> Reply {
    let connection = try Connection(port: daemon.port)
    defer { connection.close() }
    let head = "POST /jobs HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer \(daemon.client)\r\nContent-Length: 13\r\n"
    let lines = fields.flatMap { Array("Idempotency-Key: ".utf8) + $0 + Array("\r\n".utf8) }
    connection.send(Array(head.utf8) + lines + Array("\r\n{\"payload\":1}".utf8))
    return try await connection.reply()
  }

  @Test(
    "idempotency keys that are no UTF-8 are refused by the header's name, and no job is lost", arguments: unreadable)
  func bytes(value: [UInt8]) async throws {
    try await TestDaemon.run { daemon in
      let reply = try await Self.submit(daemon, [value])
      #expect(reply.status == 400 && reply.code == "bad_request", "\(reply.text)")
      #expect(reply.text.contains("Idempotency-Key"))
      #expect(daemon.engine.jobCount == 0)
    }
  }

  @Test("two idempotency keys in one request are refused; keys that look alike are two")
  func two() async throws {
    try await TestDaemon.run { daemon in
      let twice = try await Self.submit(daemon, [Array("a".utf8), Array("b".utf8)])
      #expect(twice.status == 400 && twice.text.contains("Idempotency-Key"), "\(twice.text)")
      for key in ["caf\u{E9}", "cafe\u{301}"] {
        #expect(try await Self.submit(daemon, [Array(key.utf8)]).status == 201)
      }
      #expect(try await Self.submit(daemon, [Array("caf\u{E9}".utf8)]).status == 200)
      // The header and the field differ, though Unicode holds them for equal.
      let body = "{\"payload\":1,\"idempotency_key\":\"caf\u{E9}\"}"
      let differ = try await daemon.send(
        "POST", "/jobs", daemon.client, body, headers: ["Idempotency-Key: cafe\u{301}"])
      #expect(differ.status == 422 && differ.code == "contradiction", "\(differ.text)")
    }
  }

  @Test("the same over HTTP/2, where control characters come through, too")
  func http2() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      var stream = 1
      for value in Self.unreadable + [[0x6B, 0x01], [0x6B, 0x02, 0x6B], [0x6B, 0x7F]] {
        connection.request(
          stream, "POST", "/jobs", daemon.client, #"{"payload":1}"#, bytes: [("idempotency-key", value)])
        let reply = try await connection.reply(stream)
        #expect(reply.status == 400 && reply.text.contains("Idempotency-Key"), "\(value): \(reply.text)")
        stream += 2
      }
      #expect(daemon.engine.jobCount == 0)
    }
  }

  @Test("metadata may have names that look alike")
  func metadata() async throws {
    try await TestDaemon.run { daemon in
      let metadata = "{\"caf\u{E9}\":\"1\",\"cafe\u{301}\":\"2\"}"
      let made = try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":1,\"metadata\":\(metadata)}")
      #expect(made.status == 201, "\(made.text)")
      let id = try #require(made.string("job_id"))
      let job = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
      #expect(job.body.firstRange(of: Array(metadata.utf8)) != nil)
    }
  }

  @Test("X-API-Key counts like a bearer key, and a list of keys tells when each was used last")
  func apiKey() async throws {
    try await TestDaemon.run { daemon in
      func list(_ headers: [String]) async throws -> Reply {
        try await daemon.send("GET", "/keys", nil, nil, headers: headers)
      }
      let listed = try await list(["X-API-Key: \(daemon.client)"])
      #expect(listed.status == 200 && listed.text.contains("last_used_at"), "\(listed.text)")
      #expect(try await list(["Authorization: Basic eA==", "x-api-key: \(daemon.client)"]).status == 200)
      #expect(try await list(["X-API-Key: \(daemon.client)x"]).code == "invalid_key")
      #expect(try await list(["X-API-Key: "]).code == "missing_key")
    }
  }

  @Test("on a connection whose key is known each request is judged by its own headers, and a revoked key ends at once")
  func knownConnection() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      func submit(_ headers: [String]) async throws -> Reply {
        connection.send(Connection.request("POST", "/jobs", nil, "{\"payload\":1,\"queue\":\"q\"}", headers))
        return try await connection.reply()
      }
      // A proxy's own credentials are the same for all whom it speaks for.
      let proxy = "Authorization: Basic eA=="
      for _ in 1...2 { #expect(try await submit([proxy, "X-API-Key: \(daemon.client)"]).status == 201) }
      #expect(try await submit([proxy, "X-API-Key: \(daemon.client)x"]).code == "invalid_key")
      #expect(try await submit([proxy, "X-API-Key: \(daemon.worker)"]).code == "forbidden_scope")
      #expect(try await submit([proxy]).status == 401)
      func lease() async throws -> Reply {
        connection.send(Connection.request("POST", "/jobs/lease", daemon.worker, "{}"))
        return try await connection.reply()
      }
      for _ in 1...3 {
        #expect(try await submit(["Authorization: Bearer \(daemon.client)"]).status == 201)
        #expect(try await lease().code == "no_jobs_available")
      }
      #expect(try await submit(["Authorization: Bearer \(daemon.worker)"]).code == "forbidden_scope")
      let revoked = try await daemon.send("DELETE", "/keys/\(daemon.worker)", daemon.admin)
      #expect(revoked.status == 200)
      #expect(try await lease().status == 401)
    }
  }
}
