import Foundation
import RoostEngine
import RoostServer
import Testing

/// Operations by what only the records of jobs tell, and at a pace, over HTTP.
@Suite("Operation filters")
struct OperationFilterTests {
  /// Waits until an operation is over.
  private func end(of begun: Reply, _ daemon: TestDaemon) async throws -> [String: Any] {
    let id = try #require(begun.string("operation_id"), "\(begun.text)")
    while true {
      let seen = try await daemon.send("GET", "/operations/\(id)", daemon.admin)
      guard ["running", "waiting"].contains(seen.string("state")) else { return seen.json }
      await Task.yield()
    }
  }

  private func begin(_ daemon: TestDaemon, _ body: String) async throws -> Reply {
    let begun = try await daemon.send("POST", "/operations", daemon.admin, body)
    #expect(begun.status == 202, "\(begun.text)")
    return begun
  }

  private func submit(_ daemon: TestDaemon, _ fields: String) async throws -> String {
    let made = try await daemon.send("POST", "/jobs", daemon.client, "{\"payload\":1,\(fields)}")
    return try #require(made.string("job_id"), "\(made.text)")
  }

  private func letter(_ daemon: TestDaemon, _ error: String, _ fields: String = "") async throws -> String {
    let id = try await submit(daemon, #""queue":"q","max_retries":0\#(fields)"#)
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
    let lease = try #require(leased.string("lease_id"))
    let body = #"{"error":"\#(error)","lease_id":"\#(lease)"}"#
    #expect(try await daemon.send("POST", "/jobs/\(id)/fail", daemon.worker, body).status == 200)
    return id
  }

  private func state(_ daemon: TestDaemon, _ job: String) async throws -> String? {
    try await daemon.send("GET", "/jobs/\(job)", daemon.client).string("state")
  }

  @Test("a replay by error and time of death begins those anew whose records say so, and tells what it read")
  func error() async throws {
    try await TestDaemon.run { daemon in
      let timedOut = try await letter(daemon, "upstream timed out after 30s")
      let refused = try await letter(daemon, "connection refused")
      let again = try await letter(daemon, "timed out", #","type":"b""#)
      let replay = #"{"action":"replay","queue":"q","error":"timed out","since":"1h","reason":"attempts_exhausted"}"#
      let ended = try await end(of: begin(daemon, replay), daemon)
      #expect(ended["done"] as? Int == 2 && ended["state"] as? String == "done", "\(ended)")
      #expect(ended["candidates"] as? Int == 3 && ended["examined"] as? Int == 3, "\(ended)")
      #expect(ended["error"] as? String == "timed out" && ended["reason"] as? String == "attempts_exhausted")
      #expect(try await state(daemon, timedOut) == "READY")
      #expect(try await state(daemon, again) == "READY")
      #expect(try await state(daemon, refused) == "DEAD")
      let past = #"{"action":"replay","queue":"q","until":"1h"}"#
      let none = try await end(of: begin(daemon, past), daemon)
      #expect(none["done"] as? Int == 0 && none["matched"] as? Int == 0, "\(none)")
    }
  }

  @Test("a purge by tag and a move by metadata leave other jobs where they are")
  func tags() async throws {
    try await TestDaemon.run { daemon in
      let old = try await submit(daemon, #""queue":"q","tags":["old"]"#)
      let kept = try await submit(daemon, #""queue":"q","tags":["new"],"metadata":{"tier":"gold"}"#)
      let other = try await submit(daemon, #""queue":"q","metadata":{"tier":"lead"}"#)
      let purge = try await daemon.send("POST", "/queues/q/purge", daemon.admin, #"{"tag":"old"}"#)
      let purged = try await end(of: purge, daemon)
      #expect(purged["done"] as? Int == 1 && purged["tag"] as? String == "old", "\(purged)")
      let move = try await daemon.send("POST", "/queues/q/move", daemon.admin, #"{"to":"r","metadata":"tier=gold"}"#)
      let moved = try await end(of: move, daemon)
      #expect(moved["done"] as? Int == 1 && moved["metadata"] as? String == "tier=gold", "\(moved)")
      #expect(try await state(daemon, old) == "CANCELLED")
      let queues = try await [kept, other].asyncMap {
        try await daemon.send("GET", "/jobs/\($0)", daemon.client).string("queue")
      }
      #expect(queues == ["r", "q"])
    }
  }

  @Test("a count that needs the records of jobs is an operation; it shows the first ten and changes nothing")
  func count() async throws {
    try await TestDaemon.run { daemon in
      var jobs: [String] = []
      for _ in 0..<11 { jobs.append(try await submit(daemon, #""queue":"q","tags":["a"]"#)) }
      _ = try await submit(daemon, #""queue":"q""#)
      let counted = try await end(
        of: begin(daemon, #"{"action":"cancel","queue":"q","tag":"a","dry_run":true}"#), daemon)
      #expect(counted["matches"] as? Int == 11 && counted["done"] as? Int == 0, "\(counted)")
      #expect(counted["first"] as? [String] == Array(jobs.reversed().prefix(10)), "\(counted)")
      #expect(try await state(daemon, jobs[0]) == "READY")
      let lines = try daemon.auditLines().filter { $0["event"] == "operation.begin" }
      #expect(lines.last?["dry_run"] == "true")
    }
  }

  @Test("more jobs than one look takes are judged piece after piece, each once")
  func pieces() async throws {
    try await TestDaemon.run { daemon in
      let items = (0..<700).map { #"{"payload":1,"queue":"q","tags":["\#($0 % 2 == 0 ? "even" : "odd")"]}"# }
      let batch = #"{"jobs":[\#(items.joined(separator: ","))]}"#
      #expect(try await daemon.send("POST", "/jobs/batch", daemon.client, batch).status == 200)
      let some = #"{"action":"cancel","queue":"q","tag":"even","limit":300}"#
      let limited = try await end(of: begin(daemon, some), daemon)
      #expect(limited["done"] as? Int == 300, "\(limited)")
      let rest = try await end(of: begin(daemon, #"{"action":"cancel","queue":"q","tag":"even"}"#), daemon)
      #expect(rest["done"] as? Int == 50 && rest["examined"] as? Int == 400, "\(rest)")
      let counts = try await daemon.send("GET", "/queues/q", daemon.client).json["counts"] as? [String: Int]
      #expect(counts?["READY"] == 350 && counts?["CANCELLED"] == 350, "\(counts ?? [:])")
    }
  }

  @Test("an operation with a rate goes on as its clock does, and stops where it is")
  func rate() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      for _ in 0..<5 { _ = try await submit(daemon, #""queue":"q""#) }
      let begun = try await begin(daemon, #"{"action":"cancel","queue":"q","rate":1}"#)
      let path = "/operations/\(try #require(begun.string("operation_id")))"
      #expect((begun.json["rate"] as? [String: Any])?["per"] as? String == "1s" && begun.json["matched"] as? Int == 5)
      func done() async throws -> Int? {
        _ = try await daemon.engine.catchUp()
        return try await daemon.send("GET", path, daemon.admin).json["done"] as? Int
      }
      try await until("the first job is cancelled") { try await done() == 1 }
      #expect(try await done() == 1)
      try await until("the second job is cancelled") {
        clock.pass(.milliseconds(100))
        return try await done() == 2
      }
      let stopped = try await daemon.send("DELETE", path, daemon.admin)
      #expect(stopped.string("state") == "stopped" && stopped.json["done"] as? Int == 2)
    }
  }

  @Test("what is replayed with a delay is due that much later")
  func delay() async throws {
    try await TestDaemon.run { daemon in
      let id = try await letter(daemon, "x")
      let ended = try await end(of: begin(daemon, #"{"action":"replay","queue":"q","delay":"1h"}"#), daemon)
      #expect(ended["done"] as? Int == 1 && ended["delay"] as? String == "1h", "\(ended)")
      let job = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
      #expect(job.string("state") == "SCHEDULED" && job.string("run_at") != nil, "\(job.text)")
    }
  }

  @Test("what an operation cannot be told is refused, with the field")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      for (body, field) in [
        (#"{"action":"cancel","delay":"1m"}"#, "delay"), (#"{"action":"cancel","rate":0}"#, "rate"),
        (#"{"action":"cancel","rate":{"limit":5}}"#, "rate.per"),
        (#"{"action":"cancel","rate":{"limit":5,"per":"2d"}}"#, "rate.per"),
        (#"{"action":"cancel","rate":{"per":"1s"}}"#, "rate.limit"),
        (#"{"action":"cancel","since":"yesterday"}"#, "since"), (#"{"action":"cancel","until":"x"}"#, "until"),
        (#"{"action":"cancel","reason":"expired"}"#, "reason"),
        (#"{"action":"replay","reason":"boredom"}"#, "reason"), (#"{"action":"replay","shape":"xyz"}"#, "shape"),
        (#"{"action":"delete","shape":"0123456789abcdef"}"#, "shape"),
        (#"{"action":"cancel","tag":""}"#, "tag"), (#"{"action":"cancel","error":""}"#, "error"),
      ] {
        let refused = try await daemon.send("POST", "/operations", daemon.admin, body)
        #expect((400...422).contains(refused.status) && refused.text.contains(#""field":"\#(field)""#), "\(body)")
      }
      let purge = try await daemon.send("POST", "/queues/q/purge", daemon.admin, #"{"delay":"1m"}"#)
      #expect(purge.code == "unknown_field", "\(purge.text)")
      let none = try await daemon.send("GET", "/operations", daemon.admin)
      #expect((none.json["items"] as? [Any])?.isEmpty == true)
    }
  }
}

extension Array {
  fileprivate func asyncMap<Result>(_ change: (Element) async throws -> Result) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await change(element)) }
    return results
  }
}
