import Foundation
import RoostKeys
import RoostServer
import Testing

/// Schedules, over HTTP; the engine's clocks are moved by hand and begin with November 2026.
@Suite("Schedule routes")
struct ScheduleRouteTests {
  /// What a schedule is told by: the daemon, its clocks, and the key's owner.
  private struct Scene: Sendable {
    let daemon: TestDaemon
    let clock: MovedClock

    @discardableResult
    func set(_ name: String, _ fields: String, queue: String = "q") async throws -> Reply {
      let body = #"{\#(fields),"job":{"payload":{"n":1},"queue":"\#(queue)","max_retries":0}}"#
      return try await daemon.send("PUT", "/schedules/\(name)", daemon.client, body)
    }

    /// The schedule, after whatever became due.
    func look(_ name: String) async throws -> Reply {
      _ = try await daemon.send("GET", "/schedules/\(name)", daemon.client)
      return try await daemon.send("GET", "/schedules/\(name)", daemon.client)
    }

    func pass(_ time: Duration, _ name: String = "s") async throws -> Reply {
      clock.pass(time)
      return try await look(name)
    }

    /// The instants of the jobs that there are, the latest first, without the date.
    func jobs(_ state: String = "READY") async throws -> [String] {
      let listed = try await daemon.send("GET", "/jobs?limit=200&state=\(state)", daemon.client)
      let items = listed.json["items"] as? [[String: Any]] ?? []
      return items.map {
        ($0["schedule"] as? [String: String])?["at"].map { String($0.dropFirst(11).prefix(8)) } ?? "-"
      }
    }

    func lease() async throws -> (job: String, lease: String, schedule: [String: String]) {
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"lease":"12h"}"#)
      return (
        try #require(leased.string("job_id"), "\(leased.text)"), try #require(leased.string("lease_id")),
        leased.json["schedule"] as? [String: String] ?? [:]
      )
    }

    func end(_ job: (job: String, lease: String, schedule: [String: String]), _ verb: String = "ack") async throws {
      let body = #"{"lease_id":"\#(job.lease)"\#(verb == "fail" ? #","error":"e","retryable":false"# : "")}"#
      #expect(try await daemon.send("POST", "/jobs/\(job.job)/\(verb)", daemon.worker, body).status == 200)
    }
  }

  private func run(_ body: @Sendable @escaping (Scene) async throws -> Void) async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { try await body(Scene(daemon: $0, clock: clock)) }
  }

  private func misses(_ reply: Reply) -> [String: Int] { reply.json["misses"] as? [String: Int] ?? [:] }

  @Test("a schedule makes a job at each of its instants, once, and job and lease say which")
  func fires() async throws {
    try await run { scene in
      let made = try await scene.set("s", #""cron":"*/10 * * * *","overlap":"allow""#)
      #expect(
        made.status == 201 && (made.json["next"] as? [String])?.first == "2026-11-01T00:10:00Z", "\(made.text)")
      #expect((made.json["next"] as? [String])?.count == 10)
      _ = try await scene.pass(.seconds(599))
      #expect(try await scene.jobs() == [])
      for _ in 0..<3 { _ = try await scene.pass(.seconds(600)) }
      #expect(try await scene.jobs() == ["00:30:00", "00:20:00", "00:10:00"])
      let job = try await scene.lease()
      #expect(job.schedule == ["name": "s", "at": "2026-11-01T00:10:00Z"])
      let now = try await scene.look("s")
      #expect(now.json["runs"] as? Int == 3 && now.json["running"] as? Int == 3, "\(now.text)")
      #expect(now.string("last") == "2026-11-01T00:30:00Z" && misses(now) == [:])
    }
  }

  @Test("the same body changes nothing and shifts no instant")
  func same() async throws {
    try await run { scene in
      let first = try await scene.set("s", #""every":"10m""#)
      scene.clock.pass(.seconds(300))
      let again = try await scene.set("s", #""every":"10m""#)
      #expect(again.status == 200 && again.json["next"] as? [String] == first.json["next"] as? [String])
      #expect(again.string("changed_at") == first.string("changed_at"))
      _ = try await scene.pass(.seconds(300))
      #expect(try await scene.jobs() == ["00:10:00"])
    }
  }

  @Test("an edit repeats no instant, and loses none that both definitions have")
  func edit() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"10m","from":"2026-11-01T00:00:00Z","overlap":"allow""#)
      _ = try await scene.pass(.seconds(600))
      // Of what is due the edit is told first.
      scene.clock.pass(.seconds(600))
      try await scene.set("s", #""every":"5m","from":"2026-11-01T00:00:00Z","overlap":"allow""#)
      _ = try await scene.look("s")
      #expect(try await scene.jobs() == ["00:20:00", "00:10:00"])
      _ = try await scene.pass(.seconds(300))
      #expect(try await scene.jobs() == ["00:25:00", "00:20:00", "00:10:00"])
    }
  }

  @Test(
    "while the last run has not ended: skip misses, buffer_one keeps one, allow fires, cancel_other takes its place")
  func overlap() async throws {
    try await run { scene in
      for (overlap, jobs) in [("skip", 1), ("buffer_one", 1), ("allow", 3)] {
        try await scene.set(overlap, #""every":"1m","overlap":"\#(overlap)""#)
        for _ in 0..<3 { _ = try await scene.pass(.seconds(60), overlap) }
        #expect(try await scene.jobs().count == jobs, "\(overlap)")
        let seen = try await scene.look(overlap)
        #expect(misses(seen) == (overlap == "allow" ? [:] : ["overlap": overlap == "skip" ? 2 : 1]), "\(seen.text)")
        for _ in 0..<jobs { try await scene.end(try await scene.lease()) }
        // What waited begins with the end of the run before it.
        _ = try await scene.look(overlap)
        #expect(try await scene.jobs().count == (overlap == "buffer_one" ? 1 : 0), "\(overlap)")
        if overlap == "buffer_one" { try await scene.end(try await scene.lease()) }
        _ = try await scene.daemon.send("DELETE", "/schedules/\(overlap)", scene.daemon.client)
      }
    }
  }

  @Test("cancel_other cancels a run that waits at once, and waits for one that runs")
  func cancelOther() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"1m","overlap":"cancel_other""#)
      for _ in 0..<2 { _ = try await scene.pass(.seconds(60)) }
      #expect(try await scene.jobs("CANCELLED") == ["00:01:00"])
      let running = try await scene.lease()
      let waits = try await scene.pass(.seconds(60))
      #expect(waits.string("pending") == "2026-11-01T00:03:00Z", "\(waits.text)")
      let job = try await scene.daemon.send("GET", "/jobs/\(running.job)", scene.daemon.client)
      #expect(job.json["cancel_requested"] as? Bool == true)
      #expect(try await scene.jobs() == [])
      try await scene.end(running)
      _ = try await scene.look("s")
      #expect(try await scene.jobs() == ["00:03:00"])
    }
  }

  @Test("of late instants none fires, the last, or all within the window; what is not met is told by reason")
  func catchUp() async throws {
    try await run { scene in
      for catchUp in ["none", "last", "all"] {
        let from = #""from":"2026-11-01T00:00:00Z""#
        try await scene.set(catchUp, #""every":"10m",\#(from),"overlap":"allow","catch_up":"\#(catchUp)""#)
      }
      let all = #""every":"10m","from":"2026-11-01T00:00:00Z","overlap":"allow","catch_up":"all""#
      try await scene.set("window", all + #","catch_up_window":"15m""#)
      scene.clock.pass(.seconds(1_800))
      #expect(misses(try await scene.look("none")) == ["late": 2])
      #expect(misses(try await scene.look("last")) == ["superseded": 2])
      #expect(misses(try await scene.look("all")) == [:])
      #expect(misses(try await scene.look("window")) == ["late": 1])
      let made = try await scene.jobs()
      #expect(["00:10:00", "00:20:00", "00:30:00"].map { at in made.count { $0 == at } } == [1, 2, 4], "\(made)")
      // The last one is late itself.
      scene.clock.pass(.seconds(800))
      for name in ["none", "last", "all", "window"] { _ = try await scene.look(name) }
      #expect(misses(try await scene.look("none")) == ["late": 3])
      #expect(misses(try await scene.look("last")) == ["superseded": 2])
      #expect(try await scene.jobs().count { $0 == "00:40:00" } == 3)
    }
  }

  @Test("while the wall clock is not believed nothing fires; then what was missed is made up for as the schedule says")
  func suspect() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"10m","from":"2026-11-01T00:00:00Z","overlap":"allow""#)
      scene.clock.jump(.seconds(7_200))
      _ = try await scene.look("s")
      #expect(try await scene.jobs() == [])
      _ = try await scene.pass(.seconds(610))
      let seen = try await scene.look("s")
      #expect(try await scene.jobs() == ["02:10:00"])
      #expect(misses(seen) == ["superseded": 12], "\(seen.text)")
    }
  }

  @Test("a pause stops it, and resuming makes up for nothing")
  func pause() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"10m""#)
      let paused = try await scene.daemon.send(
        "POST", "/schedules/s/pause", scene.daemon.client, #"{"reason":"why"}"#)
      #expect(paused.string("state") == "paused" && (paused.json["next"] as? [String]) == [], "\(paused.text)")
      _ = try await scene.pass(.seconds(1_500))
      let resumed = try await scene.daemon.send("POST", "/schedules/s/resume", scene.daemon.client)
      #expect((resumed.json["next"] as? [String])?.first == "2026-11-01T00:30:00Z", "\(resumed.text)")
      #expect(try await scene.jobs() == [])
      _ = try await scene.pass(.seconds(300))
      #expect(try await scene.jobs() == ["00:30:00"])
    }
  }

  @Test("max_runs and until end it")
  func ends() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"1m","overlap":"allow","max_runs":2"#)
      let until = #""every":"1m","overlap":"allow","until":"2026-11-01T00:01:30Z""#
      let made = try await scene.set("u", until)
      #expect((made.json["next"] as? [String])?.count == 1, "\(made.text)")
      for _ in 0..<4 {
        _ = try await scene.pass(.seconds(60))
        _ = try await scene.look("u")
      }
      for (name, count) in [("s", 2), ("u", 1)] {
        let seen = try await scene.look(name)
        #expect(seen.string("state") == "finished" && seen.json["runs"] as? Int == count, "\(seen.text)")
      }
      // More runs than before: it goes on, and repeats nothing.
      try await scene.set("s", #""every":"1m","overlap":"allow","max_runs":3"#)
      _ = try await scene.pass(.seconds(60))
      #expect(try await scene.jobs().sorted() == ["00:01:00", "00:01:00", "00:02:00", "00:05:00"])
    }
  }

  @Test("so many dead runs in a row pause it, and one that is done begins the count anew")
  func pausesOnFailure() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"1m","pause_on_failure":2"#)
      for verb in ["fail", "ack", "fail", "fail"] {
        _ = try await scene.pass(.seconds(60))
        try await scene.end(try await scene.lease(), verb)
      }
      let seen = try await scene.look("s")
      #expect(seen.string("state") == "paused" && seen.json["failures"] as? Int == 2, "\(seen.text)")
      _ = try await scene.pass(.seconds(60))
      #expect(try await scene.jobs() == [])
      let runs = try await scene.daemon.send("GET", "/schedules/s/runs", scene.daemon.client)
      let states = (runs.json["items"] as? [[String: Any]] ?? []).map { $0["state"] as? String }
      #expect(states == ["DEAD", "DEAD", "ACKED", "DEAD"], "\(runs.text)")
    }
  }

  @Test("a trigger makes a job and shifts nothing; a backfill makes those of instants that have passed")
  func triggerAndBackfill() async throws {
    try await run { scene in
      try await scene.set("s", #""cron":"0 * * * *""#)
      scene.clock.pass(.seconds(10))
      let job = try await scene.daemon.send("POST", "/schedules/s/trigger", scene.daemon.client)
      #expect(job.status == 201 && job.string("state") == "READY", "\(job.text)")
      #expect(try await scene.jobs() == ["00:00:10"])
      let day = #"{"from":"2026-10-01T00:00:00Z","to":"2026-10-01T03:00:00Z"}"#
      let begun = try await scene.daemon.send("POST", "/schedules/s/backfill", scene.daemon.client, day)
      let operation = try #require(begun.string("operation_id"), "\(begun.text)")
      _ = try await scene.look("s")
      #expect(try await scene.jobs() == ["03:00:00", "02:00:00", "01:00:00", "00:00:00", "00:00:10"])
      let done = try await scene.daemon.send("GET", "/operations/\(operation)", scene.daemon.admin)
      #expect(done.string("state") == "done" && done.json["done"] as? Int == 4, "\(done.text)")
      #expect(done.string("schedule") == "s" && done.string("action") == "backfill")
      let next = try await scene.look("s")
      #expect((next.json["next"] as? [String])?.first == "2026-11-01T01:00:00Z" && next.json["runs"] as? Int == 0)
      let tooMany = #"{"from":"2026-01-01T00:00:00Z","to":"2026-10-01T03:00:00Z"}"#
      let refused = try await scene.daemon.send("POST", "/schedules/s/backfill", scene.daemon.client, tooMany)
      #expect(refused.status == 422 && refused.text.contains(#""field":"to""#), "\(refused.text)")
    }
  }

  @Test("an instant whose job finds no room waits, and is missed with the reason once another is due")
  func noRoom() async throws {
    try await run { scene in
      _ = try await scene.daemon.send("PATCH", "/queues/q", scene.daemon.admin, #"{"max_length":1}"#)
      try await scene.set("s", #""every":"10m","overlap":"allow""#)
      for _ in 0..<2 { _ = try await scene.pass(.seconds(600)) }
      let held = try await scene.look("s")
      #expect(held.string("held_by") == "queue_full" && misses(held) == [:], "\(held.text)")
      try await scene.end(try await scene.lease())
      // Tried again a second later.
      _ = try await scene.pass(.seconds(2))
      #expect(try await scene.jobs() == ["00:20:00"])
      for _ in 0..<2 { _ = try await scene.pass(.seconds(700)) }
      _ = try await scene.pass(.seconds(2))
      #expect(misses(try await scene.look("s"))["queue_full"] == 1)
    }
  }

  @Test("owners have names of their own; what is another's is like nothing")
  func owners() async throws {
    try await run { scene in
      try await scene.set("s", #""every":"10m""#)
      let bob = try await scene.daemon.keys.create(name: "n", ownerID: "bob", type: .client, by: .commandLine).key
        .reveal()
      #expect(try await scene.daemon.send("GET", "/schedules/s", bob).code == "schedule_not_found")
      let theirs = try await scene.daemon.send("GET", "/schedules?owner_id=alice", bob)
      #expect((theirs.json["items"] as? [Any])?.isEmpty == true)
      let body = #"{"every":"1h","job":{"payload":1}}"#
      #expect(try await scene.daemon.send("PUT", "/schedules/s", bob, body).status == 201)
      for (key, count) in [(bob, 1), (scene.daemon.client, 1), (scene.daemon.admin, 2)] {
        let listed = try await scene.daemon.send("GET", "/schedules", key)
        #expect((listed.json["items"] as? [Any])?.count == count, "\(listed.text)")
      }
      let page = try await scene.daemon.send("GET", "/schedules?limit=1", scene.daemon.admin)
      let cursor = try #require(page.string("next_cursor"))
      let rest = try await scene.daemon.send("GET", "/schedules?limit=1&cursor=\(cursor)", scene.daemon.admin)
      let owner = (rest.json["items"] as? [[String: Any]])?.first?["owner_id"] as? String
      #expect(owner == "bob" && rest.string("next_cursor") == nil, "\(rest.text)")
    }
  }

  @Test(
    "what is wrong is named by its field",
    arguments: [
      (#"{"cron":"61 * * * *","job":{"payload":1}}"#, 422, "cron"),
      (#"{"cron":"0 0 30 2 *","job":{"payload":1}}"#, 422, "cron"),
      (#"{"cron":"@daily","timezone":"Europe/Nowhere","job":{"payload":1}}"#, 422, "timezone"),
      (#"{"cron":"@daily","every":"1m","job":{"payload":1}}"#, 422, "every"),
      (#"{"every":"1500ms","job":{"payload":1}}"#, 422, "every"),
      (#"{"every":"1m","timezone":"UTC","job":{"payload":1}}"#, 422, "timezone"),
      (#"{"cron":"@daily","from":"2026-01-01T00:00:00Z","job":{"payload":1}}"#, 422, "from"),
      (#"{"every":"1m","overlap":"both","job":{"payload":1}}"#, 422, "overlap"),
      (#"{"every":"1m","job":{"payload":1,"run_at":"2027-01-01T00:00:00Z"}}"#, 422, "job.run_at"),
      (#"{"every":"1m","job":{"payload":1,"idempotency_key":"k"}}"#, 422, "job.idempotency_key"),
      (#"{"every":"1m","job":{"queue":"q"}}"#, 400, "job.payload"), (#"{"every":"1m"}"#, 400, "job"),
      (#"{"job":{"payload":1}}"#, 400, "cron"), (#"{"every":"1m","max_runs":0,"job":{"payload":1}}"#, 422, "max_runs"),
      (#"{"every":"1m","job":{"payload":1,"prioty":1}}"#, 400, "job.prioty"),
    ])
  func wrong(body: String, status: Int, field: String) async throws {
    try await TestDaemon.run { daemon in
      let reply = try await daemon.send("PUT", "/schedules/s", daemon.client, body)
      #expect(reply.status == status && reply.text.contains(#""field":"\#(field)""#), "\(reply.text)")
    }
  }
}
