import Foundation
import RoostServer
import Testing

/// Jobs that wait for others, as clients see them.
@Suite("Jobs that wait for others")
struct GraphRouteTests {
  private func submit(
    _ daemon: TestDaemon, after others: [String] = [], _ fields: String = ""
  ) async throws -> String {
    let names = others.map { "\"\($0)\"" }.joined(separator: ",")
    let waits = others.isEmpty ? "" : #","depends_on":[\#(names)]"#
    let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1\#(waits)\#(fields)}"#)
    #expect(made.status == 201, "\(made.text)")
    return try #require(made.string("job_id"), "\(made.text)")
  }

  private func state(_ daemon: TestDaemon, _ job: String) async throws -> String? {
    try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("state")
  }

  /// Leases the next job and ends its attempt.
  private func finish(_ daemon: TestDaemon, _ verb: String = "ack", _ fields: String = "") async throws -> String {
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"wait":"10s"}"#)
    let (job, lease) = (
      try #require(leased.string("job_id"), "\(leased.text)"), try #require(leased.string("lease_id"))
    )
    let ended = try await daemon.send(
      "POST", "/jobs/\(job)/\(verb)", daemon.worker, #"{"lease_id":"\#(lease)"\#(fields)}"#)
    #expect(ended.status == 200, "\(ended.text)")
    return job
  }

  private func fail(_ daemon: TestDaemon) async throws -> String {
    try await finish(daemon, "fail", #","error":"e","retryable":false"#)
  }

  @Test("a job is BLOCKED until all that it waits for are ACKED, counts as waiting, and says what it waits for")
  func blocked() async throws {
    try await TestDaemon.run { daemon in
      let (a, b) = (try await submit(daemon), try await submit(daemon))
      let last = try await submit(daemon, after: [a, b, a])
      let read = try await daemon.send("GET", "/jobs/\(last)", daemon.client)
      #expect(read.string("state") == "BLOCKED" && read.json["depends_on"] as? [String] == [a, b], "\(read.text)")
      #expect(read.string("on_dead") == "cancel" && read.string("when") == "acked", "\(read.text)")
      let queue = try await daemon.send("GET", "/queues/default", daemon.client)
      #expect((queue.json["counts"] as? [String: Any])?["BLOCKED"] as? Int == 1, "\(queue.text)")
      #expect(try await daemon.send("POST", "/jobs/\(last)/retry", daemon.client).code == "wrong_state")
      #expect(try await finish(daemon) == a)
      #expect(try await state(daemon, last) == "BLOCKED")
      #expect(try await daemon.send("DELETE", "/jobs/\(a)", daemon.client).code == "has_dependents")
      #expect(try await finish(daemon) == b)
      #expect(try await finish(daemon) == last)
      #expect(try await daemon.send("DELETE", "/jobs/\(a)", daemon.client).status == 200)
      let late = try await submit(daemon, after: [b])
      #expect(try await state(daemon, late) == "READY")
    }
  }

  @Test("a delay begins when a job is unblocked; a BLOCKED job can be changed, moved and cancelled")
  func changed() async throws {
    try await TestDaemon.run { daemon in
      let first = try await submit(daemon)
      let later = try await submit(daemon, after: [first], #","delay":"1h""#)
      let gone = try await submit(daemon, after: [first])
      let other = try await submit(daemon, after: [first])
      let moved = try await daemon.send("PATCH", "/jobs/\(other)", daemon.client, #"{"queue":"else","priority":7}"#)
      #expect(moved.string("state") == "BLOCKED" && moved.string("queue") == "else", "\(moved.text)")
      #expect(
        try await daemon.send("POST", "/jobs/\(gone)/cancel", daemon.client).string("state") == "CANCELLED")
      #expect(try await finish(daemon) == first)
      let job = try await daemon.send("GET", "/jobs/\(later)?wait=0s", daemon.client)
      #expect(job.string("state") == "SCHEDULED" && job.string("run_at") != nil, "\(job.text)")
      #expect(try await state(daemon, other) == "READY")
    }
  }

  @Test(
    "a job that dies cancels those that wait for it, and theirs; or lets them run; or they are held until somebody says so"
  )
  func dead() async throws {
    try await TestDaemon.run { daemon in
      let first = try await submit(daemon, after: [], #","max_retries":0"#)
      let child = try await submit(daemon, after: [first])
      let grandchild = try await submit(daemon, after: [child])
      let held = try await submit(daemon, after: [first], #","on_dead":"hold""#)
      #expect(try await daemon.send("POST", "/jobs/\(held)/unblock", daemon.client).code == "wrong_state")
      let runs = try await submit(daemon, after: [first], #","on_dead":"run""#)
      let ended = try await submit(daemon, after: [first], #","when":"ended""#)
      #expect(try await fail(daemon) == first)
      for job in [child, grandchild] {
        let read = try await daemon.send("GET", "/jobs/\(job)?wait=10s", daemon.client)
        #expect(read.string("state") == "CANCELLED", "\(read.text)")
        #expect(read.string("cancel_reason") == "dependency_failed", "\(read.text)")
      }
      #expect(try await Set([finish(daemon), finish(daemon)]) == [runs, ended])
      #expect(try await state(daemon, held) == "BLOCKED")
      let unblocked = try await daemon.send("POST", "/jobs/\(held)/unblock", daemon.client)
      #expect(unblocked.status == 200 && unblocked.string("state") == "READY", "\(unblocked.text)")
      #expect(try await finish(daemon) == held)
    }
  }

  @Test("a held job runs once the job that died is replayed and ACKED")
  func replayed() async throws {
    try await TestDaemon.run { daemon in
      let first = try await submit(daemon)
      let held = try await submit(daemon, after: [first], #","on_dead":"hold""#)
      #expect(try await fail(daemon) == first)
      #expect(try await daemon.send("POST", "/jobs/\(first)/retry", daemon.client).status == 200)
      #expect(try await finish(daemon) == first)
      #expect(try await finish(daemon) == held)
    }
  }

  @Test("jobs that are not there, have left, or are another owner's cannot be waited for, and nothing is submitted")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let keyed = try await submit(daemon, after: [], #","idempotency_key":"k""#)
      #expect(try await finish(daemon) == keyed)
      let plain = try await submit(daemon)
      #expect(try await finish(daemon) == plain)
      for job in [keyed, plain] {
        #expect(try await daemon.send("DELETE", "/jobs/\(job)", daemon.client).status == 200)
      }
      // Its key still says that it was ACKED.
      let after = try await submit(daemon, after: [keyed])
      #expect(try await state(daemon, after) == "READY")
      let foreign = try await daemon.send("POST", "/jobs", daemon.admin, #"{"payload":1}"#)
      let other = try #require(foreign.string("job_id"))
      let names = [plain, other, "x", "019a5f0e-7c11-8000-8000-00057e1b62f3", "00000000-0000-0000-0000-000000000000"]
      for name in names {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"depends_on":["\#(name)"]}"#)
        #expect(reply.status == 422 && reply.code == "dependency_not_found", "\(name): \(reply.text)")
        #expect(missing(reply.json) == name, "\(reply.text)")
        // An item of a batch that is no graph, and one of a graph.
        let item = #"{"payload":1,"depends_on":["\#(name)"]}"#
        let items = try await batch(daemon, item).results
        #expect(missing(items.first ?? [:]) == name, "\(items)")
        let graph = try await batch(daemon, #"{"payload":1,"ref":"a"},\#(item)"#)
        #expect(missing(graph.json) == name && graph.code == "dependency_not_found", "\(graph.text)")
      }
      // Of several it is not known which.
      let two = #"{"payload":1,"depends_on":["\#(after)","\#(plain)"]}"#
      let several = try await daemon.send("POST", "/jobs", daemon.client, two)
      #expect(several.code == "dependency_not_found" && missing(several.json) == nil, "\(several.text)")
      let bad = [
        (#""on_dead":"run""#, 422, "on_dead"), (#""when":"ended""#, 422, "when"),
        (#""depends_on":["\#(after)"],"on_dead":"stop""#, 422, "on_dead"),
        (#""depends_on":["\#(after)"],"when":"dead""#, 422, "when"), (#""depends_on":7"#, 400, "depends_on"),
        (#""depends_on":["\#(after)"],"unique":{"key":"u","on_conflict":"replace"}"#, 422, "unique.on_conflict"),
        (
          #""depends_on":[\#(Array(repeating: "\"\(after)\"", count: 1_001).joined(separator: ","))]"#, 422,
          "depends_on"
        ),
      ]
      for (fields, status, field) in bad {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,\#(fields)}"#)
        #expect(reply.status == status && reply.text.contains("\"field\":\"\(field)"), "\(fields): \(reply.text)")
      }
      let list = try await daemon.send("GET", "/jobs", daemon.client)
      #expect((list.json["items"] as? [Any])?.count == 1, "\(list.text)")
    }
  }

  /// The job that a refusal names.
  private func missing(_ answer: [String: Any]) -> String? {
    (answer["details"] as? [String: Any])?["job_id"] as? String
  }

  private func batch(_ daemon: TestDaemon, _ jobs: String) async throws -> Reply {
    try await daemon.send("POST", "/jobs/batch", daemon.client, #"{"jobs":[\#(jobs)]}"#)
  }

  @Test("jobs of one batch wait for each other by their names, in whatever order they stand, and are read as a graph")
  func graph() async throws {
    try await TestDaemon.run { daemon in
      let made = try await batch(
        daemon,
        ##"{"payload":"sum","ref":"sum","depends_on":["#a","#b"]},{"payload":1,"ref":"a"},{"payload":2,"ref":"b"},"##
          + ##"{"payload":"end","depends_on":["#sum"],"on_dead":"run"}"##)
      #expect(made.status == 200, "\(made.text)")
      let ids = made.results.map { $0["job_id"] as? String ?? "" }
      #expect(made.results.map { $0["state"] as? String } == ["BLOCKED", "READY", "READY", "BLOCKED"], "\(made.text)")
      let read = try await daemon.send("GET", "/jobs/\(ids[1])/graph", daemon.client)
      let jobs = try #require(read.json["jobs"] as? [[String: Any]], "\(read.text)")
      #expect(jobs.map { $0["job_id"] as? String } == [ids[1], ids[0], ids[2], ids[3]], "\(read.text)")
      #expect(jobs[1]["depends_on"] as? [String] == [ids[1], ids[2]] && read.json["truncated"] as? Bool == false)
      for wanted in [ids[1], ids[2], ids[0], ids[3]] { #expect(try await finish(daemon) == wanted) }
    }
  }

  @Test("one refusal refuses the whole graph: nothing is submitted, and the answer says which job it was")
  func atomic() async throws {
    try await TestDaemon.run { daemon in
      _ = try await submit(daemon, after: [], #","queue":"q","idempotency_key":"k""#)
      let set = try await daemon.send(
        "PATCH", "/queues/full", daemon.admin, #"{"max_length":1,"on_full":"drop_oldest"}"#)
      #expect(set.status == 200, "\(set.text)")
      let first = #"{"payload":1,"ref":"a"}"#
      let bad: [(String, Int, String)] = [
        (##"\##(first),{"payload":2,"depends_on":["#b"]}"##, 422, "out_of_range"),
        (
          ##"{"payload":1,"ref":"a","depends_on":["#b"]},{"payload":2,"ref":"b","depends_on":["#a"]}"##, 422,
          "contradiction"
        ),
        (#"\#(first),{"payload":2,"ref":"a"}"#, 422, "contradiction"),
        (#"\#(first),{"payload":2,"nope":1}"#, 400, "unknown_field"),
        (#"\#(first),{"payload":2,"queue":"q","idempotency_key":"k"}"#, 409, "idempotency_conflict"),
        (#"\#(first),{"payload":2,"queue":"full"},{"payload":3,"queue":"full"}"#, 429, "queue_full"),
        (
          #"\#(first),{"payload":2,"depends_on":["019a5f0e-7c11-8000-8000-00057e1b62f3"]}"#, 422, "dependency_not_found"
        ),
        // It has not the form of a job's id, and is not the second job of the batch.
        (
          ##"\##(first),{"payload":2},{"payload":3,"depends_on":["00000000-0000-0001-0000-000000000001","#a"]}"##, 422,
          "dependency_not_found"
        ),
        (
          #"\#(first),{"payload":1,"idempotency_key":"n"},{"payload":2,"idempotency_key":"n"}"#, 409,
          "idempotency_conflict"
        ),
        (#"\#(first),{"payload":1,"unique":{"key":"u"}}"#, 422, "contradiction"),
      ]
      for (jobs, status, code) in bad {
        let refused = try await batch(daemon, jobs)
        #expect(refused.status == status && refused.code == code, "\(jobs): \(refused.text)")
      }
      let list = try await daemon.send("GET", "/jobs", daemon.client)
      #expect((list.json["items"] as? [Any])?.count == 1, "\(list.text)")
      #expect(try await daemon.send("POST", "/jobs", daemon.client, first).code == "unknown_field")
    }
  }

  @Test("an owner's quota counts all jobs of a graph: it is taken whole, or refused whole")
  func quota() async throws {
    try await TestDaemon.run { daemon in
      let set = try await daemon.send("PUT", "/admin/owners/alice/quota", daemon.admin, #"{"waiting_jobs":2}"#)
      #expect(set.status == 200, "\(set.text)")
      let jobs = ##"{"payload":1,"ref":"a"},{"payload":2,"depends_on":["#a"]}"##
      let refused = try await batch(daemon, #"{"payload":3},"# + jobs)
      #expect(refused.status == 429 && refused.code == "quota_exceeded", "\(refused.text)")
      #expect((refused.json["details"] as? [String: Any])?["index"] as? String == "2", "\(refused.text)")
      #expect(try await batch(daemon, jobs).status == 200)
      let one = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":3}"#)
      #expect(one.code == "quota_exceeded", "a BLOCKED job counts: \(one.text)")
    }
  }

  @Test("a graph whose jobs have keys can be sent again: the jobs that are there count, and a missing one is added")
  func again() async throws {
    try await TestDaemon.run { daemon in
      let parts = #"{"payload":1,"ref":"a","idempotency_key":"a"},{"payload":2,"ref":"b","idempotency_key":"b"}"#
      let once = try await batch(daemon, parts)
      let whole = parts + ##",{"payload":3,"depends_on":["#a","#b"],"idempotency_key":"c"}"##
      let (first, second) = (try await batch(daemon, whole), try await batch(daemon, whole))
      #expect(first.status == 200 && second.status == 200, "\(first.text) \(second.text)")
      let ids = first.results.map { $0["job_id"] as? String }
      #expect(ids.prefix(2) == once.results.map { $0["job_id"] as? String }[...], "\(first.text)")
      #expect(second.results.map { $0["job_id"] as? String } == ids)
      #expect(second.results.allSatisfy { $0["idempotent"] as? Bool == true }, "\(second.text)")
    }
  }

  @Test("a lease brings what became of the jobs that its job waited for: results that fit, the others by their ids")
  func results() async throws {
    try await TestDaemon.run { daemon in
      let jobs = [try await submit(daemon), try await submit(daemon), try await submit(daemon)]
      let last = try await submit(daemon, after: jobs, #","when":"ended""#)
      let large = String(repeating: "x", count: 700_000)
      _ = try await finish(daemon, "ack", #","result":"\#(large)""#)
      _ = try await finish(daemon, "ack", #","result":[1.0,2]"#)
      _ = try await fail(daemon)
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, "{}")
      #expect(leased.string("job_id") == last, "\(leased.text.prefix(300))")
      let outcomes = try #require(leased.json["dependencies"] as? [[String: Any]])
      #expect(outcomes.map { $0["job_id"] as? String } == jobs)
      #expect(outcomes.map { $0["state"] as? String } == ["ACKED", "ACKED", "DEAD"])
      #expect(outcomes[0]["result"] as? String == large && leased.text.contains(#""result":[1.0,2]"#))
      #expect(outcomes[2]["result"] == nil && outcomes[2]["result_omitted"] == nil)
    }
  }

  @Test("results beyond a mebibyte are left out of a lease, and kept until the job has ended")
  func largeResults() async throws {
    try await TestDaemon.run { daemon in
      let jobs = [
        try await submit(daemon, after: [], #","retention":"0s""#),
        try await submit(daemon, after: [], #","retention":"0s""#),
      ]
      let last = try await submit(daemon, after: jobs)
      for _ in jobs { _ = try await finish(daemon, "ack", #","result":"\#(String(repeating: "x", count: 600_000))""#) }
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, "{}")
      #expect(leased.string("job_id") == last)
      let outcomes = try #require(leased.json["dependencies"] as? [[String: Any]])
      #expect(outcomes.map { $0["result_omitted"] as? Bool } == [nil, true])
      #expect(try await daemon.send("GET", "/jobs/\(jobs[1])", daemon.client).text.contains("xxx"))
    }
  }
}
