import Foundation
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// Settings and pauses of queues, over HTTP.
@Suite("Queue routes")
struct QueueRouteTests {
  @Test("settings are read back as they were set, null returns to the default, and what is absent stays")
  func settings() async throws {
    try await TestDaemon.run { daemon in
      let all = """
        {"max_retries":"unlimited","retry":{"initial":"5s","factor":1.5,"max":"1h","jitter":"equal"},"priority":"high",
         "delay":"10s","lease":"2m","timeout":"1h","retention":"1h","max_length":5,"max_bytes":100000,"on_full":"drop_oldest",
         "max_payload_bytes":512,"concurrency":3,"rate":{"limit":100,"per":"1m","burst":4},"aging":"10m"}
        """
      let set = try await daemon.send("PATCH", "/queues/q", daemon.admin, all)
      #expect(set.status == 200, "\(set.text)")
      let wanted = """
        "settings":{"max_retries":"unlimited","retry":{"initial":"5s","factor":1.5,"max":"1h","jitter":"equal"},\
        "priority":10,"delay":"10s","lease":"2m","timeout":"1h","retention":"1h","max_length":5,"max_bytes":100000,\
        "on_full":"drop_oldest","max_payload_bytes":512,"concurrency":3,"rate":{"limit":100,"per":"1m","burst":4},\
        "aging":"10m"}
        """
      #expect(set.text.contains(wanted), "\(set.text)")
      let less = try await daemon.send(
        "PATCH", "/queues/q", daemon.admin, #"{"retry":null,"rate":null,"concurrency":2,"on_full":null}"#)
      let seen = try await daemon.send("GET", "/queues/q", daemon.client)
      for reply in [less, seen] {
        let settings = try #require(reply.json["settings"] as? [String: Any])
        #expect(settings["concurrency"] as? Int == 2 && settings["max_length"] as? Int == 5)
        #expect(settings["retry"] == nil && settings["rate"] == nil && settings["on_full"] == nil)
      }
    }
  }

  @Test("an attempt has the time that its job says, else its queue; the lease, the job and its key know it")
  func timeouts() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"timeout":"90s"}"#)
      func leased(_ fields: String) async throws -> Reply {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"\#(fields)}"#)
        #expect(made.status == 201, "\(made.text)")
        return try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"lease":"2h"}"#)
      }
      let ofQueue = try await leased("")
      #expect(ofQueue.string("timeout") == "1m30s" && ofQueue.string("lease") == "1m30s", "\(ofQueue.text)")
      #expect(ofQueue.string("deadline") == ofQueue.string("lease_until"))
      let own = try await leased(#","timeout":"3h""#)
      #expect(own.string("timeout") == "3h" && own.string("lease") == "2h", "\(own.text)")
      let job = try await daemon.send("GET", "/jobs/\(own.string("job_id") ?? "")", daemon.client)
      #expect(job.string("deadline") == own.string("deadline") && own.string("deadline") != nil, "\(job.text)")
      let endless = try await leased(#","timeout":"0s""#)
      #expect(endless.json["timeout"] == nil && endless.json["deadline"] == nil, "\(endless.text)")

      let key = #"{"payload":1,"queue":"keyed","idempotency_key":"k","timeout":"1h"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, key).status == 201)
      let again = try await daemon.send(
        "POST", "/jobs", daemon.client, key.replacingOccurrences(of: "1h", with: "60m"))
      #expect(again.status == 200, "\(again.text)")
      for other in [
        key.replacingOccurrences(of: "1h", with: "2h"), key.replacingOccurrences(of: #","timeout":"1h""#, with: ""),
      ] {
        let conflict = try await daemon.send("POST", "/jobs", daemon.client, other)
        #expect(conflict.status == 409 && conflict.text.contains(#""fields":["timeout"]"#), "\(conflict.text)")
      }
      for bad in ["99ms", "31d", "soon", "-1s"] {
        let refused = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"timeout":"\#(bad)"}"#)
        #expect(refused.status == 422 && refused.text.contains(#""field":"timeout""#), "\(bad): \(refused.text)")
      }
    }
  }

  @Test("what fails goes where its queue says, begins anew there, and says whence it came")
  func deadLetters() async throws {
    try await TestDaemon.run { daemon in
      let set = try await daemon.send(
        "PATCH", "/queues/pay", daemon.admin, #"{"dead_letter":{"queue":"failed","after":2}}"#)
      #expect(set.text.contains(#""dead_letter":{"queue":"failed","after":2}"#), "\(set.text)")
      let bad = [
        (#"{"queue":"pay"}"#, 422, "dead_letter.queue"), (#"{"after":2}"#, 400, "dead_letter.queue"),
        (#"{"queue":"failed","after":0}"#, 422, "after"), (#"{"queue":"a b"}"#, 422, "queue"),
        (#"{"queue":"failed","when":1}"#, 400, "dead_letter.when"),
      ]
      for (body, status, field) in bad {
        let reply = try await daemon.send("PATCH", "/queues/pay", daemon.admin, #"{"dead_letter":\#(body)}"#)
        #expect(reply.status == status && reply.text.contains("\(field)\""), "\(body): \(reply.text)")
      }
      let made = try await daemon.send(
        "POST", "/jobs", daemon.client, #"{"payload":7,"queue":"pay","group":"g","retry":{"initial":"0s","max":"0s"}}"#)
      let id = try #require(made.string("job_id"))
      func fail(_ queue: String) async throws -> (leased: Reply, failed: Reply) {
        let leased = try await daemon.send(
          "POST", "/jobs/lease", daemon.worker, #"{"queues":["\#(queue)"],"wait":"20s"}"#)
        let body = #"{"error":"no","lease_id":"\#(leased.string("lease_id") ?? "")"}"#
        return (leased, try await daemon.send("POST", "/jobs/\(id)/fail", daemon.worker, body))
      }
      #expect(try await fail("pay").failed.string("state") == "RETRY")
      #expect(try await fail("pay").failed.string("state") == "READY")
      let seen = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
      #expect(seen.string("queue") == "failed" && seen.string("source") == "pay", "\(seen.text)")
      #expect(seen.string("group") == "g" && seen.json["attempts"] as? Int == 0, "\(seen.text)")
      let listed = try await daemon.send("GET", "/jobs?queue=failed", daemon.client)
      #expect(listed.text.contains(id) && listed.text.contains(#""source":"pay""#), "\(listed.text)")
      #expect(try await !daemon.send("GET", "/jobs?queue=pay", daemon.client).text.contains(id))
      let (leased, failed) = try await fail("failed")
      #expect(leased.string("source") == "pay" && leased.json["attempt"] as? Int == 1, "\(leased.text)")
      #expect(failed.string("state") == "RETRY")
      let history = try await daemon.send("GET", "/jobs/\(id)/history", daemon.client)
      #expect((history.json["items"] as? [Any])?.count == 3, "\(history.text)")
      let none = try await daemon.send("PATCH", "/queues/pay", daemon.admin, #"{"dead_letter":null}"#)
      #expect(!none.text.contains("dead_letter"), "\(none.text)")
    }
  }

  @Test("a bad setting is refused with its field, and nothing is changed")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"concurrency":7}"#)
      let bad = [
        (#"{"concurrency":0}"#, 422, "concurrency"), (#"{"max_retries":1001}"#, 422, "max_retries"),
        (#"{"max_retries":"many"}"#, 422, "max_retries"), (#"{"rate":{"limit":1}}"#, 400, "rate.per"),
        (#"{"rate":{"limit":0,"per":"1s"}}"#, 422, "rate.limit"),
        (#"{"rate":{"limit":1,"per":"1ms"}}"#, 422, "rate.per"),
        (#"{"aging":"1ms"}"#, 422, "aging"), (#"{"on_full":"explode"}"#, 422, "on_full"),
        (#"{"priority":128}"#, 422, "priority"), (#"{"max_payload_bytes":999999999}"#, 422, "max_payload_bytes"),
        (#"{"lease":"1ms"}"#, 422, "lease"), (#"{"timeout":"99ms"}"#, 422, "timeout"),
        (#"{"concurency":1}"#, 400, "concurency"),
      ]
      for (body, status, field) in bad {
        let mixed = body.replacingOccurrences(of: "{\"", with: "{\"retention\":\"1h\",\"", options: .anchored)
        let reply = try await daemon.send("PATCH", "/queues/q", daemon.admin, mixed)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)\""), "\(body): \(reply.text)")
      }
      let settings = try await daemon.send("GET", "/queues/q", daemon.admin).json["settings"] as? [String: Any]
      #expect(settings?.count == 1 && settings?["concurrency"] as? Int == 7)
      for (path, body) in [("/queues/a%20b", "{}"), ("/queues/q/pause", #"{"until":"yesterday"}"#)] {
        let method = path.hasSuffix("pause") ? "POST" : "PATCH"
        #expect(try await daemon.send(method, path, daemon.admin, body).status == 422)
      }
      #expect(try await daemon.send("PATCH", "/queues/q", daemon.client, "{}").status == 403)
      #expect(try await daemon.send("PATCH", "/queues/none", daemon.admin, "{}").code == "queue_not_found")
      #expect(try await daemon.send("POST", "/queues/none/resume", daemon.admin).code == "queue_not_found")
    }
  }

  @Test("a paused queue takes jobs and gives none; whoever waits is met when it goes on")
  func pause() async throws {
    try await TestDaemon.run { daemon in
      let paused = try await daemon.send("POST", "/queues/q/pause", daemon.admin, #"{"reason":"provider is down"}"#)
      #expect(paused.status == 200 && paused.json["paused"] as? Bool == true)
      #expect((paused.json["pause"] as? [String: Any])?["reason"] as? String == "provider is down")
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      #expect(made.status == 201)
      let seen = try await daemon.send("GET", "/queues/q", daemon.client)
      #expect(seen.string("held_by") == "paused" && seen.text.contains("provider is down"))
      let wish = #"{"queues":["q"],"wait":"60s"}"#
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#).status == 404)
      let posted = daemon.engine.postedCommands
      async let waiting = daemon.send("POST", "/jobs/lease", daemon.worker, wish)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      let resumed = try await daemon.send("POST", "/queues/q/resume", daemon.admin)
      #expect(resumed.status == 200 && resumed.json["paused"] as? Bool == false && resumed.json["pause"] == nil)
      #expect(try await waiting.string("job_id") == made.string("job_id"))
    }
  }

  @Test("a pause with an end ends by itself")
  func pauseUntil() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      let job = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      // The clock's start, and two seconds.
      let paused = try await daemon.send(
        "POST", "/queues/q/pause", daemon.admin, #"{"until":"2026-11-01T00:00:02Z"}"#)
      #expect((paused.json["pause"] as? [String: Any])?["until"] != nil, "\(paused.text)")
      let none = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
      #expect(none.code == "no_jobs_available")
      let posted = daemon.engine.postedCommands
      async let leased = daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"wait":"60s"}"#)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      clock.pass(.seconds(2))
      #expect(try await leased.string("job_id") == job.string("job_id"))
      #expect(try await daemon.send("GET", "/queues/q", daemon.client).json["paused"] as? Bool == false)
    }
  }

  @Test("no more jobs run than concurrency says, and the end of one meets whoever waits for the next")
  func concurrency() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"concurrency":2}"#)
      for _ in 0..<4 { _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#) }
      let several = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"max_jobs":4}"#)
      let jobs = try #require(several.json["jobs"] as? [[String: Any]])
      #expect(jobs.count == 2)
      let none = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
      #expect(none.code == "no_jobs_available")
      #expect(try await daemon.send("GET", "/queues/q", daemon.client).string("held_by") == "concurrency")
      let posted = daemon.engine.postedCommands
      async let waiting = daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"wait":"60s"}"#)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      let (id, lease) = (jobs[0]["job_id"] as! String, jobs[0]["lease_id"] as! String)
      _ = try await daemon.send("POST", "/jobs/\(id)/fail", daemon.worker, #"{"error":"x","lease_id":"\#(lease)"}"#)
      #expect(try await waiting.status == 200)
    }
  }

  @Test("leases come no faster than the rate, beyond a burst, and a long poll is met when the next may be")
  func rate() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      _ = try await daemon.send(
        "PATCH", "/queues/q", daemon.admin, #"{"rate":{"limit":1,"per":"2s","burst":2}}"#)
      for _ in 0..<4 { _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#) }
      let several = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"max_jobs":4}"#)
      #expect((several.json["jobs"] as? [Any])?.count == 2)
      for _ in 0..<20 {
        let none = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
        #expect(none.code == "no_jobs_available")
        // Each well below what would count as a stall; 1.9 s together.
        clock.pass(.milliseconds(95))
      }
      let posted = daemon.engine.postedCommands
      async let next = daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"wait":"60s"}"#)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      clock.pass(.milliseconds(200))
      #expect(try await next.status == 200)
    }
  }

  @Test("a full queue refuses, or drops the oldest job of the lowest priority, of the same owner only")
  func full() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"max_length":2,"max_payload_bytes":20}"#)
      func submit(_ fields: String, _ key: String) async throws -> Reply {
        try await daemon.send("POST", "/jobs", key, #"{"payload":1,"queue":"q"\#(fields)}"#)
      }
      let low = try await submit(#","priority":"low","idempotency_key":"k""#, daemon.client)
      let high = try await submit(#","priority":"high""#, daemon.client)
      let refused = try await submit("", daemon.client)
      #expect(refused.status == 429 && refused.code == "queue_full" && refused.headers["retry-after"] == "1")
      #expect(try await submit(#","priority":"low","idempotency_key":"k""#, daemon.client).status == 200)
      let large = try await daemon.send(
        "POST", "/jobs", daemon.client, #"{"payload":"123456789012345678901","queue":"q"}"#)
      #expect(large.status == 413 && large.text.contains("\"field\":\"payload\""))
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"on_full":"drop_oldest"}"#)
      let stranger = try await daemon.keys.create(name: "b", ownerID: "bob", type: .client, by: .commandLine)
      #expect(try await submit("", stranger.key.reveal()).code == "queue_full")
      #expect(try await submit("", daemon.client).status == 201)
      let dropped = try await daemon.send("GET", "/jobs/\(try #require(low.string("job_id")))", daemon.client)
      #expect(dropped.string("state") == "CANCELLED" && dropped.string("cancel_reason") == "queue_full")
      let kept = try await daemon.send("GET", "/jobs/\(try #require(high.string("job_id")))", daemon.client)
      #expect(kept.string("state") == "READY")
    }
  }

  @Test("jobs that were handed back make room in their turn, and a text counts without its escapes")
  func handedBack() async throws {
    try await TestDaemon.run { daemon in
      let settings = #"{"max_length":5,"on_full":"drop_oldest","max_payload_bytes":4}"#
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, settings)
      func submit(_ payload: String) async throws -> Reply {
        try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":\#(payload),"queue":"q"}"#)
      }
      for number in 1...5 { _ = try await submit("\(number)") }
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"max_jobs":4}"#)
      for job in try #require(leased.json["jobs"] as? [[String: Any]]) {
        let (id, lease) = (job["job_id"] as! String, job["lease_id"] as! String)
        _ = try await daemon.send("POST", "/jobs/\(id)/release", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      }
      for number in 6...8 { #expect(try await submit("\(number)").status == 201) }
      let left = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"max_jobs":9}"#)
      let payloads = (left.json["jobs"] as? [[String: Any]] ?? []).compactMap { $0["payload"] as? Int }
      #expect(payloads == [4, 5, 6, 7, 8])
      #expect(try await submit(#""\u00e9\n\n""#).status == 201)
      #expect(try await submit(#""\u00e9\n\n\n""#).status == 413)
    }
  }

  @Test("what a job does not say its queue says, at the submit")
  func defaults() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send(
        "PATCH", "/queues/q", daemon.admin, #"{"max_retries":"unlimited","priority":"critical","lease":"7m"}"#)
      _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      _ = try await daemon.send(
        "POST", "/jobs", daemon.client, #"{"payload":2,"queue":"q","priority":0,"max_retries":1,"lease":"1m"}"#)
      let wish = #"{"queues":["q"]}"#
      let first = try await daemon.send("POST", "/jobs/lease", daemon.worker, wish)
      #expect(first.json["priority"] as? Int == 20 && first.string("max_retries") == "unlimited")
      #expect(first.string("lease") == "7m")
      let second = try await daemon.send("POST", "/jobs/lease", daemon.worker, wish)
      #expect(second.json["priority"] as? Int == 0 && second.json["max_retries"] as? Int == 1)
      #expect(second.string("lease") == "1m")
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"delay":"1h"}"#)
      let later = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":3,"queue":"q"}"#)
      #expect(later.string("state") == "SCHEDULED")
      let now = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":3,"queue":"q","delay":"0s"}"#)
      #expect(now.string("state") == "READY")
    }
  }

  @Test("leases with weights come from each queue in proportion, and from another where one is empty")
  func weights() async throws {
    try await TestDaemon.run { daemon in
      for queue in ["a", "b"] {
        let jobs = Array(repeating: #"{"payload":1,"queue":"\#(queue)"}"#, count: 400).joined(separator: ",")
        _ = try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[\#(jobs)]}"#)
      }
      var counts: [String: Int] = [:]
      for _ in 0..<400 {
        let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"weights":{"a":3,"b":1}}"#)
        counts[try #require(leased.string("queue")), default: 0] += 1
      }
      // 300 expected; fourteen standard deviations are 121.
      #expect((180...399).contains(counts["a"] ?? 0), "\(counts)")
      let other = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"weights":{"none":1000,"b":1}}"#)
      #expect(other.string("queue") == "b")
      let bad = [
        (#"{"weights":{"a":0}}"#, 422, "weights.a"), (#"{"weights":{}}"#, 422, "weights"),
        (#"{"weights":{"a":1},"queues":["b"]}"#, 422, "weights"), (#"{"weights":{"a b":1}}"#, 422, "weights.a b"),
      ]
      for (body, status, field) in bad {
        let reply = try await daemon.send("POST", "/jobs/lease", daemon.worker, body)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)\""), "\(body): \(reply.text)")
      }
    }
  }

  @Test("a job that has long been ready goes before those of a higher priority")
  func aging() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"aging":"1s"}"#)
      let old = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      let wait = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["none"],"wait":"2100ms"}"#)
      #expect(wait.status == 404)
      _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","priority":1}"#)
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
      #expect(leased.string("job_id") == old.string("job_id"))
    }
  }
}
