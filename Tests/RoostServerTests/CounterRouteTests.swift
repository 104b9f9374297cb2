import Foundation
import RoostServer
import Testing

/// What became of a job's attempts, over HTTP.
@Suite("Counters of attempts, over HTTP")
struct CounterRouteTests {
  @Test("a job that kills its workers is a dead letter with the reason crash_loop; its queue may say how often")
  func crashLoop() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      let set = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"max_expiries":1}"#)
      #expect(set.status == 200, "\(set.text)")
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#)
      let job = try #require(made.string("job_id"))
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"lease":"1s"}"#)
      try await until("the lease ends") {
        clock.pass(.milliseconds(500))
        return try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("state") == "DEAD"
      }
      let letter = try await daemon.send("GET", "/dlq/\(job)", daemon.client)
      #expect(letter.string("reason") == "crash_loop", "\(letter.text)")
      #expect(letter.text.contains(#""failures":0,"expiries":1,"interruptions":0,"max_expiries":1"#), "\(letter.text)")
    }
  }

  @Test("more expiries than a number holds, or fewer than none, are refused")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      for (path, method, body) in [
        ("/jobs", "POST", #"{"payload":1,"max_expiries":1001}"#),
        ("/jobs", "POST", #"{"payload":1,"max_expiries":-1}"#),
        ("/queues/q", "PATCH", #"{"max_expiries":0}"#),
      ] {
        let reply = try await daemon.send(method, path, daemon.admin, body)
        #expect(reply.status == 422 && reply.text.contains(#""field":"max_expiries""#), "\(body): \(reply.text)")
      }
    }
  }
}
