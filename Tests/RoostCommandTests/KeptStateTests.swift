import Foundation
import Testing

/// What queues, unique jobs, batches and operations are is the same behind a `kill -9`.
@Suite("Kept over kills")
struct KeptStateTests {
  @Test("fault 55: a paused queue and a paused group are paused after a kill, and say why; they give what they took")
  func pauses() async throws {
    try await Scene.run { scene in
      let before = try scene.start()
      for fields in [#""queue":"held""#, #""queue":"q","group":"a""#, #""queue":"q","group":"b""#] {
        _ = try before.submit(#"{"payload":1,\#(fields)}"#)
      }
      let group = "/queues/q/groups/a"
      for path in ["/queues/held/pause", "\(group)/pause?owner_id=dev"] {
        let paused = try before.connect().send("POST", path, before.admin, #"{"reason":"provider is down"}"#)
        #expect(paused.status == 200, "\(paused.text)")
      }
      let both = #"{"queues":["held","q"]}"#
      func look(_ daemon: LiveDaemon) throws {
        for path in ["/queues/held", "\(group)?owner_id=dev"] {
          let seen = try daemon.connect().send("GET", path, daemon.admin)
          #expect(seen.string("held_by") == "paused" && seen.text.contains("provider is down"), "\(seen.text)")
        }
        _ = try daemon.submit(#"{"payload":1,"queue":"held"}"#)
      }
      before.end(SIGKILL)
      let killed = try scene.start()
      try look(killed)
      killed.end(SIGTERM)
      let daemon = try scene.start()
      try look(daemon)
      #expect(try daemon.lease(both).string("group") == "b")
      #expect(try daemon.connect().send("POST", "/jobs/lease", daemon.worker, both).status == 404)
      for path in ["/queues/held/resume", "\(group)/resume?owner_id=dev"] {
        #expect(try daemon.connect().send("POST", path, daemon.admin).status == 200)
      }
      let queues = try (0..<4).map { _ in try daemon.lease(both).string("queue") ?? "" }
      #expect(queues.sorted() == ["held", "held", "held", "q"])
      daemon.end(SIGKILL)
    }
  }

  @Test("fault 59: equal unique jobs of a batch, and those behind a kill or a purge, are one, and hold nothing up")
  func unique() async throws {
    try await Scene.run { scene in
      let before = try scene.start()
      let own = #""unique":{"key":"own"}"#
      let hour = #""unique":{"key":"hour","until":{"for":"1h"}}"#
      let strict = #""unique":{"key":"own","on_conflict":"reject"}"#
      let jobs = [own, own, hour, hour, strict].map { #"{"payload":1,"queue":"q",\#($0)}"# }
      let batch = #"{"jobs":[\#(jobs.joined(separator: ","))]}"#
      let made = try before.connect().send("POST", "/jobs/batch", before.client, batch)
      let ids = (made.json["results"] as? [[String: Any]] ?? []).map { $0["job_id"] as? String }
      #expect(ids.count == 5 && ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "\(made.text)")
      #expect(made.text.contains("not_unique"), "\(made.text)")
      let (first, second) = (try #require(ids[0]), try #require(ids[2]))
      func expectTwin(_ daemon: LiveDaemon, _ unique: String, of id: String) throws {
        let again = try daemon.connect().send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q",\#(unique)}"#)
        #expect(again.status == 200 && again.string("job_id") == id, "\(again.text)")
        #expect(again.json["duplicate"] as? Bool == true, "\(again.text)")
      }
      before.end(SIGKILL)
      let killed = try scene.start()
      for (unique, id) in [(own, first), (hour, second)] { try expectTwin(killed, unique, of: id) }
      for id in [first, second] {
        let lease = try killed.lease(#"{"queues":["q"]}"#)
        #expect(lease.string("job_id") == id)
        #expect(try killed.say("ack", id, lease: try #require(lease.string("lease_id"))).status == 200)
        #expect(try killed.connect().send("DELETE", "/jobs/\(id)", killed.client).status == 200)
      }
      killed.end(SIGKILL)
      let daemon = try scene.start()
      // The one is free with its end; the other's hour is not over, though the job is gone.
      try expectTwin(daemon, hour, of: second)
      let fresh = try daemon.submit(#"{"payload":1,"queue":"q",\#(own)}"#)
      #expect(fresh != first)
      #expect(try daemon.lease(#"{"queues":["q"]}"#).string("job_id") == fresh)
      #expect(try daemon.connect().send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#).status == 404)
      daemon.end(SIGKILL)
    }
  }

  @Test("fault 61: a daemon killed as a batch's last job is acknowledged makes the batch's own job once")
  func batch() async throws {
    try await Scene.run { scene in
      let rounds = 5
      for _ in 0..<rounds {
        let daemon = try scene.start()
        let then = #"{"then":{"payload":"last","queue":"last"}}"#
        let opened = try daemon.connect().send("POST", "/batches", daemon.client, then)
        let batch = try #require(opened.string("batch_id"), "\(opened.text)")
        let job = try daemon.submit(#"{"payload":1,"queue":"q","batch":"\#(batch)"}"#)
        #expect(try daemon.connect().send("POST", "/batches/\(batch)/close", daemon.client).status == 200)
        let lease = try #require(daemon.lease(#"{"queues":["q"]}"#).string("lease_id"))
        // Whether it was taken nobody hears.
        try daemon.connect().post("POST", "/jobs/\(job)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
        daemon.end(SIGKILL)
        let next = try scene.start()
        #expect(try next.say("ack", job, lease: lease).status == 200)
        try waitUntil("the batch is complete") {
          try next.connect().send("GET", "/batches/\(batch)", next.client).state == "completed"
        }
        next.end(SIGKILL)
      }
      let daemon = try scene.start()
      #expect(try daemon.connect().send("GET", "/jobs?queue=last", daemon.client).items.count == rounds)
      daemon.end(SIGKILL)
    }
  }

  @Test("fault 62: a bulk operation that is killed under way goes on by itself, and counts each job once")
  func operation() async throws {
    try await Scene.run { scene in
      let before = try scene.start()
      let connection = try before.connect()
      let jobs = Array(repeating: #"{"payload":1,"queue":"q"}"#, count: 500).joined(separator: ",")
      for _ in 0..<10 {
        let made = try connection.send("POST", "/jobs/batch", before.client, #"{"jobs":[\#(jobs)]}"#)
        #expect(made.status == 200, "\(made.text)")
      }
      let filter = #"{"action":"cancel","queue":"q"}"#
      let begun = try connection.send("POST", "/operations", before.admin, filter)
      let id = try #require(begun.string("operation_id"), "\(begun.text)")
      before.end(SIGKILL)
      try scene.start().end(SIGKILL)
      let daemon = try scene.start()
      func operation() throws -> WireReply { try daemon.connect().send("GET", "/operations/\(id)", daemon.admin) }
      try waitUntil("the operation is over") { try operation().state == "done" }
      #expect(try operation().integer("done") == 5_000)
      let queue = try daemon.connect().send("GET", "/queues/q", daemon.client)
      #expect((queue.json["counts"] as? [String: Int])?["CANCELLED"] == 5_000, "\(queue.text)")
      daemon.end(SIGKILL)
    }
  }
}
