import RoostKeys
import RoostServer
import Testing

/// Faults of the network and of input, by their numbers.
@Suite struct FaultTests {
  @Test("fault 36: what is too large is refused, and the connection stays usable where HTTP allows")
  func tooLarge() async throws {
    try await TestDaemon.run({ $0.maxPayloadBytes = 1_000 }) { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      let wide = #"{"payload":"\#(String(repeating: "x", count: 300_000))"}"#
      try await connection.sendAside(Connection.request("POST", "/jobs", daemon.client, wide))
      #expect(try await connection.reply().code == "payload_too_large")
      let payload = #"{"payload":"\#(String(repeating: "x", count: 1_001))"}"#
      connection.send(Connection.request("POST", "/jobs", daemon.client, payload))
      #expect(try await connection.reply().status == 413)
      let deep = #"{"payload":\#(String(repeating: "[", count: 200))"#
      connection.send(Connection.request("POST", "/jobs", daemon.client, deep))
      #expect(try await connection.reply().code == "too_deep")
      connection.send(Connection.request("GET", "/jobs?q=" + String(repeating: "x", count: 9_000), daemon.client, nil))
      #expect(try await connection.reply().status == 414)
      connection.send(Connection.request("GET", "/health", nil, nil))
      #expect(try await connection.reply().text == "OK")
      connection.send(Connection.request("GET", "/health", nil, nil, ["X: " + String(repeating: "x", count: 40_000)]))
      let header = try await connection.reply()
      #expect(header.status == 431 && header.code == "headers_too_large" && header.string("request_id") != nil)
    }
  }

  @Test("fault 36: malformed HTTP is answered with 400, a body and a request id, then closed")
  func malformedHTTP() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.send("this is no HTTP\r\n\r\n")
      let reply = try await connection.reply()
      #expect(reply.status == 400 && reply.code == "bad_request" && reply.string("request_id") != nil)
      #expect(try await connection.isClosedByServer())
    }
  }

  @Test(
    "fault 37: a bad body is refused with the name of the field",
    arguments: [
      ("{", 400, "invalid_json", nil), ("{\"payload\":1}x", 400, "invalid_json", nil),
      ("[]", 400, "wrong_type", "the body"), ("{}", 400, "missing_field", "payload"),
      (#"{"payload":1,"max_retires":1}"#, 400, "unknown_field", "max_retires"),
      (#"{"payload":1,"time_out":"5m"}"#, 400, "unknown_field", "time_out"),
      (#"{"payload":1,"payload":2}"#, 400, "duplicate_field", "payload"),
      (#"{"payload":1,"queue":7}"#, 400, "wrong_type", "queue"),
      (#"{"payload":1,"max_retries":1.5}"#, 400, "wrong_type", "max_retries"),
      (#"{"payload":1,"max_retries":1001}"#, 422, "out_of_range", "max_retries"),
      (#"{"payload":1,"priority":"urgent"}"#, 422, "out_of_range", "priority"),
      (#"{"payload":1,"queue":"a b"}"#, 422, "out_of_range", "queue"),
      (#"{"payload":1,"retry":{"factor":"x"}}"#, 400, "wrong_type", "retry.factor"),
      (#"{"payload":1,"tags":["a",1]}"#, 400, "wrong_type", "tags[1]"),
      (#"{"payload":1,"metadata":{"k":1}}"#, 400, "wrong_type", "metadata.k"),
      (#"{"payload":1,"run_at":"2100-01-01T00:00:00Z"}"#, 422, "out_of_range", "run_at"),
      (#"{"payload":1,"delay":"1s","run_at":"2026-12-01T09:00:00Z"}"#, 422, "contradiction", "run_at"),
    ] as [(String, Int, String, String?)])
  func badBody(body: String, status: Int, code: String, field: String?) async throws {
    try await TestDaemon.run { daemon in
      let reply = try await daemon.send("POST", "/jobs", daemon.client, body)
      #expect(reply.status == status && reply.code == code)
      #expect((reply.json["details"] as? [String: String])?["field"] == field)
      if field == "queue", status == 400 {
        #expect(reply.string("message") == "queue must be a string, not a number", "\(reply.text)")
      }
    }
  }

  @Test("fault 48: another owner's job is the same as none, on every verb")
  func otherOwner() async throws {
    try await TestDaemon.run { daemon in
      let mallory = try await daemon.keys.create(
        name: "m", ownerID: "mallory", type: .client, by: .commandLine
      ).key.reveal()
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let real = try #require(made.string("job_id"))
      for (method, suffix) in [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")] {
        var answers: [String] = []
        for id in [real, "00000000-0000-8000-8000-000000000000", "no-id-at-all"] {
          let reply = try await daemon.send(
            method, "/jobs/\(id)\(suffix)", mallory, headers: ["X-Request-ID: same"])
          #expect(reply.status == 404 && reply.code == "job_not_found")
          answers.append(reply.text)
        }
        #expect(Set(answers).count == 1)
      }
    }
  }

  @Test("fault 50: hostile text comes back inert")
  func hostileText() async throws {
    try await TestDaemon.run { daemon in
      let error = #"\u001b[31mred\u0007\u009b\u202e\u2028</script>"#
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"max_retries":0}"#)
      let id = try #require(made.string("job_id"))
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      _ = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, #"{"result_error":"\#(error)"}"#)
      let reply = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
      #expect(reply.string("result_error") == "\u{1b}[31mred\u{7}\u{9b}\u{202e}\u{2028}</script>")
      for scalar in reply.text.unicodeScalars {
        #expect(scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) && scalar != "\u{202e}")
      }
      let named = try await daemon.send("GET", "/jobs/%1b%5b31m", daemon.client, headers: ["X-Request-ID: a b\u{1b}"])
      #expect(!named.text.contains("\u{1b}"))
    }
  }
}
