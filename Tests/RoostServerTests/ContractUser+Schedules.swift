import Foundation
import RoostServer
import Testing

/// Schedules, in every way that the contract tells apart; the daemon's clocks are moved by hand.
extension ContractUser {
  func useSchedules(_ clock: MovedClock) async throws {
    try await setSchedules()
    try await runSchedules(clock)
    try await misuseSchedules()
    let listed = try await ask("GET", "/schedules?limit=1", daemon.client, expecting: 200)
    let cursor = try #require(listed.string("next_cursor"))
    try await ask("GET", "/schedules?cursor=\(cursor)", daemon.client, expecting: 200)
    try await ask("GET", "/schedules/whole", daemon.client, expecting: 200)
    for path in ["/schedules/whole", "/schedules/often"] {
      try await ask("DELETE", path, daemon.client, expecting: 200)
    }
    let preview = #"{"cron":"@daily","timezone":"UTC","after":"2026-01-01T00:00:00Z","count":2,"on_gap":"skip"}"#
    try await ask("POST", "/schedules/preview", daemon.worker, preview, expecting: 200)
    try await ask("POST", "/schedules/preview", daemon.worker, #"{"cron":"0 0 30 2 *"}"#, expecting: 422)
  }

  private func setSchedules() async throws {
    let job = """
      {"payload":{"n":1},"type":"t","queue":"q","group":"g","priority":"high","delay":"0s","max_retries":0,
       "retry":{"initial":"1s","factor":1.5,"max":"1m","jitter":"none"},"lease":"1m","timeout":"1h","retention":"1h","expires_in":"2h","on_expire":"cancel","max_expiries":4,
       "unique":{"by":["type","queue"],"until":"started","on_conflict":"replace","max_wait":"1h"},
       "metadata":{"k":"v"},"tags":["a"],"traceparent":"00-x","tracestate":"a=1","callback_url":"https://a.example/"}
      """
    let whole = """
      {"cron":"30 2 * * *","timezone":"UTC","on_gap":"skip","on_repeat":"last","overlap":"allow","catch_up":"all",
       "catch_up_window":"2h","jitter":"1s","until":"2027-01-01T00:00:00Z","max_runs":9,"pause_on_failure":3,"job":\(job)}
      """
    try await ask("PUT", "/schedules/whole", daemon.client, whole, expecting: 201)
    try await ask("PUT", "/schedules/whole", daemon.client, whole, expecting: 200)
    let often = #"{"every":"1m","from":"2026-11-01T00:00:00Z","overlap":"buffer_one","job":{"payload":1,"queue":"o"}}"#
    try await ask("PUT", "/schedules/often", daemon.client, often, expecting: 201)
  }

  private func runSchedules(_ clock: MovedClock) async throws {
    clock.pass(.seconds(60))
    try await ask("GET", "/schedules/often", daemon.client, expecting: 200)
    let leased = try await ask("POST", "/jobs/lease", daemon.worker, #"{"queues":["o"],"lease":"12h"}"#, expecting: 200)
    let job = "/jobs/" + (try #require(leased.string("job_id")))
    try await ask("GET", job, daemon.client, expecting: 200)
    // One waits for the end, one is missed.
    for _ in 0..<2 {
      clock.pass(.seconds(60))
      try await ask("GET", "/schedules/often", daemon.client, expecting: 200)
    }
    let waits = try await ask("GET", "/schedules/often", daemon.client, expecting: 200)
    #expect(waits.string("pending") == "2026-11-01T00:02:00Z", "\(waits.text)")
    // Half an hour of them at once.
    clock.pass(.seconds(1_800))
    try await ask("GET", "/schedules/often", daemon.client, expecting: 200)
    try await ask("GET", "/schedules/often/runs", daemon.client, expecting: 200)
    try await ask("POST", "/schedules/often/pause", daemon.client, #"{"reason":"r"}"#, expecting: 200)
    try await ask("POST", "/schedules/often/resume", daemon.client, expecting: 200)
    let lease = try #require(leased.string("lease_id"))
    let failed = #"{"error":"e","lease_id":"\#(lease)","retryable":false}"#
    try await ask("POST", job + "/fail", daemon.worker, failed, expecting: 200)
    try await ask("GET", "/schedules/often", daemon.client, expecting: 200)
    try await ask("POST", "/schedules/often/trigger", daemon.client, expecting: 201)
    let day = #"{"from":"2026-10-01T00:00:00Z","to":"2026-10-01T01:00:00Z"}"#
    try await ask("POST", "/schedules/whole/backfill", daemon.client, day, expecting: 202)
    // A queue that is full holds what is due.
    try await ask("PATCH", "/queues/full", daemon.admin, #"{"max_length":1}"#, expecting: 200)
    let full = #"{"every":"1m","overlap":"allow","job":{"payload":1,"queue":"full"}}"#
    try await ask("PUT", "/schedules/full", daemon.client, full, expecting: 201)
    for _ in 0..<3 {
      clock.pass(.seconds(60))
      try await ask("GET", "/schedules/full", daemon.client, expecting: 200)
    }
    #expect(try await ask("GET", "/schedules/full", daemon.client).string("held_by") == "queue_full")
  }

  private func misuseSchedules() async throws {
    let job = #""job":{"payload":1,"queue":"gone"}"#
    try await ask("PUT", "/schedules/gone", daemon.client, #"{"every":"1h",\#(job)}"#, expecting: 201)
    try await ask("POST", "/schedules/gone/trigger", daemon.client, expecting: 201)
    _ = try await ask("POST", "/jobs/lease", daemon.worker, #"{"queues":["gone"],"lease":"12h"}"#, expecting: 200)
    try await ask("DELETE", "/queues/gone?purge=true", daemon.admin, expecting: 202)
    try await ask("POST", "/schedules/gone/trigger", daemon.client, expecting: 409)
    let wish = #"{"name":"n","owner_id":"alice","type":"client","queues":["img-*"]}"#
    let made = try await ask("POST", "/admin/keys", daemon.admin, wish, expecting: 201)
    let narrow = try #require(made.string("key"))
    let day = #"{"from":"2026-10-01T00:00:00Z","to":"2026-10-01T01:00:00Z"}"#
    try await ask("PUT", "/schedules/mine", narrow, #"{"every":"1h",\#(job)}"#, expecting: 403)
    try await ask("POST", "/schedules/gone/trigger", narrow, expecting: 403)
    try await ask("POST", "/schedules/gone/backfill", narrow, day, expecting: 403)
    for path in ["/schedules/none", "/schedules/none/runs", "/schedules/gone?owner_id=bob"] {
      try await ask("GET", path, daemon.client, expecting: 404)
    }
    try await ask("PUT", "/schedules/x?owner_id=bob", daemon.client, #"{"every":"1h",\#(job)}"#, expecting: 404)
    try await ask("DELETE", "/schedules/none", daemon.client, expecting: 404)
    for verb in ["pause", "resume", "trigger"] {
      try await ask("POST", "/schedules/none/" + verb, daemon.client, expecting: 404)
      try await ask("POST", "/schedules/_x/" + verb, daemon.client, expecting: 422)
    }
    try await ask("POST", "/schedules/none/backfill", daemon.client, day, expecting: 404)
    let ahead = #"{"from":"2026-10-01T00:00:00Z","to":"2099-10-01T01:00:00Z"}"#
    try await ask("POST", "/schedules/gone/backfill", daemon.client, ahead, expecting: 422)
    for path in ["/schedules?limit=0", "/schedules?cursor=z", "/schedules/_x", "/schedules/_x/runs"] {
      try await ask("GET", path, daemon.client, expecting: 422)
    }
    try await ask("DELETE", "/schedules/_x", daemon.client, expecting: 422)
    try await ask("PUT", "/schedules/x", daemon.client, #"{"cron":"* * *",\#(job)}"#, expecting: 422)
    try await ask("PUT", "/schedules/x", daemon.client, #"{"cron":"* * * * *"}"#, expecting: 400)
  }
}
