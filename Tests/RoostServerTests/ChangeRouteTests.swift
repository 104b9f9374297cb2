import Foundation
import RoostServer
import Testing

/// What can be changed of a job that waits.
@Suite("Changing jobs")
struct ChangeRouteTests {
  private func submit(_ daemon: TestDaemon, _ fields: String = "") async throws -> String {
    let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1\#(fields)}"#)
    return try #require(made.string("job_id"), "\(made.text)")
  }

  private func lease(_ daemon: TestDaemon, _ queue: String = "default") async throws -> Reply {
    try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["\#(queue)"]}"#)
  }

  @Test("another priority puts a job before others, another time puts it off or makes it READY, another queue moves it")
  func changes() async throws {
    try await TestDaemon.run { daemon in
      let (first, second) = (try await submit(daemon), try await submit(daemon))
      let raised = try await daemon.send("PATCH", "/jobs/\(second)", daemon.client, #"{"priority":"high"}"#)
      #expect(raised.status == 200 && raised.json["priority"] as? Int == 10, "\(raised.text)")
      #expect(try await lease(daemon).string("job_id") == second)
      let off = try await daemon.send("PATCH", "/jobs/\(first)", daemon.client, #"{"delay":"1h","max_retries":9}"#)
      #expect(off.string("state") == "SCHEDULED" && off.json["max_retries"] as? Int == 9, "\(off.text)")
      #expect(try await lease(daemon).status == 404)
      let moved = try await daemon.send("PATCH", "/jobs/\(first)", daemon.client, #"{"queue":"other"}"#)
      #expect(moved.string("queue") == "other" && moved.string("source") == "default", "\(moved.text)")
      #expect(moved.string("state") == "SCHEDULED" && moved.string("run_at") == off.string("run_at"), "\(moved.text)")
      let now = try await daemon.send("PATCH", "/jobs/\(first)", daemon.client, #"{"delay":"0s"}"#)
      #expect(now.string("state") == "READY", "\(now.text)")
      #expect(try await lease(daemon, "other").string("job_id") == first)
    }
  }

  @Test("another payload, other tags and another group are what its worker gets; its history and its keys stay")
  func rewrites() async throws {
    try await TestDaemon.run { daemon in
      let job = try await submit(
        daemon, #","idempotency_key":"k","tags":["a"],"group":"g","unique":{"key":"u"},"metadata":{"m":"1"}"#)
      let held = try await lease(daemon)
      _ = try await daemon.send(
        "POST", "/jobs/\(job)/release", daemon.worker, #"{"lease_id":"\#(try #require(held.string("lease_id")))"}"#)
      let body = #"{"payload":{"n":2},"tags":["b","c"],"group":"h","priority":7}"#
      let changed = try await daemon.send("PATCH", "/jobs/\(job)", daemon.client, body)
      #expect(changed.status == 200 && changed.string("group") == "h", "\(changed.text)")
      let again = try await lease(daemon)
      #expect(again.text.contains(#""payload":{"n":2}"#) && again.text.contains(#""tags":["b","c"]"#), "\(again.text)")
      #expect(again.text.contains(#""metadata":{"m":"1"}"#) && again.json["priority"] as? Int == 7, "\(again.text)")
      _ = try await daemon.send(
        "POST", "/jobs/\(job)/release", daemon.worker, #"{"lease_id":"\#(try #require(again.string("lease_id")))"}"#)
      let taken = try await daemon.send(
        "PATCH", "/jobs/\(job)", daemon.client, #"{"tags":null,"group":null,"payload":null}"#)
      #expect(taken.json["tags"] == nil && taken.json["group"] == nil, "\(taken.text)")
      let read = try await daemon.send("GET", "/jobs/\(job)?payload=true", daemon.client)
      #expect(read.text.contains(#""payload":null"#), "\(read.text)")
      let history = try await daemon.send("GET", "/jobs/\(job)/history", daemon.client)
      #expect(history.text.components(separatedBy: #""outcome":"released""#).count == 3, "\(history.text)")
      let same = #"{"payload":1,"idempotency_key":"k","tags":["a"],"group":"g","unique":{"key":"u"}}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, same).json["idempotent"] as? Bool == true)
    }
  }

  @Test("a job that waits is put among the dead letters, with what was said; one that runs is not")
  func buried() async throws {
    try await TestDaemon.run { daemon in
      let job = try await submit(daemon)
      let buried = try await daemon.send("POST", "/jobs/\(job)/dlq", daemon.client, #"{"reason":"gone"}"#)
      #expect(buried.status == 200 && buried.string("state") == "DEAD", "\(buried.text)")
      let letter = try await daemon.send("GET", "/dlq/\(job)", daemon.client)
      #expect(letter.string("reason") == "buried" && letter.string("last_error") == "gone", "\(letter.text)")
      let history = try await daemon.send("GET", "/jobs/\(job)/history", daemon.client)
      #expect(history.text.contains(#""outcome":"buried""#) && history.text.contains(#""reason":"gone""#))
      #expect(try await daemon.send("POST", "/jobs/\(job)/dlq", daemon.client).status == 409)
      _ = try await daemon.send("POST", "/jobs/\(job)/retry", daemon.client)
      #expect(try await lease(daemon).string("job_id") == job)
      #expect(try await daemon.send("POST", "/jobs/\(job)/dlq", daemon.client).code == "wrong_state")
    }
  }

  @Test("a job that runs or has ended is refused, and so is what no submit may say; nothing is changed then")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let job = try await submit(daemon)
      let bad = [
        (#"{"priority":"urgent"}"#, 422, "priority"), (#"{"max_retries":-1}"#, 422, "max_retries"),
        (#"{"delay":"1h","run_at":"2099-01-01T00:00:00Z"}"#, 422, "run_at"), (#"{"queue":"a b"}"#, 422, "queue"),
        (#"{"run_at":"2101-01-01T00:00:00Z"}"#, 422, "run_at"), (#"{"type":"t"}"#, 400, "type"),
        (#"{"group":"_own"}"#, 422, "group"), (#"{"tags":[""]}"#, 422, "tags[0]"),
      ]
      for (body, status, field) in bad {
        let reply = try await daemon.send("PATCH", "/jobs/\(job)", daemon.client, body)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)\""), "\(body): \(reply.text)")
      }
      let same = try await daemon.send("PATCH", "/jobs/\(job)", daemon.client, #"{"priority":null}"#)
      #expect(same.string("state") == "READY" && same.json["priority"] as? Int == 0, "\(same.text)")
      #expect(try await lease(daemon).string("job_id") == job)
      let running = try await daemon.send("PATCH", "/jobs/\(job)", daemon.client, #"{"priority":1}"#)
      #expect(running.status == 409 && running.code == "wrong_state", "\(running.text)")
    }
  }
}
