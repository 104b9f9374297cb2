import Foundation
import Testing

/// Lost answers, dead workers and late words, on the wire.
@Suite("Faults on the wire")
struct WireFaultTests {
  @Test("fault 30: a submit and an acknowledgement whose answers were lost are asked again and are the same")
  func lostAnswers() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let key = ["Idempotency-Key: order-17"]
      do {
        let lost = try daemon.connect()
        try lost.post("POST", "/jobs", daemon.client, #"{"payload":17}"#, headers: key)
        try lost.waitForAnswer()
      }
      let again = try daemon.connect().send("POST", "/jobs", daemon.client, #"{"payload":17}"#, headers: key)
      #expect(again.status == 200 && again.json["idempotent"] as? Bool == true, "\(again.text)")
      let other = try daemon.connect().send("POST", "/jobs", daemon.client, #"{"payload":18}"#, headers: key)
      #expect(other.status == 409 && other.code == "idempotency_conflict")
      let job = try daemon.lease()
      let (id, lease) = (try #require(job.string("job_id")), try #require(job.string("lease_id")))
      #expect(id == again.string("job_id"))
      let body = #"{"lease_id":"\#(lease)","result":"sent"}"#
      do {
        let lost = try daemon.connect()
        try lost.post("POST", "/jobs/\(id)/ack", daemon.worker, body)
        try lost.waitForAnswer()
      }
      daemon.end(SIGKILL)
      let next = try scene.start()
      let repeated = try next.connect().send("POST", "/jobs/\(id)/ack", next.worker, body)
      #expect(repeated.status == 200 && repeated.state == "ACKED", "\(repeated.text)")
      let late = try next.connect().send("POST", "/jobs", next.client, #"{"payload":17}"#, headers: key)
      #expect(late.status == 200 && late.string("job_id") == id && late.state == "ACKED", "\(late.text)")
      #expect(try next.connect().send("GET", "/jobs", next.client).items.count == 1)
    }
  }

  @Test("fault 31: a worker that dies with its lease gives the job back when the lease ends")
  func deadWorker() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit(#"{"payload":1,"retry":{"initial":"10ms","jitter":"none"}}"#)
      let first = try daemon.lease(#"{"lease":"1s","worker_id":"the dead one"}"#)
      #expect(try daemon.get(id).state == "RUNNING")
      let second = try daemon.lease()
      #expect(second.string("job_id") == id && second.integer("attempt") == 2, "\(second.text)")
      #expect(second.string("lease_id") != first.string("lease_id"))
    }
  }

  @Test("fault 32: a late word under an old lease is refused with 409 and changes nothing")
  func lateWord() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit(#"{"payload":1,"retry":{"initial":"10ms","jitter":"none"}}"#)
      let old = try #require(daemon.lease(#"{"lease":"1s"}"#).string("lease_id"))
      let new = try #require(daemon.lease().string("lease_id"))
      let attempts = try daemon.get(id).integer("attempts")
      for (word, more) in [("ack", #","result":1"#), ("fail", #","error":"e""#), ("extend", ""), ("release", "")] {
        let reply = try daemon.say(word, id, lease: old, more)
        #expect(reply.status == 409 && reply.code == "lease_lost", "\(word): \(reply.text)")
        let now = try daemon.get(id)
        #expect(now.state == "RUNNING" && now.integer("attempts") == attempts && attempts == 2, "\(now.text)")
      }
      #expect(try daemon.say("ack", id, lease: new, #","result":2"#).status == 200)
      #expect(try daemon.say("ack", id, lease: old, #","result":1"#).status == 409)
      let final = try daemon.get(id)
      #expect(final.state == "ACKED" && final.integer("result") == 2)
    }
  }

  @Test("fault 33: a job whose lease was answered to nobody comes back with one attempt spent")
  func lostLease() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit(#"{"payload":1,"retry":{"initial":"10ms","jitter":"none"}}"#)
      do {
        let lost = try daemon.connect()
        try lost.post("POST", "/jobs/lease", daemon.worker, #"{"lease":"1s"}"#)
        try lost.waitForAnswer()
      }
      let next = try daemon.lease()
      #expect(next.string("job_id") == id && next.integer("attempt") == 2, "\(next.text)")
    }
  }

  @Test("fault 47: a poison job runs out of attempts, crash of the daemon included, and is a dead letter once")
  func poison() async throws {
    try await Scene.run { scene in
      var daemon = try scene.start()
      let id = try daemon.submit(#"{"payload":1,"max_retries":2,"retry":{"initial":"10ms","jitter":"none"}}"#)
      _ = try daemon.lease(#"{"lease":"1s"}"#)
      let second = try daemon.lease()
      let failed = try daemon.say("fail", id, lease: second.string("lease_id") ?? "", #","error":"poison""#)
      #expect(failed.state == "RETRY" && second.integer("attempt") == 2, "\(failed.text)")
      daemon.end(SIGKILL)
      daemon = try scene.start()
      let third = try daemon.lease()
      #expect(third.integer("attempt") == 3)
      let dead = try daemon.say("fail", id, lease: third.string("lease_id") ?? "", #","error":"poison again""#)
      #expect(dead.state == "DEAD", "\(dead.text)")
      let letters = try daemon.connect().send("GET", "/dlq", daemon.client).items
      #expect(letters.map { $0["job_id"] as? String } == [id])
      #expect(letters.first?["attempts"] as? Int == 3 && letters.first?["last_error"] as? String == "poison again")
      #expect(try daemon.connect().send("POST", "/jobs/lease", daemon.worker).code == "no_jobs_available")
    }
  }
}
