import RoostCore
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// The ● rows of the contract, exactly.
@Suite struct ContractTests {
  @Test("health answers OK as text, without a key, bare and under /v1")
  func health() async throws {
    try await TestDaemon.run { daemon in
      for path in ["/health", "/v1/health"] {
        let reply = try await daemon.send("GET", path)
        #expect(reply.status == 200 && reply.text == "OK")
        #expect(reply.headers["content-type"]?.hasPrefix("text/plain") == true)
        #expect(reply.headers["x-request-id"] != nil)
      }
      let head = try await daemon.send("HEAD", "/health")
      #expect(head.status == 200 && head.headers["content-length"] == "2")
      #expect(try await daemon.send("GET", "/readyz").string("status") == "ready")
    }
  }

  @Test("a job is submitted, read, leased and acknowledged, its payload byte for byte the same")
  func cycle() async throws {
    try await TestDaemon.run { daemon in
      let payload = #"{"b": 1.00, "a":"\u00e9\/", "n":1e300}"#
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload": \#(payload) , "max_retries":2}"#)
      #expect(made.status == 201 && made.string("state") == "READY")
      #expect(made.headers["content-type"] == "application/json")
      let runAt = try #require(made.string("run_at"))
      #expect(runAt.utf8.count == 24 && runAt.hasSuffix("Z"))
      let id = try #require(made.string("job_id"))
      let read = try await daemon.send("GET", "/jobs/\(id)?payload=true", daemon.client)
      #expect(read.status == 200 && read.text.contains("\"payload\":" + payload))
      #expect(read.json["attempts"] as? Int == 0 && read.json["max_retries"] as? Int == 2)
      #expect(read.string("queue") == "default" && read.string("created_at") != nil)
      let leased = try await daemon.send("POST", "/v1/jobs/lease", daemon.worker)
      #expect(leased.status == 200 && leased.string("job_id") == id && leased.json["attempt"] as? Int == 1)
      #expect(leased.text.contains("\"payload\":" + payload))
      for name in ["lease_id", "type", "queue", "lease_until"] { #expect(leased.string(name) != nil) }
      #expect(leased.json["metadata"] != nil && leased.json["priority"] as? Int == 0)
      let none = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      #expect(none.status == 404 && none.code == "no_jobs_available")
      let acked = try await daemon.send(
        "POST", "/jobs/\(id)/ack", daemon.worker, #"{"result":"done","result_error":""}"#)
      #expect(acked.status == 200)
      let done = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
      #expect(done.string("state") == "ACKED" && done.string("result") == "done" && done.json["payload"] == nil)
    }
  }

  @Test("an idempotency key gives the same job again, and 409 for another body")
  func idempotency() async throws {
    try await TestDaemon.run { daemon in
      let header = ["Idempotency-Key: k1"]
      let first = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#, headers: header)
      let again = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#, headers: header)
      #expect(first.status == 201 && again.status == 200 && again.json["idempotent"] as? Bool == true)
      #expect(first.string("job_id") == again.string("job_id"))
      let other = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":2}"#, headers: header)
      #expect(other.status == 409 && other.code == "idempotency_conflict")
      let details = try #require(other.json["details"] as? [String: Any])
      #expect(details["existing_job_id"] as? String == first.string("job_id"))
      #expect(details["fields"] as? [String] == ["payload"])
      let trace = #"{"payload":1.0, "traceparent":"00-2", "metadata":{"try":"2"}}"#
      let traced = try await daemon.send("POST", "/jobs", daemon.client, trace, headers: header)
      #expect(traced.status == 200 && traced.string("job_id") == first.string("job_id"))
      let both = #"{"payload":1,"idempotency_key":"k2"}"#
      let torn = try await daemon.send("POST", "/jobs", daemon.client, both, headers: header)
      #expect(torn.status == 422 && torn.code == "contradiction")
    }
  }

  @Test("a result error is a failure: RETRY while attempts are left, then DEAD and in the dead letters")
  func resultError() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"max_retries":0}"#)
      let id = try #require(made.string("job_id"))
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      let both = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, #"{"result":1,"result_error":"x"}"#)
      #expect(both.status == 422)
      let torn = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, "{")
      #expect(torn.status == 400 && torn.code == "invalid_json")
      let dead = try await daemon.send("POST", "/jobs/\(id)/ack", daemon.worker, #"{"result_error":"boom"}"#)
      #expect(dead.status == 200 && dead.string("state") == "DEAD")
      #expect(try await daemon.send("GET", "/jobs/\(id)", daemon.client).string("result_error") == "boom")
      let letter = try await daemon.send("GET", "/dlq/\(id)", daemon.client)
      #expect(letter.string("last_error") == "boom" && letter.string("reason") == "attempts_exhausted")
      #expect((try await daemon.send("GET", "/dlq", daemon.client).json["items"] as? [Any])?.count == 1)
      #expect(try await daemon.send("POST", "/dlq/\(id)/replay", daemon.client).code == "forbidden_scope")
      let replayed = try await daemon.send("POST", "/dlq/\(id)/replay", daemon.admin)
      #expect(replayed.status == 200 && replayed.json["replayed"] as? Int == 1)
    }
  }

  @Test(
    "an error beyond its bound is cut between two characters and counts; so does an empty one",
    arguments: ["fail", "ack"])
  func errorTexts(verb: String) async throws {
    try await TestDaemon.run { daemon in
      func failed(_ error: String) async throws -> String? {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"max_retries":0}"#)
        let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker)
        let (id, lease) = (try #require(made.string("job_id")), try #require(leased.string("lease_id")))
        let name = verb == "fail" ? "error" : "result_error"
        let body = #"{"lease_id":"\#(lease)","\#(name)":"\#(error)"}"#
        let told = try await daemon.send("POST", "/jobs/\(id)/\(verb)", daemon.worker, body)
        #expect(told.status == 200 && told.string("state") == "DEAD", "\(told.text.prefix(200))")
        return try await daemon.send("GET", "/jobs/\(id)", daemon.client).string("result_error")
      }
      let longest = String(repeating: "e", count: 16_384)
      #expect(try await failed(longest) == longest)
      for letter in ["e", "é", "€", "😀"] {
        let error = try #require(try await failed(String(repeating: letter, count: 16_385)))
        let mark = "… [cut, it had \(16_385 * letter.utf8.count) bytes]"
        #expect(error.hasSuffix(mark) && error.dropLast(mark.count).allSatisfy { String($0) == letter })
        #expect((16_380...16_384).contains(error.utf8.count))
      }
      if verb == "fail" { #expect(try await failed("") == "") }
    }
  }

  @Test("a long poll is answered by the next submit, and released when its client hangs up")
  func longPoll() async throws {
    try await TestDaemon.run { daemon in
      let gone = try Connection(port: daemon.port)
      gone.send(Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s","queues":["a"]}"#))
      gone.finishSending()
      #expect(try await gone.reply().code == "no_jobs_available")
      gone.close()
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      waiting.send(Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s","queues":["a"]}"#))
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"a"}"#)
      #expect(try await waiting.reply().string("job_id") == made.string("job_id"))
    }
  }

  @Test("keys are made, listed masked, and revoked by id or whole key")
  func keys() async throws {
    try await TestDaemon.run { daemon in
      let wish = #"{"name":"n","owner_id":"alice","type":"client"}"#
      #expect(try await daemon.send("POST", "/admin/keys", daemon.client, wish).status == 403)
      let made = try await daemon.send("POST", "/admin/keys", daemon.admin, wish)
      #expect(made.status == 201 && made.string("type") == "client" && made.json["scopes"] is [String])
      let key = try #require(made.string("key"))
      for (path, who) in [("/admin/keys", daemon.admin), ("/keys", daemon.client)] {
        let list = try await daemon.send("GET", path, who)
        #expect(list.status == 200 && !list.array.isEmpty && !list.text.contains(key))
      }
      let revoked = try await daemon.send("DELETE", "/keys/\(key)", daemon.client)
      #expect(revoked.status == 200 && revoked.string("message") == "Key revoked successfully")
      #expect(revoked.string("revoked_at") != nil && !revoked.text.contains(key))
      let refused = try await daemon.send("GET", "/keys", key)
      #expect(refused.status == 401 && refused.headers["www-authenticate"] != nil)
    }
  }

  @Test("a wrong method is 405 with Allow, an unknown path 404, a missing key 401, an unknown parameter 400")
  func errors() async throws {
    try await TestDaemon.run { daemon in
      let method = try await daemon.send("DELETE", "/jobs", daemon.client)
      #expect(method.status == 405 && method.headers["allow"]?.contains("POST") == true)
      for wrong in ["GET", "OPTIONS"] {
        let lease = try await daemon.send(wrong, "/jobs/lease", daemon.client)
        #expect(lease.status == 405 && lease.headers["allow"] == "POST", "it is not the job of the id `lease`")
      }
      #expect(try await daemon.send("GET", "/nothing", daemon.client).code == "route_not_found")
      #expect(try await daemon.send("GET", "/jobs").status == 401)
      #expect(try await daemon.send("GET", "/jobs?colour=red", daemon.client).code == "unknown_parameter")
      let named = try await daemon.send("GET", "/jobs/x", daemon.client, headers: ["X-Request-ID: my-id"])
      #expect(named.headers["x-request-id"] == "my-id" && named.string("request_id") == "my-id")
    }
  }

  @Test("what a worker says of its progress is shown byte for byte while the attempt runs, and no longer")
  func progress() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = "/jobs/" + (try #require(made.string("job_id")))
      let lease = try #require(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id"))
      func say(_ progress: String) async throws -> Reply {
        try await daemon.send(
          "POST", job + "/extend", daemon.worker, #"{"lease_id":"\#(lease)","progress":\#(progress)}"#)
      }
      for progress in [#""half""#, #"{ "percent" : 4.0e1, "left": "\u00e4" }"#] {
        #expect(try await say(progress).string("lease_until") != nil)
        #expect(try await daemon.send("GET", job, daemon.client).text.contains(#""progress":\#(progress)"#))
      }
      // Said nothing of it: what was said stands.
      #expect(try await say("null").status == 200)
      let large = try await say("\"" + String(repeating: "x", count: 16_383) + "\"")
      #expect(large.status == 200 && large.json["progress_dropped"] as? Bool == true)
      #expect(try await daemon.send("GET", job, daemon.client).text.contains(#""percent" : 4.0e1"#))
      #expect(try await say("[").code == "invalid_json")
      let most = "\"" + String(repeating: "x", count: 16_382) + "\""
      let batch = #"{"items":[{"job_id":"\#(job.dropFirst(6))","lease_id":"\#(lease)","progress":\#(most)}]}"#
      #expect(try await daemon.send("POST", "/jobs/extend", daemon.worker, batch).text.contains("lease_until"))
      #expect(try await daemon.send("GET", job, daemon.client).text.contains(#""progress":\#(most)"#))
      #expect(try await !daemon.send("GET", "/jobs", daemon.client).text.contains("progress"))
      let failed = #"{"lease_id":"\#(lease)","error":"x"}"#
      #expect(try await daemon.send("POST", job + "/fail", daemon.worker, failed).string("state") == "RETRY")
      #expect(try await !daemon.send("GET", job, daemon.client).text.contains("progress"))
    }
  }

  @Test("a worker fails, extends and releases under its lease, and a client cancels")
  func workerVerbs() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = "/jobs/" + (try #require(made.string("job_id")))
      func lease() async throws -> String {
        try #require(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id"))
      }
      let first = try await lease()
      let extended = try await daemon.send(
        "POST", job + "/extend", daemon.worker, #"{"lease_id":"\#(first)","lease":"1m"}"#)
      #expect(extended.status == 200 && extended.string("lease_until") != nil)
      #expect(extended.json["cancel_requested"] as? Bool == false)
      #expect(try await daemon.send("POST", job + "/extend", daemon.worker, "{}").code == "lease_id_required")
      let released = try await daemon.send("POST", job + "/release", daemon.worker, #"{"lease_id":"\#(first)"}"#)
      #expect(released.status == 200 && released.string("state") == "READY")
      let second = try await lease()
      let late = try await daemon.send("POST", job + "/ack", daemon.worker, #"{"lease_id":"\#(first)"}"#)
      #expect(late.status == 409 && late.code == "lease_lost")
      let failed = try await daemon.send(
        "POST", job + "/fail", daemon.worker, #"{"lease_id":"\#(second)","error":"x","retry_after":"1h"}"#)
      #expect(failed.string("state") == "RETRY" && failed.string("run_at") != nil)
      #expect(try await daemon.send("POST", job + "/retry", daemon.client).string("state") == "READY")
      #expect(try await daemon.send("POST", job + "/retry", daemon.client).code == "wrong_state")
      #expect(try await daemon.send("POST", job + "/ack", daemon.worker).code == "job_not_running")
      let cancelled = try await daemon.send("POST", job + "/cancel", daemon.client, #"{"reason":"no"}"#)
      #expect(cancelled.status == 200 && cancelled.string("state") == "CANCELLED")
      #expect(try await daemon.send("GET", "/queues/default", daemon.client).json["counts"] != nil)
      #expect(try await daemon.send("GET", "/queues/none", daemon.client).code == "queue_not_found")
      let list = try await daemon.send("GET", "/jobs?state=CANCELLED&limit=1", daemon.client)
      #expect((list.json["items"] as? [Any])?.count == 1)
    }
  }

  @Test("a retry policy may give its shortest or its longest pause alone, but not the shortest above the longest")
  func retryPolicy() async throws {
    try await TestDaemon.run { daemon in
      for (retry, status) in [(#""max":"1s""#, 201), (#""initial":"5m""#, 201), (#""initial":"5m","max":"1s""#, 422)] {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"retry":{\#(retry)}}"#)
        #expect(made.status == status, "\(retry): \(made.text)")
      }
    }
  }

  @Test("a queue that the key may not use is 403")
  func forbiddenQueue() async throws {
    try await TestDaemon.run { daemon in
      let key = try await daemon.keys.create(
        name: "n", ownerID: "bob", type: .client, queues: ["img-*"], by: .commandLine
      ).key.reveal()
      #expect(try await daemon.send("POST", "/jobs", key, #"{"payload":1,"queue":"img-a"}"#).status == 201)
      #expect(try await daemon.send("POST", "/jobs", key, #"{"payload":1}"#).code == "queue_forbidden")
    }
  }

  @Test("a long poll is answered when the server shuts down")
  func shutdown() async throws {
    let (replies, report) = AsyncStream.makeStream(of: Reply.self)
    try await TestDaemon.run { daemon in
      let waiting = try Connection(port: daemon.port)
      // Both in one write: the first answer shows that the server has read them.
      waiting.send(
        Connection.request("GET", "/health", nil, nil)
          + Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#))
      #expect(try await waiting.reply().text == "OK")
      Task {
        report.yield(try await waiting.reply())
        waiting.close()
      }
    }
    for await reply in replies {
      #expect(reply.code == "no_jobs_available")
      break
    }
  }

  @Test("fault 35: a body that does not arrive in time is answered with 408 and the connection closed")
  func slowBody() async throws {
    try await TestDaemon.run({ $0.bodyTimeout = .milliseconds(50) }) { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.send(Connection.request("POST", "/jobs", daemon.client, nil, ["Content-Length: 100"]))
      connection.send("{")
      let reply = try await connection.reply()
      #expect(reply.status == 408 && reply.code == "request_timeout")
      #expect(try await connection.isClosedByServer())
    }
  }
}
