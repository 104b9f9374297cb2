import Foundation
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// Batches, several leases, `lease_next`, history over HTTP.
@Suite struct BatchRouteTests {
  @Test("a batch is submitted, leased and acknowledged, each item with its own result")
  func cycle() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send(
        "POST", "/jobs/batch", daemon.client,
        #"{"jobs":[{"payload":1},{"payload":2,"max_retires":1},{"payload":{"a":1.0},"idempotency_key":"k","retry":{"initial":"1h","jitter":"none"}},"#
          + #"{"payload":{"a":1.0},"idempotency_key":"k","retry":{"initial":"1h","jitter":"none"}},7,{"payload":3}]}"#)
      #expect(made.status == 200)
      let results = made.results
      #expect(results.count == 6)
      #expect(results[1]["code"] as? String == "unknown_field" && results[4]["code"] as? String == "wrong_type")
      #expect((results[1]["details"] as? [String: Any])?["hint"] as? String == "max_retries")
      #expect(results[3]["idempotent"] as? Bool == true)
      #expect(results[3]["job_id"] as? String == results[2]["job_id"] as? String)
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"max_jobs":2,"lease":"1m"}"#)
      let jobs = try #require(leased.json["jobs"] as? [[String: Any]])
      #expect(leased.status == 200 && jobs.count == 2 && leased.text.contains(#""payload":{"a":1.0}"#))
      let items = jobs.map { #"{"job_id":"\#($0["job_id"]!)","lease_id":"\#($0["lease_id"]!)","# }
      let extended = try await daemon.send(
        "POST", "/jobs/extend", daemon.worker, #"{"items":[\#(items[0])"lease":"2m"},{"job_id":"x","lease_id":"1-1"}]}"#
      )
      #expect(extended.results[0]["lease_until"] is String && extended.results[1]["code"] as? String == "job_not_found")
      let ended = try await daemon.send(
        "POST", "/jobs/ack", daemon.worker,
        #"{"items":[\#(items[0])"result":[1]},\#(items[1])"result_error":"no"},{}]}"#)
      #expect(ended.results.map { $0["state"] as? String } == ["ACKED", "RETRY", nil])
      #expect(ended.results[1]["run_at"] is String && ended.results[2]["code"] as? String == "missing_field")
      let failed = try await daemon.send(
        "POST", "/jobs/fail", daemon.worker, #"{"items":[\#(items[0])"error":"late"}]}"#)
      #expect(failed.results[0]["code"] as? String == "already_ended")
      #expect((failed.results[0]["details"] as? [String: Any])?["outcome"] as? String == "acked")
      #expect(failed.results[0]["job_id"] as? String == jobs[0]["job_id"] as? String)
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"max_jobs":9}"#).json["jobs"] != nil)
      let none = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"max_jobs":9}"#)
      #expect(none.status == 200 && (none.json["jobs"] as? [Any])?.isEmpty == true)
    }
  }

  @Test("what is wrong with the whole of a batch refuses it and names the field")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let many = "[" + Array(repeating: #"{"payload":1}"#, count: 1_001).joined(separator: ",") + "]"
      for (path, body, code) in [
        ("/jobs/batch", #"{"jobs":\#(many)}"#, "out_of_range"), ("/jobs/batch", "{}", "missing_field"),
        ("/jobs/batch", #"{"jobs":[{"payload":}]}"#, "invalid_json"), ("/jobs/batch", #"{"jobs":{}}"#, "wrong_type"),
        ("/jobs/batch", #"{"items":[]}"#, "unknown_field"),
      ] {
        let reply = try await daemon.send("POST", path, daemon.client, body)
        #expect(reply.code == code, "\(reply.text)")
      }
      let keyed = try await daemon.send(
        "POST", "/jobs/batch", daemon.client, #"{"jobs":[{"payload":1}]}"#, headers: ["Idempotency-Key: k"])
      #expect(keyed.status == 422 && keyed.code == "contradiction")
      for body in [#"{"max_jobs":0}"#, #"{"max_jobs":1001}"#, #"{"max_jobs":1,"max_bytes":0}"#] {
        #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, body).code == "out_of_range")
      }
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"max_bytes":9}"#).code == "contradiction")
      #expect(daemon.engine.jobCount == 0)
    }
  }

  @Test("a batch may be larger than one job's body, up to its own limit")
  func size() async throws {
    try await TestDaemon.run({
      $0.maxPayloadBytes = 1_000
      $0.envelopeBytes = 1_000
      $0.maxBatchBytes = 20_000
    }) { daemon in
      let item = #"{"payload":"\#(String(repeating: "x", count: 900))"}"#
      func body(_ count: Int) -> String {
        #"{"jobs":["# + Array(repeating: item, count: count).joined(separator: ",") + "]}"
      }
      #expect(try await daemon.send("POST", "/v1/jobs/batch", daemon.client, body(20)).results.count == 20)
      let large = try await daemon.send("POST", "/jobs/batch", daemon.client, body(30))
      #expect(large.status == 413 && large.code == "payload_too_large")
      let one = try await daemon.send("POST", "/jobs/batch", daemon.client, body(2).replacing("xxx", with: "xxxx"))
      #expect(one.results.allSatisfy { $0["code"] as? String == "payload_too_large" })
    }
  }

  @Test("a client submits only to its own queues, a worker ends only jobs of its own, item by item")
  func access() async throws {
    try await TestDaemon.run { daemon in
      let patterns = ["mail"]
      let client = try await daemon.keys.create(
        name: "c", ownerID: "alice", type: .client, queues: patterns, by: .commandLine
      ).key.reveal()
      let made = try await daemon.send(
        "POST", "/jobs/batch", client, #"{"jobs":[{"payload":1,"queue":"sms"},{"payload":2,"queue":"mail"}]}"#)
      #expect(made.results[0]["code"] as? String == "queue_forbidden" && made.results[1]["state"] as? String == "READY")
      let id = try await daemon.submit(#"{"payload":1,"queue":"sms"}"#)
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["sms"]}"#)
      let lease = try #require(leased.string("lease_id"))
      let worker = try await daemon.keys.create(
        name: "w", ownerID: "alice", type: .worker, queues: patterns, by: .commandLine
      ).key.reveal()
      let items = #"{"items":[{"job_id":"\#(id)","lease_id":"\#(lease)","error":"e"}]}"#
      #expect(
        try await daemon.send("POST", "/jobs/fail", worker, items).results[0]["code"] as? String == "job_not_found")
      #expect(try await daemon.send("POST", "/jobs/fail", daemon.client, items).status == 403)
      let next = try await daemon.send(
        "POST", "/jobs/\(id)/ack", worker, #"{"lease_id":"\#(lease)","lease_next":{"queues":["sms"]}}"#)
      #expect(next.status == 403 && next.code == "queue_forbidden")
    }
  }

  @Test("an acknowledgement with lease_next answers with the next job, or null when its wait is over")
  func next() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[{"payload":1},{"payload":2}]}"#)
      let first = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      let (id, lease) = (try #require(first.string("job_id")), try #require(first.string("lease_id")))
      let body = #"{"lease_id":"\#(lease)","lease_next":{"queues":["default"],"lease":"1m","wait":"10ms"}}"#
      let acked = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, body)
      let second = try #require(acked.json["next"] as? [String: Any])
      #expect(acked.string("state") == "ACKED" && second["payload"] as? Int == 2 && second["lease_id"] is String)
      // Said again after a lost answer: the same success, and whatever comes next.
      let again = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, body)
      #expect(again.status == 200 && again.json["next"] is NSNull)
      let wrong = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, #"{"lease_next":{"wiat":"1s"}}"#)
      #expect(wrong.code == "unknown_field" && wrong.text.contains("lease_next.wiat"))
    }
  }

  @Test("leases of a connection that is gone are all handed back")
  func handedBack() async throws {
    try await TestDaemon.run { daemon in
      let gone = try Connection(port: daemon.port)
      let posted = daemon.engine.postedCommands
      gone.send(Connection.request("POST", "/jobs/lease", daemon.worker, #"{"max_jobs":5,"wait":"60s"}"#))
      while daemon.engine.postedCommands == posted { await Task.yield() }
      gone.close()
      while daemon.engine.postedCommands < posted + 2 { await Task.yield() }
      _ = try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[{"payload":1},{"payload":2}]}"#)
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"max_jobs":5,"wait":"60s"}"#)
      let jobs = try #require(leased.json["jobs"] as? [[String: Any]])
      #expect(jobs.map { $0["attempt"] as? Int } == [1, 1])
    }
  }

  @Test("a history lists attempts, the last first, with worker, times, outcome and error")
  func history() async throws {
    try await TestDaemon.run { daemon in
      let id = try await daemon.submit(#"{"payload":1,"retry":{"initial":"0ms"}}"#)
      let first = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"worker_id":"w1"}"#)
      _ = try await daemon.send(
        "POST", "/jobs/\(id)/fail", daemon.worker, #"{"lease_id":"\#(first.string("lease_id")!)","error":"once"}"#)
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"worker_id":"w2","wait":"60s"}"#)
      let reply = try await daemon.send("GET", "/jobs/\(id)/history", daemon.client)
      let items = try #require(reply.json["items"] as? [[String: Any]])
      #expect(items.map { $0["outcome"] as? String } == ["running", "failed"])
      #expect(items.map { $0["worker_id"] as? String } == ["w2", "w1"] && items[1]["error"] as? String == "once")
      #expect(items[0]["ended_at"] == nil && items[1]["ended_at"] is String && items[1]["leased_at"] is String)
      #expect(try await daemon.send("GET", "/jobs/nothing/history", daemon.client).code == "job_not_found")
    }
  }
}

extension Reply {
  var results: [[String: Any]] { json["results"] as? [[String: Any]] ?? [] }
}
