import Foundation
import RoostServer
import Testing

/// A failure counts however long its text is and whatever bytes it has.
@Suite("Texts of failures") struct ErrorTextTests {
  /// A job that is leased, and the token of its lease.
  private static func lease(_ daemon: TestDaemon) async throws -> (job: String, lease: String) {
    let job = try await daemon.submit(#"{"payload":1,"max_retries":0}"#)
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker)
    return (job, try #require(leased.string("lease_id")))
  }

  private static func error(_ daemon: TestDaemon, _ job: String) async throws -> String? {
    try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("result_error")
  }

  @Test("an error that is larger than a job's body is cut, and the failure counts", arguments: ["fail", "ack"])
  func long(verb: String) async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      let name = verb == "fail" ? "error" : "result_error"
      let text = String(repeating: "e", count: 3_000_000)
      let body = #"{"lease_id":"\#(lease)","\#(name)":"\#(text)"}"#
      let told = try await daemon.send("POST", "/v1/jobs/\(job)/\(verb)", daemon.worker, body)
      #expect(told.status == 200 && told.string("state") == "DEAD", "\(told.text.prefix(200))")
      let error = try #require(try await Self.error(daemon, job))
      #expect(error.utf8.count <= 16_384 && error.hasSuffix("… [cut, it had 3000000 bytes]"))
    }
  }

  @Test("so does one that comes in chunks")
  func chunked() async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      let body = #"{"lease_id":"\#(lease)","error":"\#(String(repeating: "e", count: 2_000_000))"}"#
      let head = Connection.request(
        "POST", "/jobs/\(job)/fail", daemon.worker, nil, ["Transfer-Encoding: chunked"])
      let chunk = String(body.utf8.count, radix: 16) + "\r\n" + body + "\r\n0\r\n\r\n"
      try await connection.sendAside(head + Array(chunk.utf8))
      let told = try await connection.reply()
      #expect(told.status == 200 && told.string("state") == "DEAD", "\(told.text.prefix(200))")
    }
  }

  @Test("a result of 4 MiB is taken, one of a byte more is not")
  func result() async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      func acknowledge(_ count: Int) async throws -> Reply {
        let result = "\"" + String(repeating: "r", count: count - 2) + "\""
        let body = #"{"lease_id":"\#(lease)","result":\#(result)}"#
        return try await daemon.send("POST", "/jobs/\(job)/ack", daemon.worker, body)
      }
      #expect(try await acknowledge((4 << 20) + 1).code == "payload_too_large")
      let acked = try await acknowledge(4 << 20)
      #expect(acked.status == 200 && acked.string("state") == "ACKED", "\(acked.text.prefix(200))")
    }
  }

  @Test("a heartbeat whose progress is larger than a job's body extends the lease; a long reason cancels")
  func otherReports() async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      let text = String(repeating: "p", count: 2_000_000)
      let extended = try await daemon.send(
        "POST", "/jobs/\(job)/extend", daemon.worker, #"{"lease_id":"\#(lease)","progress":"\#(text)"}"#)
      #expect(extended.status == 200 && extended.json["progress_dropped"] as? Bool == true, "\(extended.text)")
      let cancelled = try await daemon.send(
        "POST", "/jobs/\(job)/cancel", daemon.client, #"{"reason":"\#(text)"}"#)
      #expect(cancelled.status == 200 && cancelled.json["cancel_requested"] as? Bool == true, "\(cancelled.text)")
    }
  }

  @Test(
    "halves of surrogate pairs and bytes that are no UTF-8 are replaced in an error, and the failure counts",
    arguments: ["fail", "ack", "batch fail", "batch ack"])
  func noText(way: String) async throws {
    try await TestDaemon.run { daemon in
      let verb = way.hasSuffix("fail") ? "fail" : "ack"
      let name = verb == "fail" ? "error" : "result_error"
      let cases: [([UInt8], String)] = [
        (Array(#"a\udcffb"#.utf8), "a\u{FFFD}b"), (Array(#"a\ud83d"#.utf8), "a\u{FFFD}"),
        (Array(#"\ud83d\u0041\n\ud83d\ude00"#.utf8), "\u{FFFD}A\n😀"),
        (Array("a".utf8) + [0xFF] + Array(#"é\"b"#.utf8), "a\u{FFFD}é\"b"),
      ]
      for (bytes, expected) in cases {
        let (job, lease) = try await Self.lease(daemon)
        var body = Array(#""lease_id":"\#(lease)","\#(name)":""#.utf8) + bytes + Array("\"".utf8)
        if way == verb {
          body = Array("{".utf8) + body + Array("}".utf8)
        } else {
          body = Array(#"{"items":[{"job_id":"\#(job)","#.utf8) + body + Array("}]}".utf8)
        }
        let path = way == verb ? "/jobs/\(job)/\(verb)" : "/jobs/\(verb)"
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        let head = Connection.request("POST", path, daemon.worker, nil, ["Content-Length: \(body.count)"])
        connection.send(head + body)
        let told = try await connection.reply()
        #expect(told.status == 200 && told.text.contains("DEAD"), "\(told.text)")
        #expect(try await Self.error(daemon, job) == expected)
      }
    }
  }

  @Test("an item of a batch that is refused leaves the others alone, whatever its error holds")
  func besideRefused() async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      let body = #"{"items":[{"job_id":"x","error":"\udcff"},{"job_id":"\#(job)","lease_id":"\#(lease)","error":"e"}]}"#
      let told = try await daemon.send("POST", "/jobs/fail", daemon.worker, body)
      #expect(told.status == 200 && told.text.contains("lease_id_required"), "\(told.text)")
      #expect(told.text.contains("DEAD"), "\(told.text)")
    }
  }

  @Test("an error that is no JSON is refused as before", arguments: [#"a\x"#, #"a\u12"#, "a\u{1}", "a"])
  func noJSON(text: String) async throws {
    try await TestDaemon.run { daemon in
      let (job, lease) = try await Self.lease(daemon)
      let end = text == "a" ? "" : #""}"#
      let body = #"{"lease_id":"\#(lease)","error":"\#(text)\#(end)"#
      let told = try await daemon.send("POST", "/jobs/\(job)/fail", daemon.worker, body)
      #expect(told.status == 400 && told.code == "invalid_json", "\(told.text)")
      #expect(try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("state") == "RUNNING")
    }
  }
}
