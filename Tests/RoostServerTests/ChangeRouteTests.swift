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

  @Test("a job that runs or has ended is refused, and so is what no submit may say; nothing is changed then")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let job = try await submit(daemon)
      let bad = [
        (#"{"priority":"urgent"}"#, 422, "priority"), (#"{"max_retries":-1}"#, 422, "max_retries"),
        (#"{"delay":"1h","run_at":"2099-01-01T00:00:00Z"}"#, 422, "run_at"), (#"{"queue":"a b"}"#, 422, "queue"),
        (#"{"run_at":"2101-01-01T00:00:00Z"}"#, 422, "run_at"), (#"{"payload":2}"#, 400, "payload"),
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
