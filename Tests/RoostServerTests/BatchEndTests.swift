import Foundation
import RoostServer
import Testing

/// Batches, as clients see them.
@Suite("Batches")
struct BatchEndTests {
  private func open(_ daemon: TestDaemon, _ fields: String = #""then":{"payload":"last"}"#) async throws -> String {
    let made = try await daemon.send("POST", "/batches", daemon.client, "{\(fields)}")
    #expect(made.status == 201 && made.string("state") == "open", "\(made.text)")
    return try #require(made.string("batch_id"), "\(made.text)")
  }

  private func submit(_ daemon: TestDaemon, _ batch: String, _ fields: String = "") async throws -> Reply {
    try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"batch":"\#(batch)"\#(fields)}"#)
  }

  private func change(_ daemon: TestDaemon, _ batch: String, _ verb: String) async throws -> Reply {
    try await daemon.send("POST", "/batches/\(batch)/\(verb)", daemon.client)
  }

  private func read(_ daemon: TestDaemon, _ batch: String) async throws -> Reply {
    try await daemon.send("GET", "/batches/\(batch)", daemon.client)
  }

  private func lease(_ daemon: TestDaemon) async throws -> (job: String, lease: String, reply: Reply) {
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"wait":"10s"}"#)
    return (try #require(leased.string("job_id"), "\(leased.text)"), try #require(leased.string("lease_id")), leased)
  }

  private func end(_ daemon: TestDaemon, _ verb: String = "ack", _ fields: String = "") async throws -> String {
    let (job, lease, _) = try await lease(daemon)
    let ended = try await daemon.send(
      "POST", "/jobs/\(job)/\(verb)", daemon.worker, #"{"lease_id":"\#(lease)"\#(fields)}"#)
    #expect(ended.status == 200, "\(ended.text)")
    return job
  }

  @Test("when a closed batch's jobs are ACKED its last job is made, once, whatever becomes of them later")
  func completes() async throws {
    try await TestDaemon.run { daemon in
      let batch = try await open(daemon)
      for _ in 0..<2 { #expect(try await submit(daemon, batch).status == 201) }
      let first = try await end(daemon)
      #expect(try await daemon.send("GET", "/jobs/\(first)", daemon.client).string("batch") == batch)
      #expect(try await change(daemon, batch, "close").string("state") == "closed")
      #expect(try await submit(daemon, batch).code == "batch_closed")
      _ = try await end(daemon)
      let (last, lease, leased) = try await lease(daemon)
      #expect(leased.string("payload") == "last", "\(leased.text)")
      let done = try await read(daemon, batch)
      #expect(done.string("state") == "completed" && done.string("then_job_id") == last, "\(done.text)")
      #expect((done.json["counts"] as? [String: Int])?["ACKED"] == 2, "\(done.text)")
      _ = try await daemon.send("POST", "/jobs/\(last)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      #expect(try await daemon.send("DELETE", "/jobs/\(first)", daemon.client).status == 200)
      #expect((try await read(daemon, batch).json["counts"] as? [String: Int])?["ACKED"] == 2)
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, "{}").status == 404)
    }
  }

  @Test("an empty batch is complete when it is closed, and one without a last job just is")
  func empty() async throws {
    try await TestDaemon.run { daemon in
      let batch = try await open(daemon)
      _ = try await change(daemon, batch, "close")
      _ = try await end(daemon)
      let bare = try await open(daemon, #""name":"n","when":"ended""#)
      _ = try await change(daemon, bare, "close")
      let done = try await read(daemon, bare)
      #expect(
        done.string("state") == "completed" && done.string("name") == "n" && done.json["has_then"] as? Bool == false)
      let list = try await daemon.send("GET", "/batches?limit=1", daemon.client)
      let items = try #require(list.json["items"] as? [[String: Any]], "\(list.text)")
      #expect(items.map { $0["batch_id"] as? String } == [bare], "\(list.text)")
      let next = try #require(list.string("next_cursor"))
      let rest = try await daemon.send("GET", "/batches?cursor=\(next)", daemon.client)
      #expect((rest.json["items"] as? [[String: Any]])?.map { $0["batch_id"] as? String } == [batch], "\(rest.text)")
    }
  }

  @Test("a job that dies stalls a batch until it is replayed and ACKED; with when: ended it does not")
  func stalled() async throws {
    try await TestDaemon.run { daemon in
      let batch = try await open(daemon)
      _ = try await submit(daemon, batch)
      _ = try await change(daemon, batch, "close")
      let dead = try await end(daemon, "fail", #","error":"e","retryable":false"#)
      #expect(try await read(daemon, batch).string("state") == "stalled")
      #expect(try await daemon.send("POST", "/jobs/\(dead)/retry", daemon.client).status == 200)
      #expect(try await end(daemon) == dead)
      #expect(try await end(daemon) == read(daemon, batch).string("then_job_id"))
      let lax = try await open(daemon, #""when":"ended","then":{"payload":2}"#)
      _ = try await submit(daemon, lax)
      _ = try await end(daemon, "fail", #","error":"e","retryable":false"#)
      _ = try await change(daemon, lax, "close")
      #expect(try await end(daemon) == read(daemon, lax).string("then_job_id"))
    }
  }

  @Test(
    "a RUNNING job of a closed batch adds to it with its lease; one that has ended, or is of another batch, does not")
  func running() async throws {
    try await TestDaemon.run { daemon in
      let batch = try await open(daemon)
      _ = try await submit(daemon, batch)
      _ = try await change(daemon, batch, "close")
      let (job, lease, _) = try await lease(daemon)
      #expect(try await submit(daemon, batch, #","lease_id":"1-ffff""#).code == "batch_closed")
      #expect(try await submit(daemon, batch, #","lease_id":"\#(lease)""#).status == 201)
      _ = try await daemon.send("POST", "/jobs/\(job)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      #expect(try await read(daemon, batch).string("state") == "closed")
      #expect(try await submit(daemon, batch, #","lease_id":"\#(lease)""#).code == "batch_closed")
      _ = try await end(daemon)
      #expect(try await end(daemon) == read(daemon, batch).string("then_job_id"))
    }
  }

  @Test("a batch that is cancelled cancels its jobs and makes none; a foreign one does not exist")
  func cancelled() async throws {
    try await TestDaemon.run { daemon in
      let batch = try await open(daemon)
      let job = try #require(try await submit(daemon, batch).string("job_id"))
      #expect(try await change(daemon, batch, "cancel").status == 200)
      let ended = try await daemon.send("GET", "/jobs/\(job)?wait=10s", daemon.client)
      #expect(
        ended.string("state") == "CANCELLED" && ended.string("cancel_reason") == "batch_cancelled", "\(ended.text)")
      let done = try await read(daemon, batch)
      #expect(done.string("state") == "cancelled" && done.string("then_job_id") == nil, "\(done.text)")
      let foreign = try await daemon.send("POST", "/batches", daemon.admin, "{}")
      let other = try #require(foreign.string("batch_id"), "\(foreign.text)")
      #expect(try await read(daemon, other).code == "batch_not_found")
      #expect(try await change(daemon, other, "close").code == "batch_not_found")
      #expect(try await submit(daemon, other).code == "out_of_range")
      #expect(try await daemon.send("GET", "/batches/\(batch)", daemon.admin).status == 200)
      let bad = [
        (#"{"then":{"payload":1,"run_at":"2099-01-01T00:00:00Z"}}"#, "then.run_at"),
        (#"{"then":{"payload":1,"idempotency_key":"k"}}"#, "then.idempotency_key"),
        (#"{"then":{"payload":1,"batch":"\#(batch)"}}"#, "then.batch"), (#"{"when":"x"}"#, "when"),
        (#"{"then":{"payload":1,"unique":{"key":"u"}}}"#, "then.unique"),
        (#"{"expires_in":"1ms"}"#, "expires_in"), (#"{"name":""}"#, "name"),
      ]
      for (body, field) in bad {
        let reply = try await daemon.send("POST", "/batches", daemon.client, body)
        #expect(reply.status == 422 && reply.text.contains("\"field\":\"\(field)\""), "\(body): \(reply.text)")
      }
    }
  }
}
