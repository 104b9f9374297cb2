import Foundation
import RoostServer
import Testing

/// What clients of the daemon before this one send and expect.
@Suite struct OldClientTests {
  @Test("a refusal carries its message as `error`, too, and so does an item of a batch")
  func error() async throws {
    try await TestDaemon.run { daemon in
      for reply in [
        try await daemon.send("GET", "/jobs/none", daemon.client), try await daemon.send("GET", "/jobs"),
        try await daemon.send("GET", "/nowhere", daemon.client),
      ] {
        #expect(reply.string("error") != nil && reply.string("error") == reply.string("message"), "\(reply.text)")
      }
      let batch = try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[{}]}"#)
      let item = try #require(batch.results.first)
      #expect(item["error"] as? String == item["message"] as? String && item["error"] != nil, "\(batch.text)")
    }
  }

  @Test("a limit above 200 is 200; what is no number is refused")
  func limit() async throws {
    try await TestDaemon.run { daemon in
      for text in ["201", "1000", "99999999999999999999"] {
        #expect(try await daemon.send("GET", "/jobs?limit=\(text)", daemon.client).status == 200, "\(text)")
        #expect(try await daemon.send("GET", "/dlq?limit=\(text)", daemon.client).status == 200, "\(text)")
      }
      for text in ["0", "-1", "+5", "", "1e3", "x"] {
        #expect(try await daemon.send("GET", "/jobs?limit=\(text)", daemon.client).code == "out_of_range", "\(text)")
      }
      let jobs = Array(repeating: #"{"payload":1}"#, count: 230).joined(separator: ",")
      #expect(try await daemon.send("POST", "/jobs/batch", daemon.client, "{\"jobs\":[\(jobs)]}").status == 200)
      let page = try await daemon.send("GET", "/jobs?limit=5000", daemon.client)
      #expect((page.json["items"] as? [Any])?.count == 200 && page.string("next_cursor") != nil)
    }
  }

  @Test("a lease of 100 ms is taken, a shorter one is not; 1.5h is a duration everywhere")
  func durations() async throws {
    try await TestDaemon.run { daemon in
      for (lease, status) in [("100ms", 201), ("0.1s", 201), ("99ms", 422), ("1.5h", 201), ("12.1h", 422)] {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"lease":"\#(lease)"}"#)
        #expect(reply.status == status, "\(lease): \(reply.text)")
      }
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"lease":"1m30.5s","wait":"0.5s"}"#)
      #expect(leased.status == 200, "\(leased.text)")
    }
  }

  @Test("a text counts without quotes and escapes: exactly the limit is taken, one byte more is not")
  func payloadLimit() async throws {
    try await TestDaemon.run({ $0.maxPayloadBytes = 2_000 }) { daemon in
      let texts: [(String, Int)] = [
        (String(repeating: "x", count: 2_000), 201), (String(repeating: "x", count: 2_001), 413),
        (String(repeating: #"\""#, count: 2_000), 201), (String(repeating: #"\u0001"#, count: 2_000), 201),
        (String(repeating: #"\u0001"#, count: 2_001), 413), (String(repeating: #"\u00e9"#, count: 1_000), 201),
        (String(repeating: #"\ud83d\ude00"#, count: 500), 201), (String(repeating: #"\ud83d\ude00"#, count: 501), 413),
        (String(repeating: "é", count: 1_000), 201), (String(repeating: "é", count: 1_001), 413),
      ]
      for (text, status) in texts {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":"\#(text)"}"#)
        #expect(reply.status == status, "\(text.prefix(12)) × \(text.count): \(reply.text)")
        let batch = try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[{"payload":"\#(text)"}]}"#)
        #expect((batch.results[0]["state"] != nil) == (status == 201), "\(text.prefix(12)): \(batch.text)")
      }
      // Anything else counts as the JSON that it is.
      let list = "[" + String(repeating: "1", count: 1_998) + "]"
      #expect(try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":\(list)}").status == 201)
      #expect(try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":\(list) }").status == 201)
      let longer = "[" + String(repeating: "1", count: 1_999) + "]"
      #expect(
        try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":\(longer)}").code == "payload_too_large")
    }
  }

  @Test("the header traceparent is the trace of jobs that name none; what is none is ignored")
  func traceparent() async throws {
    let (header, own) = ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-aa-bb-01")
    try await TestDaemon.run { daemon in
      func trace(_ headers: [String], _ field: String = "") async throws -> String? {
        let made = try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":1\(field)}", headers: headers)
        #expect(made.status == 201, "\(made.text)")
        return try await daemon.send("POST", "/jobs/lease", daemon.worker).string("traceparent")
      }
      #expect(try await trace(["traceparent: \(header)"]) == header)
      #expect(try await trace(["Traceparent: \(header)"], #","traceparent":"\#(own)""#) == own)
      #expect(try await trace([]) == nil)
      for wrong in [
        "x", "00-\(String(repeating: "0", count: 32))-00f067aa0ba902b7-01", header + "-x", "ff" + header.dropFirst(2),
      ] {
        #expect(try await trace(["traceparent: \(wrong)"]) == nil, "\(wrong)")
      }
      #expect(try await trace(["traceparent: \(header)", "traceparent: \(header)"]) == nil)
      let two = #"{"jobs":[{"payload":1},{"payload":2,"traceparent":"\#(own)"}]}"#
      let batch = try await daemon.send("POST", "/jobs/batch", daemon.client, two, headers: ["traceparent: \(header)"])
      #expect(batch.status == 200)
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("traceparent") == header)
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("traceparent") == own)
    }
  }

  @Test(
    "with order listed a lease takes its queues in their order, alone, of several jobs, and behind an acknowledgement")
  func listedOrder() async throws {
    try await TestDaemon.run { daemon in
      for (queue, priority) in [("bulk", 20), ("bulk", 20), ("mail", 0), ("mail", -5), ("mail", -5)] {
        let body = #"{"payload":1,"queue":"\#(queue)","priority":\#(priority)}"#
        #expect(try await daemon.send("POST", "/jobs", daemon.client, body).status == 201)
      }
      let listed = #""queues":["mail","bulk"],"order":"listed""#
      let first = try await daemon.send("POST", "/jobs/lease", daemon.worker, "{\(listed)}")
      #expect(first.string("queue") == "mail", "\(first.text)")
      let (id, lease) = (try #require(first.string("job_id")), try #require(first.string("lease_id")))
      let next = try await daemon.send(
        "POST", "/jobs/\(id)/ack", daemon.worker, #"{"lease_id":"\#(lease)","lease_next":{\#(listed)}}"#)
      #expect((next.json["next"] as? [String: Any])?["queue"] as? String == "mail", "\(next.text)")
      let many = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{\#(listed),"max_jobs":2}"#)
      let queues = (many.json["jobs"] as? [[String: Any]])?.compactMap { $0["queue"] as? String }
      #expect(queues == ["mail", "bulk"], "\(many.text)")
      let plain = #"{"queues":["mail","bulk"],"order":"priority"}"#
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, plain).string("queue") == "bulk")
      let wrong = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"order":"fair"}"#)
      #expect(wrong.code == "out_of_range" && wrong.text.contains("priority or listed"), "\(wrong.text)")
    }
  }
}
