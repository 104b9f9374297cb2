import Foundation
import RoostEngine
import RoostServer
import Testing

/// What is done to many jobs at once, over HTTP.
@Suite("Operation routes")
struct OperationRouteTests {
  /// Waits until an operation is over.
  private func end(of begun: Reply, _ daemon: TestDaemon) async throws -> [String: Any] {
    let id = try #require(begun.string("operation_id"), "\(begun.text)")
    while true {
      let seen = try await daemon.send("GET", "/operations/\(id)", daemon.admin)
      guard ["running", "waiting"].contains(seen.string("state")) else { return seen.json }
      await Task.yield()
    }
  }

  private func submit(_ daemon: TestDaemon, _ queue: String, _ fields: String = "") async throws -> String {
    let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"\#(queue)"\#(fields)}"#)
    return try #require(made.string("job_id"), "\(made.text)")
  }

  private func state(_ daemon: TestDaemon, _ job: String) async throws -> String? {
    try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("state")
  }

  @Test("a cancel by filter touches what matches, each once, and a dry run only counts it")
  func cancel() async throws {
    try await TestDaemon.run { daemon in
      var mail: [String] = []
      for _ in 0..<30 { mail.append(try await submit(daemon, "mail", #","type":"a""#)) }
      let other = try await submit(daemon, "mail", #","type":"b""#)
      let later = try await submit(daemon, "mail", #","type":"a","delay":"1h""#)
      let sms = try await submit(daemon, "sms", #","type":"a""#)
      let filter = #""action":"cancel","queue":"mail","type":"a""#
      let dry = try await daemon.send("POST", "/operations", daemon.admin, "{\(filter),\"dry_run\":true}")
      #expect(dry.status == 200 && dry.json["matches"] as? Int == 31, "\(dry.text)")
      #expect((dry.json["first"] as? [String])?.count == 10)
      #expect(try await state(daemon, mail[0]) == "READY")
      let begun = try await daemon.send("POST", "/operations", daemon.admin, "{\(filter)}")
      #expect(begun.status == 202)
      let ended = try await end(of: begun, daemon)
      #expect(ended["state"] as? String == "done" && ended["done"] as? Int == 31)
      for job in mail + [later] { #expect(try await state(daemon, job) == "CANCELLED") }
      for job in [other, sms] { #expect(try await state(daemon, job) == "READY") }
      let reason = try await daemon.send("GET", "/jobs/\(later)", daemon.client).string("cancel_reason")
      #expect(reason == "operation")
    }
  }

  @Test("a job that waits for others is listed, cancelled, moved and purged as others that wait")
  func blocked() async throws {
    try await TestDaemon.run { daemon in
      let first = try await submit(daemon, "first")
      var jobs: [String] = []
      for _ in 0..<3 { jobs.append(try await submit(daemon, "a", #","depends_on":["\#(first)"]"#)) }
      let listed = try await daemon.send("GET", "/jobs?state=BLOCKED", daemon.client)
      #expect((listed.json["items"] as? [Any])?.count == 3, "\(listed.text)")
      let some = #"{"action":"cancel","queue":"a","states":["BLOCKED"],"limit":1}"#
      let cancelled = try await end(of: daemon.send("POST", "/operations", daemon.admin, some), daemon)
      #expect(cancelled["done"] as? Int == 1 && cancelled["states"] as? [String] == ["BLOCKED"], "\(cancelled)")
      #expect(try await state(daemon, jobs[2]) == "CANCELLED")
      let moved = try await end(of: daemon.send("POST", "/queues/a/move", daemon.admin, #"{"to":"b"}"#), daemon)
      #expect(moved["done"] as? Int == 2 && moved["states"] == nil, "\(moved)")
      #expect(try await state(daemon, jobs[0]) == "BLOCKED")
      let purged = try await end(of: daemon.send("POST", "/queues/b/purge", daemon.admin), daemon)
      #expect(purged["done"] as? Int == 2, "\(purged)")
      #expect(try await state(daemon, jobs[0]) == "CANCELLED")
    }
  }

  @Test("a replay gives each dead letter one new life, up to its limit; a delete removes what ended")
  func replayAndDelete() async throws {
    try await TestDaemon.run { daemon in
      for _ in 0..<5 {
        _ = try await submit(daemon, "q", #","max_retries":0"#)
        let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
        let (id, lease) = (try #require(leased.string("job_id")), try #require(leased.string("lease_id")))
        let failed = #"{"error":"x","lease_id":"\#(lease)"}"#
        _ = try await daemon.send("POST", "/jobs/\(id)/fail", daemon.worker, failed)
      }
      let replayed = try await end(
        of: daemon.send("POST", "/operations", daemon.admin, #"{"action":"replay","queue":"q","limit":2}"#), daemon)
      #expect(replayed["done"] as? Int == 2)
      let counts = try await daemon.send("GET", "/queues/q", daemon.client).json["counts"] as? [String: Int]
      #expect(counts?["READY"] == 2 && counts?["DEAD"] == 3)
      let deleted = try await end(
        of: daemon.send("POST", "/operations", daemon.admin, #"{"action":"delete","states":["DEAD"]}"#), daemon)
      #expect(deleted["done"] as? Int == 3)
      #expect((try await daemon.send("GET", "/dlq", daemon.client).json["items"] as? [Any])?.isEmpty == true)
    }
  }

  @Test("waiting jobs go to another queue in their order, dead letters begin anew there, retries run at once")
  func moves() async throws {
    try await TestDaemon.run { daemon in
      var ids: [String] = []
      for _ in 0..<3 { ids.append(try await submit(daemon, "q")) }
      let moved = try await end(
        of: daemon.send("POST", "/queues/q/move", daemon.admin, #"{"to":"r"}"#), daemon)
      #expect(moved["done"] as? Int == 3 && moved["to"] as? String == "r" && moved["action"] as? String == "move")
      func lease(_ queue: String) async throws -> Reply {
        try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["\#(queue)"]}"#)
      }
      var leased: [Reply] = []
      for id in ids {
        leased.append(try await lease("r"))
        #expect(leased.last?.string("job_id") == id && leased.last?.string("source") == "q")
      }
      for (reply, isRetryable) in zip(leased, [true, false, false]) {
        let lease = #""lease_id":"\#(reply.string("lease_id") ?? "")""#
        let body =
          isRetryable ? #"{\#(lease),"error":"x","retry_after":"1h"}"# : #"{\#(lease),"error":"x","retryable":false}"#
        let path = "/jobs/\(reply.string("job_id") ?? "")/fail"
        #expect(try await daemon.send("POST", path, daemon.worker, body).status == 200)
      }
      let retried = try await end(
        of: daemon.send("POST", "/operations", daemon.admin, #"{"action":"retry","queue":"r"}"#), daemon)
      #expect(retried["done"] as? Int == 1)
      #expect(try await state(daemon, ids[0]) == "READY")
      let replay = #"{"action":"replay","queue":"r","to":"s"}"#
      let replayed = try await end(of: daemon.send("POST", "/operations", daemon.admin, replay), daemon)
      #expect(replayed["done"] as? Int == 2)
      let counts = try await daemon.send("GET", "/queues/s", daemon.client).json["counts"] as? [String: Int]
      #expect(counts?["READY"] == 2)
      for (body, field) in [
        (#"{"action":"cancel","to":"s"}"#, "to"), (#"{"action":"move","queue":"q","to":"q"}"#, "to"),
        (#"{"action":"move","queue":"q"}"#, "to"), (#"{"action":"retry","states":["DEAD"]}"#, "states"),
      ] {
        let refused = try await daemon.send("POST", "/operations", daemon.admin, body)
        #expect((400...422).contains(refused.status) && refused.text.contains(#""field":"\#(field)""#), "\(body)")
      }
    }
  }

  @Test("a purge leaves what runs; a deletion waits for it, and takes no jobs meanwhile")
  func purgeAndDelete() async throws {
    try await TestDaemon.run { daemon in
      let running = try await submit(daemon, "q")
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
      let waiting = try await submit(daemon, "q")
      let purged = try await end(of: daemon.send("POST", "/queues/q/purge", daemon.admin), daemon)
      #expect(purged["done"] as? Int == 1 && purged["action"] as? String == "purge")
      #expect(try await state(daemon, waiting) == "CANCELLED")
      #expect(try await state(daemon, running) == "RUNNING")
      #expect(try await daemon.send("DELETE", "/queues/q", daemon.admin).code == "queue_not_empty")
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"concurrency":3}"#)
      let begun = try await daemon.send("DELETE", "/queues/q?purge=true", daemon.admin)
      #expect(begun.status == 202 && begun.string("state") == "running")
      let settings = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"concurrency":4}"#)
      #expect(settings.status == 409 && settings.code == "draining")
      let refused = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      #expect(refused.status == 409 && refused.code == "draining")
      #expect(try await daemon.send("DELETE", "/queues/q?purge=true", daemon.admin).code == "draining")
      let lease = try #require(leased.string("lease_id"))
      _ = try await daemon.send("POST", "/jobs/\(running)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      _ = try await end(of: begun, daemon)
      #expect(try await daemon.send("GET", "/queues/q", daemon.admin).code == "queue_not_found")
      #expect(try await state(daemon, running) == nil)
      _ = try await submit(daemon, "q")
      let anew = try await daemon.send("GET", "/queues/q", daemon.admin)
      #expect((anew.json["settings"] as? [String: Any])?.isEmpty == true)
      #expect((anew.json["totals"] as? [String: Any])?["submitted"] as? Int == 1)
    }
  }

  @Test("who waits for a job's end hears of its cancellation by an operation")
  func waited() async throws {
    try await TestDaemon.run { daemon in
      let job = try await submit(daemon, "q")
      let posted = daemon.engine.postedCommands
      async let waiting = daemon.send("GET", "/jobs/\(job)?wait=60s", daemon.client)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      _ = try await end(of: daemon.send("DELETE", "/queues/q?purge=true", daemon.admin), daemon)
      #expect(try await waiting.string("state") == "CANCELLED")
    }
  }

  @Test("a queue under deletion gives no jobs, and what comes back to it is cancelled while others run")
  func comesBack() async throws {
    try await TestDaemon.run { daemon in
      let (first, second) = (try await submit(daemon, "q"), try await submit(daemon, "q"))
      let several = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"max_jobs":2}"#)
      let jobs = try #require(several.json["jobs"] as? [[String: Any]])
      let begun = try await daemon.send("DELETE", "/queues/q?purge=true", daemon.admin)
      let lease = try #require(jobs[0]["lease_id"] as? String)
      let released = try await daemon.send(
        "POST", "/jobs/\(first)/release", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      #expect(released.status == 200)
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#).status == 404)
      while try await state(daemon, first) != nil { await Task.yield() }
      #expect(try await state(daemon, second) == "RUNNING")
      let id = try #require(begun.string("operation_id"))
      while try await daemon.send("GET", "/operations/\(id)", daemon.admin).string("state") != "waiting" {
        await Task.yield()
      }
      let other = try #require(jobs[1]["lease_id"] as? String)
      _ = try await daemon.send("POST", "/jobs/\(second)/ack", daemon.worker, #"{"lease_id":"\#(other)"}"#)
      #expect(try await end(of: begun, daemon)["state"] as? String == "done")
    }
  }

  @Test("a batch's last job that comes into a queue under deletion goes with it")
  func comesIn() async throws {
    try await TestDaemon.run { daemon in
      let running = try await submit(daemon, "q")
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
      let opened = try await daemon.send(
        "POST", "/batches", daemon.client, #"{"then":{"payload":"last","queue":"q"}}"#)
      let batch = try #require(opened.string("batch_id"))
      let begun = try await daemon.send("DELETE", "/queues/q?purge=true", daemon.admin)
      _ = try await daemon.send("POST", "/batches/\(batch)/close", daemon.client)
      func last() async throws -> String? {
        try await daemon.send("GET", "/batches/\(batch)", daemon.client).string("then_job_id")
      }
      while try await last() == nil { await Task.yield() }
      let job = try #require(try await last())
      // Where it would stay, the deletion would have no end.
      while try await state(daemon, job) != nil { await Task.yield() }
      let lease = try #require(leased.string("lease_id"))
      _ = try await daemon.send("POST", "/jobs/\(running)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      #expect(try await end(of: begun, daemon)["state"] as? String == "done")
      #expect(try await daemon.send("GET", "/queues/q", daemon.admin).code == "queue_not_found")
    }
  }

  @Test("a deletion that is not to purge takes no job with it, however they come")
  func onlyEmpty() async throws {
    try await TestDaemon.run { daemon in
      for round in 0..<40 {
        let queue = "q\(round)"
        _ = try await daemon.send("PATCH", "/queues/\(queue)", daemon.admin, #"{"priority":1}"#)
        async let made = daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"\#(queue)"}"#)
        async let deleted = daemon.send("DELETE", "/queues/\(queue)", daemon.admin)
        let (job, deletion) = try await (made, deleted)
        #expect([202, 409].contains(deletion.status))
        if job.status == 201 { #expect(try await state(daemon, try #require(job.string("job_id"))) == "READY") }
      }
    }
  }

  @Test("a key that is bound to some queues sees and stops operations on those alone")
  func bound() async throws {
    try await TestDaemon.run { daemon in
      let made = #"{"name":"n","owner_id":"o","type":"admin","queues":["mine-*"]}"#
      let key = try #require(
        try await daemon.send("POST", "/admin/keys", daemon.admin, made).string("key"))
      for queue in ["mine-a", "other"] { _ = try await submit(daemon, queue) }
      let other = try await daemon.send("POST", "/queues/other/purge", daemon.admin)
      let mine = try await daemon.send("POST", "/queues/mine-a/purge", key)
      #expect(mine.status == 202)
      let listed = try await daemon.send("GET", "/operations", key).json["items"] as? [[String: Any]]
      #expect(listed?.map { $0["queue"] as? String } == ["mine-a"])
      let path = "/operations/\(try #require(other.string("operation_id")))"
      for method in ["GET", "DELETE"] {
        #expect(try await daemon.send(method, path, key).code == "operation_not_found")
      }
      for body in [#"{"action":"replay"}"#, #"{"action":"replay","queue":"other"}"#] {
        #expect(try await daemon.send("POST", "/operations", key, body).code == "queue_forbidden")
      }
    }
  }

  @Test("what makes no sense is refused with its field")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let bad = [
        ("{}", 400, "action"), (#"{"action":"explode"}"#, 422, "action"),
        (#"{"action":"cancel","states":["DEAD"]}"#, 422, "states"), (#"{"action":"replay","limit":0}"#, 422, "limit"),
        (#"{"action":"replay","states":["x"]}"#, 422, "states[0]"),
        (#"{"action":"replay","older_than":1}"#, 400, "older_than"),
      ]
      for (body, status, field) in bad {
        let reply = try await daemon.send("POST", "/operations", daemon.admin, body)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)\""), "\(body): \(reply.text)")
      }
      for path in ["/operations/7", "/operations/x", "/operations/0"] {
        #expect(try await daemon.send("GET", path, daemon.admin).code == "operation_not_found")
        #expect(try await daemon.send("DELETE", path, daemon.admin).code == "operation_not_found")
      }
      #expect(try await daemon.send("DELETE", "/queues/none", daemon.admin).code == "queue_not_found")
      #expect(try await daemon.send("POST", "/operations", daemon.client, #"{"action":"replay"}"#).status == 403)
    }
  }
}
