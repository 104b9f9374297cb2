import Foundation
import RoostServer
import Testing

/// Jobs that say before when they must begin.
@Suite("Jobs that expire, over HTTP")
struct ExpiryRouteTests {
  @Test("job and lease show expires_at; what is too late is a dead letter with the reason, or cancelled with it")
  func shown() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      func submit(_ fields: String) async throws -> String {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1\#(fields)}"#)
        return try #require(made.string("job_id"), "\(made.text)")
      }
      let leased = try await submit(#","queue":"a","expires_at":"2099-01-01T00:00:00Z""#)
      let grant = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["a"]}"#)
      #expect(
        grant.string("job_id") == leased && grant.string("expires_at") == "2099-01-01T00:00:00.000Z", "\(grant.text)")
      let dead = try await submit(#","expires_in":"10s""#)
      let cancelled = try await submit(#","expires_in":"10s","on_expire":"cancel""#)
      #expect(try await daemon.send("GET", "/jobs/\(dead)", daemon.client).string("expires_at") != nil)
      clock.pass(.seconds(11))
      let ended = try await daemon.send("GET", "/jobs/\(dead)?wait=30s", daemon.client)
      #expect(ended.string("state") == "DEAD", "\(ended.text)")
      let letter = try await daemon.send("GET", "/dlq/\(dead)", daemon.client)
      #expect(letter.string("reason") == "expired" && letter.string("last_error")?.hasPrefix("expired: ") == true)
      let history = try await daemon.send("GET", "/jobs/\(dead)/history", daemon.client)
      #expect(history.text.contains(#""outcome":"too_late""#), "\(history.text)")
      let called = try await daemon.send("GET", "/jobs/\(cancelled)?wait=30s", daemon.client)
      #expect(called.string("state") == "CANCELLED" && called.string("cancel_reason") == "expired", "\(called.text)")
    }
  }

  @Test(
    "fields that contradict each other, or say nothing, are refused by name; a schedule's job has no instant of its own"
  )
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let bad = [
        (#""expires_in":"1h","expires_at":"2099-01-01T00:00:00Z""#, "expires_in"),
        (#""on_expire":"cancel""#, "on_expire"),
        (#""expires_in":"1h","on_expire":"bury""#, "on_expire"), (#""expires_in":"0s""#, "expires_in"),
        (#""expires_at":"2101-01-01T00:00:00Z""#, "expires_at"),
      ]
      for (fields, name) in bad {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,\#(fields)}"#)
        #expect(reply.status == 422 && reply.text.contains("\"field\":\"\(name)\""), "\(fields): \(reply.text)")
      }
      let schedule = #"{"every":"1h","job":{"payload":1,"expires_at":"2099-01-01T00:00:00Z"}}"#
      let reply = try await daemon.send("PUT", "/schedules/s", daemon.client, schedule)
      #expect(reply.status == 422 && reply.text.contains("job.expires_at"), "\(reply.text)")
    }
  }

  @Test("an idempotency key tells what was said of it apart")
  func keyed() async throws {
    try await TestDaemon.run { daemon in
      let job = #"{"payload":1,"idempotency_key":"k","expires_in":"1h"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, job).status == 201)
      #expect(try await daemon.send("POST", "/jobs", daemon.client, job).status == 200)
      let other = try await daemon.send(
        "POST", "/jobs", daemon.client, job.replacingOccurrences(of: "1h", with: "2h"))
      #expect(other.status == 409 && other.text.contains(#""fields":["expires"]"#), "\(other.text)")
    }
  }
}
