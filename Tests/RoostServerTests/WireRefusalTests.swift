import Foundation
import RoostServer
import Testing

/// What is no HTTP/1.1, or no request for this daemon: each with its bytes.
@Suite("What the wire refuses") struct WireRefusalTests {
  private static let host = "Host: test\r\n"

  @Test(
    "what two readers could understand differently is refused with 400, and the connection ends",
    arguments: [
      ("no Host", "GET /health HTTP/1.1\r\n\r\n"),
      ("two Hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
      ("a Host that is none", "GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n"),
      ("Transfer-Encoding: gzip", "POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
      ("gzip, chunked", "POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
      (
        "chunked twice",
        "POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
      ),
      ("identity", "POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
      (
        "chunked and a length",
        "POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}"
      ),
      ("two lengths", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
      ("a list of lengths", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}"),
      ("a signed length", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}"),
      ("a huge length", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"),
      ("an empty length", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
      ("a folded field", "GET /health HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
      ("a space before the colon", "GET /health HTTP/1.1\r\nHost : a\r\n\r\n"),
      ("a field without a name", "GET /health HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
      ("a line without a colon", "GET /health HTTP/1.1\r\nHost: a\r\nb\r\n\r\n"),
      ("a bare CR in a value", "GET /health HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
      ("a bare LF", "GET /health HTTP/1.1\nHost: a\n\n"),
      ("a NUL", "GET /health HTTP/1.1\r\nHost: a\r\nX: b\u{0}c\r\n\r\n"),
      ("two spaces", "GET  /health HTTP/1.1\r\nHost: a\r\n\r\n"),
      ("no version", "GET /health\r\n\r\n"),
      ("HTTP/2.0", "GET /health HTTP/2.0\r\nHost: a\r\n\r\n"),
      ("http/1.1", "GET /health http/1.1\r\nHost: a\r\n\r\n"),
      ("a target without a path", "GET health HTTP/1.1\r\nHost: a\r\n\r\n"),
      ("a target beyond ASCII", "GET /h\u{e9}alth HTTP/1.1\r\nHost: a\r\n\r\n"),
      ("chunks of HTTP/1.0", "POST /jobs HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      ("two keys", "GET /jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"),
      ("two idempotency keys", "POST /jobs HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n"),
      ("TLS", "\u{16}\u{3}\u{1}\u{2}"),
    ])
  func malformed(name: String, bytes: String) async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.send(bytes)
      let reply = try await connection.reply()
      #expect(reply.status == 400 && reply.code == "bad_request" && reply.string("request_id") != nil, "\(name)")
      #expect(reply.headers["connection"] == "close" && reply.headers["date"]?.hasSuffix(" GMT") == true)
      #expect(try await connection.isClosedByServer())
    }
  }

  @Test(
    "a body's chunks are read to the letter",
    arguments: [
      ("2\r\n{}\r\n0\r\n\r\n", 400), ("D;a=b\r\n{\"payload\":1}\r\n0\r\n\r\n", 201),
      ("6\r\n{\"payl\r\n7\r\noad\":1}\r\n000\r\nX: y\r\n\r\n", 201), ("x\r\n", 400), ("\r\n", 400), ("2\n{}", 400),
      ("2\r\n{}x", 400), ("-2\r\n{}\r\n", 400), ("FFFFFFFFFFFFFFFFF\r\n", 400), ("0x2\r\n{}\r\n0\r\n\r\n", 400),
      (String(repeating: " ", count: 400), 400),
    ])
  func chunks(body: String, status: Int) async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.send(Connection.request("POST", "/jobs", daemon.client, nil, ["Transfer-Encoding: chunked"]))
      for byte in Array(body.utf8) { connection.send([byte]) }
      #expect(try await connection.reply().status == status)
    }
  }

  @Test("a request for another protocol is answered and the connection ends: nothing behind it is kept")
  func otherProtocol() async throws {
    try await TestDaemon.run { daemon in
      for head in [
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
      ] {
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        connection.send(head + String(repeating: "x", count: 1_000))
        let reply = try await connection.reply()
        #expect(reply.headers["connection"] == "close" && [200, 404, 405].contains(reply.status))
        #expect(try await connection.isClosedByServer())
      }
    }
  }

  @Test("an HTTP/1.0 client is closed unless it asks to be kept, and is told if it is")
  func oldVersion() async throws {
    try await TestDaemon.run { daemon in
      let closed = try Connection(port: daemon.port)
      defer { closed.close() }
      closed.send("GET /health HTTP/1.0\r\n\r\n")
      let last = try await closed.reply()
      #expect(last.text == "OK" && last.headers["connection"] == "close")
      #expect(try await closed.isClosedByServer())
      let kept = try Connection(port: daemon.port)
      defer { kept.close() }
      for _ in 0..<2 {
        kept.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try await kept.reply().headers["connection"] == "keep-alive")
      }
    }
  }

  @Test("a compressed body is refused with 415, and the connection stays usable")
  func compressed() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      for _ in 0..<2 {
        connection.send(
          Connection.request("POST", "/jobs", daemon.client, #"{"payload":1}"#, ["Content-Encoding: gzip"]))
        #expect(try await connection.reply().code == "unsupported_encoding")
      }
      let plain = Connection.request("POST", "/jobs", daemon.client, #"{"payload":1}"#, ["Content-Encoding: identity"])
      connection.send(plain)
      #expect(try await connection.reply().status == 201)
    }
  }

  @Test("100 Continue is sent once key and length are accepted, never before, and never to HTTP/1.0")
  func goOn() async throws {
    try await TestDaemon.run { daemon in
      let expect = ["Expect: 100-continue", "Content-Length: 13"]
      for (key, more, status) in [
        ("no-key", expect, 401), (daemon.client, ["Expect: 100-continue", "Content-Length: 99999999"], 413),
      ] {
        let refused = try Connection(port: daemon.port)
        defer { refused.close() }
        refused.send(Connection.request("POST", "/jobs", key, nil, more))
        #expect(try await refused.reply().status == status)
        #expect(try await refused.isClosedByServer())
      }
      let accepted = try Connection(port: daemon.port)
      defer { accepted.close() }
      accepted.send(Connection.request("POST", "/jobs", daemon.client, nil, expect))
      #expect(try await accepted.reply().status == 100)
      accepted.send(#"{"payload":1}"#)
      #expect(try await accepted.reply().status == 201)
      let old = try Connection(port: daemon.port)
      defer { old.close() }
      let head = "POST /jobs HTTP/1.0\r\nAuthorization: Bearer \(daemon.client)\r\nExpect: 100-continue\r\n"
      old.send(head + "Content-Length: 13\r\n\r\n" + #"{"payload":1}"#)
      #expect(try await old.reply().status == 201)
    }
  }

  @Test("a client without a key is refused at the head: its body is not waited for")
  func keyAtHead() async throws {
    try await TestDaemon.run { daemon in
      for headers in [["Content-Length: 1000000"], ["Transfer-Encoding: chunked"]] {
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        connection.send(Connection.request("POST", "/jobs", nil, nil, headers))
        #expect(try await connection.reply().status == 401)
      }
    }
  }

  @Test("an absolute target means its path, and empty lines before a request are read over")
  func absolute() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.send("\r\n\r\nGET http://roost.example:8080/health HTTP/1.1\r\nHost: roost.example:8080\r\n\r\n")
      #expect(try await connection.reply().text == "OK")
    }
  }

  @Test("a long query costs no more than its bytes: the first unknown name ends it")
  func longQuery() async throws {
    try await TestDaemon.run { daemon in
      let names = (0..<4_000).map { "\($0 % 10)" }.joined(separator: "&")
      let reply = try await daemon.send("GET", "/health?" + names)
      #expect(reply.status == 400 && reply.code == "unknown_parameter")
    }
  }
}
