import Foundation
import RoostServer
import Testing

/// Jobs of which there may be one at a time, over HTTP.
@Suite("Unique jobs, over HTTP")
struct UniqueRouteTests {
  private func submit(_ daemon: TestDaemon, _ fields: String, payload: String = "1") async throws -> Reply {
    try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":\#(payload),\#(fields)}"#)
  }

  @Test("the job that is there is answered, in whatever queue; or the submit is refused and names it")
  func conflicts() async throws {
    try await TestDaemon.run { daemon in
      let key = #""unique":{"key":"k"}"#
      let first = try await submit(daemon, #""queue":"a",\#(key)"#)
      #expect(first.status == 201, "\(first.text)")
      let again = try await submit(daemon, #""queue":"b",\#(key)"#)
      #expect(again.status == 200 && again.json["duplicate"] as? Bool == true, "\(again.text)")
      #expect(again.string("job_id") == first.string("job_id") && again.string("queue") == "a", "\(again.text)")
      let refused = try await submit(daemon, #""unique":{"key":"k","on_conflict":"reject"}"#)
      #expect(refused.status == 409 && refused.code == "not_unique", "\(refused.text)")
      #expect(refused.text.contains(try #require(first.string("job_id"))))
      let batch = #"{"jobs":[{"payload":1,"unique":{"key":"z"}},{"payload":1,"unique":{"key":"z"}}]}"#
      let items = try await daemon.send("POST", "/jobs/batch", daemon.client, batch)
      #expect(items.text.components(separatedBy: #""duplicate":true"#).count == 2, "\(items.text)")
      let other = try await daemon.send("POST", "/jobs", daemon.admin, #"{"payload":1,\#(key)}"#)
      #expect(other.status == 201, "another owner's: \(other.text)")
    }
  }

  @Test("jobs are alike whose payloads mean the same; what does not count may differ")
  func parts() async throws {
    try await TestDaemon.run { daemon in
      let by = #""type":"t","unique":{"by":["type","payload"]}"#
      let first = try await submit(daemon, by, payload: #"{"a":1,"b":2}"#)
      let same = try await submit(daemon, #""queue":"q",\#(by)"#, payload: #"{ "b": 2.0, "a": 1 }"#)
      #expect(same.status == 200 && same.string("job_id") == first.string("job_id"), "\(same.text)")
      #expect(try await submit(daemon, by, payload: #"{"a":1,"b":3}"#).status == 201)
      #expect(try await submit(daemon, #""unique":{"by":["payload"]}"#, payload: #"{"a":1,"b":2}"#).status == 201)
      let job = try await daemon.send("GET", "/jobs/\(try #require(first.string("job_id")))", daemon.client)
      #expect(job.text.contains(#""unique":{"by":["type","payload"],"until":"ended","on_conflict":"existing"}"#))
    }
  }

  @Test("a job that replaces another tells so; a replay of one whose key another holds is refused")
  func replaces() async throws {
    try await TestDaemon.run { daemon in
      let wish = #""delay":"1h","unique":{"key":"k","on_conflict":"replace","max_wait":"2h"}"#
      let first = try #require(try await submit(daemon, wish).string("job_id"))
      let second = try await submit(daemon, wish)
      #expect(second.status == 201, "\(second.text)")
      let gone = try await daemon.send("GET", "/jobs/\(first)", daemon.client)
      #expect(gone.string("state") == "CANCELLED" && gone.string("cancel_reason") == "replaced", "\(gone.text)")
      let retried = try await daemon.send("POST", "/jobs/\(first)/retry", daemon.client)
      #expect(retried.status == 409 && retried.code == "not_unique", "\(retried.text)")
      #expect(retried.text.contains(try #require(second.string("job_id"))))
    }
  }

  @Test("an instant whose job is not unique is missed, and a trigger is refused")
  func schedules() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      let unique = #""unique":{"key":"nightly"}"#
      _ = try await submit(daemon, unique)
      let schedule = #"{"every":"1m","job":{"payload":1,\#(unique)}}"#
      let made = try await daemon.send("PUT", "/schedules/s", daemon.client, schedule)
      #expect(made.status == 201, "\(made.text)")
      let trigger = try await daemon.send("POST", "/schedules/s/trigger", daemon.client)
      #expect(trigger.status == 409 && trigger.code == "not_unique", "\(trigger.text)")
      clock.pass(.seconds(60))
      try await until("the instant is missed") {
        let text = try await daemon.send("GET", "/schedules/s", daemon.client).text
        return text.contains(#""misses":{"not_unique":1}"#)
      }
    }
  }

  @Test("what says nothing, or contradicts itself, is refused by name")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let bad = [
        ("{}", 422, "unique"), (#"{"key":"k","by":["type"]}"#, 422, "unique"), (#"{"by":[]}"#, 422, "unique.by"),
        (#"{"by":["owner"]}"#, 422, "unique.by"), (#"{"key":""}"#, 422, "unique.key"),
        (#"{"key":"k","until":"never"}"#, 422, "unique.until"), (#"{"key":"k","until":{}}"#, 400, "unique.until.for"),
        (#"{"key":"k","until":{"for":"31d"}}"#, 422, "unique.until.for"),
        (#"{"key":"k","on_conflict":"ignore"}"#, 422, "unique.on_conflict"),
        (#"{"key":"k","max_wait":"1m"}"#, 422, "unique.max_wait"), (#"{"key":"k","kye":1}"#, 400, "unique.kye"),
      ]
      for (unique, status, field) in bad {
        let reply = try await submit(daemon, #""unique":\#(unique)"#)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)\""), "\(unique): \(reply.text)")
      }
      _ = try await daemon.send("PATCH", "/queues/line", daemon.admin, #"{"groups":{"ordered":"strict"}}"#)
      let inOrder = try await submit(daemon, #""queue":"line","unique":{"key":"k","on_conflict":"replace"}"#)
      #expect(inOrder.status == 422 && inOrder.text.contains("unique.on_conflict"), "\(inOrder.text)")
    }
  }
}
