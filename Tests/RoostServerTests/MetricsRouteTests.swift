import RoostServer
import Testing

/// `GET /metrics` against a server, after work whose amounts are known.
@Suite struct MetricsRouteTests {
  @Test("queue totals and depths say exactly what was done, at once")
  func queueFigures() async throws {
    try await TestDaemon.run { daemon in
      for number in 0..<5 {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":\#(number),"max_retries":0}"#)
      }
      for _ in 0..<3 {
        _ = try await daemon.send(
          "POST", "/jobs", daemon.client, #"{"payload":1,"queue":"mail","delay":"1h","idempotency_key":"k"}"#)
      }
      let ids = try await (0..<3).asyncMap { _ in
        try await daemon.send("POST", "/jobs/lease", daemon.worker)
      }
      let first = try #require(ids[0].string("job_id")), second = try #require(ids[1].string("job_id"))
      _ = try await daemon.send("POST", "/jobs/\(first)/ack", daemon.worker)
      _ = try await daemon.send("POST", "/jobs/\(second)/ack", daemon.worker, #"{"result_error":"no"}"#)
      let last = try await daemon.send("GET", "/jobs?state=READY", daemon.client)
      let waiting = try #require((last.json["items"] as? [[String: Any]])?.first?["job_id"] as? String)
      _ = try await daemon.send("POST", "/jobs/\(waiting)/cancel", daemon.client)
      let metrics = try await daemon.metrics()
      #expect(metrics[#"roost_jobs_submitted_total{queue="default"}"#] == 5)
      #expect(metrics[#"roost_jobs_leased_total{queue="default"}"#] == 3)
      #expect(metrics[#"roost_jobs_acked_total{queue="default"}"#] == 1)
      #expect(metrics[#"roost_jobs_failed_total{queue="default"}"#] == 1)
      #expect(metrics[#"roost_jobs_dead_total{queue="default"}"#] == 1)
      #expect(metrics[#"roost_jobs_expired_total{queue="default"}"#] == 0)
      #expect(metrics[#"roost_jobs_cancelled_total{queue="default"}"#] == 1)
      #expect(metrics[#"roost_jobs_submitted_total{queue="mail"}"#] == 1)
      #expect(metrics[#"roost_jobs_idempotent_hits_total{queue="mail"}"#] == 2)
      let depths = ["READY": 1, "RUNNING": 1, "ACKED": 1, "DEAD": 1, "CANCELLED": 1, "RETRY": 0, "SCHEDULED": 0]
      for (state, count) in depths {
        #expect(metrics[#"roost_queue_jobs{queue="default",state="\#(state)"}"#] == Double(count), "\(state)")
      }
      #expect(metrics[#"roost_queue_jobs{queue="mail",state="SCHEDULED"}"#] == 1)
      #expect(metrics["roost_queues"] == 2 && metrics["roost_jobs"] == 6)
      let queue = try await daemon.send("GET", "/queues/default", daemon.client)
      let rates = try #require(queue.json["rates"] as? [String: Int])
      #expect(
        rates == [
          "submitted_per_minute": 5, "leased_per_minute": 3, "acked_per_minute": 1, "failed_per_minute": 1,
          "dead_per_minute": 1,
        ])
      let listed = try await daemon.send("GET", "/queues", daemon.client)
      #expect((listed.json["items"] as? [[String: Any]])?.first?["rates"] as? [String: Int] == rates)
    }
  }

  @Test("requests are counted by route template and status, refusals and wrong keys by code")
  func requestFigures() async throws {
    try await TestDaemon.run { daemon in
      let before = try await daemon.metrics()
      for _ in 0..<4 { _ = try await daemon.send("GET", "/v1/jobs/no-such-job", daemon.client) }
      _ = try await daemon.send("GET", "/jobs/no-such-job", "wrong")
      _ = try await daemon.send("GET", "/jobs/no-such-job")
      for path in ["/none", "/also/none", "/\(daemon.client)"] { _ = try await daemon.send("GET", path) }
      _ = try await daemon.send("PATCH", "/jobs", daemon.client)
      let metrics = try await daemon.metrics()
      let job = #"method="GET",route="/jobs/{id}""#
      #expect(metrics[#"roost_http_requests_total{\#(job),status="404"}"#] == 4)
      #expect(metrics[#"roost_http_requests_total{\#(job),status="401"}"#] == 2)
      #expect(metrics[#"roost_http_request_duration_seconds_count{\#(job)}"#] == 6)
      #expect(metrics[#"roost_http_requests_total{method="other",route="(none)",status="404"}"#] == 3)
      #expect(metrics[#"roost_http_requests_total{method="other",route="(none)",status="405"}"#] == 1)
      #expect(metrics[#"roost_http_requests_total{method="GET",route="/metrics",status="200"}"#] == 1)
      #expect(metrics[#"roost_http_refusals_total{code="job_not_found"}"#] == 4)
      #expect(metrics[#"roost_http_refusals_total{code="route_not_found"}"#] == 3)
      #expect(metrics[#"roost_auth_failures_total{code="invalid_key"}"#] == 1)
      #expect(metrics[#"roost_auth_failures_total{code="missing_key"}"#] == 1)
      #expect(before[#"roost_auth_failures_total{code="missing_key"}"#] == nil)
      let hits = (metrics["roost_key_cache_hits_total"] ?? 0) + (metrics["roost_key_cache_misses_total"] ?? 0)
      #expect(hits == 5, "four known keys and a wrong one; a missing one is not looked up")
      #expect(metrics["roost_key_store_up"] == 1)
    }
  }

  @Test("the log's figures grow with what is written, and a waiting worker is seen while it waits")
  func engineFigures() async throws {
    try await TestDaemon.run { daemon in
      let before = try await daemon.metrics()
      for _ in 0..<3 { _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":"a payload"}"#) }
      let after = try await daemon.metrics()
      func grown(_ name: String) throws -> Double { try #require(after[name]) - #require(before[name]) }
      #expect(try grown("roost_commit_duration_seconds_count") == 3, "one commit for each request by itself")
      #expect(try grown("roost_commit_batch_size_sum") == 3)
      #expect(try grown("roost_log_frames_total") >= 3)
      #expect(try grown("roost_log_written_bytes_total") > 3 * 100)
      #expect(try grown("roost_commit_duration_seconds_sum") > 0)
      #expect(try grown("roost_log_live_bytes") > 0)
      #expect(after["roost_log_segments"] == 1 && after["roost_log_writable"] == 1)
      #expect(after["roost_disk_level"] == 0 && after["roost_clock_suspect"] == 0)
      #expect(try #require(after["process_open_fds"]) > 3)
      #expect(try #require(after["process_resident_memory_bytes"]) > 1_048_576)
      let worker = try Connection(port: daemon.port)
      worker.send(Connection.request("POST", "/jobs/lease", daemon.worker, #"{"queues":["none"],"wait":"60s"}"#))
      try await daemon.waitForMetrics { $0["roost_waiters"] == 1 }
      #expect(try #require(try await daemon.metrics()["roost_http_connections"]) >= 2)
      worker.finishSending()
      _ = try await worker.reply()
      worker.close()
      #expect(try await daemon.metrics()["roost_waiters"] == 0)
    }
  }

  @Test("what held READY jobs back is counted by reason, and who works and waits is told by queue")
  func workersAndLimits() async throws {
    try await TestDaemon.run({ $0.figureInterval = .milliseconds(50) }) { daemon in
      for queue in ["one", "one", "slow", "slow", "shut", "full"] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"\#(queue)"}"#)
      }
      for (queue, settings) in [
        ("one", #"{"concurrency":1}"#), ("slow", #"{"rate":{"limit":1,"per":"1h"}}"#), ("full", #"{"max_length":1}"#),
      ] {
        #expect(try await daemon.send("PATCH", "/queues/\(queue)", daemon.admin, settings).status == 200)
      }
      _ = try await daemon.send("POST", "/queues/shut/pause", daemon.admin)
      for queue in ["one", "one", "slow", "slow", "slow", "shut", "none"] {
        _ = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["\#(queue)"]}"#)
      }
      let refused = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"full"}"#)
      #expect(refused.code == "queue_full")
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      waiting.send(Connection.request("POST", "/jobs/lease", daemon.worker, #"{"queues":["one"],"wait":"60s"}"#, []))
      let longest = #"roost_job_longest_running_seconds{queue="one"}"#
      try await daemon.waitForMetrics { $0[#"roost_queue_waiters{queue="one"}"#] == 1 && $0[longest] ?? 0 > 0 }
      let metrics = try await daemon.metrics()
      let throttled = metrics.filter { $0.key.hasPrefix("roost_queue_throttled_total") }
      #expect(
        throttled == [
          #"roost_queue_throttled_total{queue="one",reason="concurrency"}"#: 2,
          #"roost_queue_throttled_total{queue="slow",reason="rate"}"#: 2,
          #"roost_queue_throttled_total{queue="shut",reason="paused"}"#: 1,
          #"roost_queue_throttled_total{queue="full",reason="full"}"#: 1,
        ])
      #expect(metrics[#"roost_worker_utilization{queue="one"}"#] == 0.5)
      #expect(metrics[#"roost_worker_utilization{queue="slow"}"#] == 1)
      #expect(metrics[#"roost_worker_utilization{queue="full"}"#] == 0)
      #expect(metrics[#"roost_job_longest_running_seconds{queue="full"}"#] == 0)
      #expect(metrics["roost_tls_certificate_not_after_seconds"] == 0)
    }
  }

  @Test("fires of schedules are counted with how late they were, and those that were missed by reason")
  func schedules() async throws {
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      let schedule = #"{"every":"1m","overlap":"skip","job":{"payload":1,"queue":"q"}}"#
      #expect(try await daemon.send("PUT", "/schedules/s", daemon.client, schedule).status == 201)
      clock.pass(.seconds(61))
      try await daemon.waitForMetrics { $0["roost_schedule_fires_total"] == 1 }
      // The run before has not ended: it waits for a worker.
      clock.pass(.seconds(60))
      try await daemon.waitForMetrics { $0[#"roost_schedule_misses_total{reason="overlap"}"#] == 1 }
      let metrics = try await daemon.metrics()
      #expect(metrics["roost_schedules"] == 1 && metrics["roost_schedule_lag_seconds_count"] == 1)
      #expect(metrics[#"roost_schedule_lag_seconds_bucket{le="3600"}"#] == 1)
      #expect(metrics[#"roost_schedule_misses_total{reason="late"}"#] == 0)
    }
  }

  @Test("an expired lease is counted as expired and as failed")
  func expiry() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"lease":"1s"}"#)
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      let expired = #"roost_jobs_expired_total{queue="default"}"#
      try await daemon.waitForMetrics { $0[expired] == 1 }
      let metrics = try await daemon.metrics()
      #expect(metrics[#"roost_jobs_failed_total{queue="default"}"#] == 1)
      #expect(metrics[#"roost_queue_jobs{queue="default",state="RUNNING"}"#] == 0)
    }
  }

  @Test("beyond the bound queues share a label")
  func manyQueues() async throws {
    try await TestDaemon.run({ $0.metricsQueues = 2 }) { daemon in
      for (queue, jobs) in [("a", 1), ("b", 3), ("c", 2), ("d", 1)] {
        for _ in 0..<jobs {
          _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"\#(queue)"}"#)
        }
      }
      let metrics = try await daemon.metrics()
      let submitted = metrics.filter { $0.key.hasPrefix("roost_jobs_submitted_total") }
      #expect(
        submitted == [
          #"roost_jobs_submitted_total{queue="b"}"#: 3, #"roost_jobs_submitted_total{queue="c"}"#: 2,
          #"roost_jobs_submitted_total{queue="(other)"}"#: 2,
        ])
      #expect(metrics["roost_queues"] == 4)
    }
  }

  @Test("metrics need no key, and have a content type that says which format it is")
  func open() async throws {
    try await TestDaemon.run { daemon in
      for path in ["/metrics", "/v1/metrics"] {
        let reply = try await daemon.send("GET", path)
        #expect(reply.status == 200)
        #expect(reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
      }
      let head = try await daemon.send("HEAD", "/metrics")
      #expect(head.status == 200 && head.headers["content-length"] != "0")
      #expect(try await daemon.send("POST", "/metrics", nil, "{}").status == 405)
    }
  }
}

extension TestDaemon {
  /// Every sample of `/metrics`, by name and labels.
  func metrics() async throws -> [String: Double] {
    let reply = try await send("GET", "/metrics")
    var samples: [String: Double] = [:]
    for line in reply.text.split(separator: "\n") where !line.hasPrefix("#") {
      let space = try #require(line.lastIndex(of: " "), "\(line)")
      let value = try #require(Double(line[line.index(after: space)...]), "\(line)")
      #expect(samples.updateValue(value, forKey: String(line[..<space])) == nil, "twice: \(line)")
    }
    return samples
  }
}

extension TestDaemon {
  /// Scrapes until something is so; the limit only ends a test that would wait forever.
  func waitForMetrics(_ isSo: ([String: Double]) -> Bool) async throws {
    let limit = ContinuousClock.now + .seconds(60)
    while !isSo(try await metrics()) {
      try #require(ContinuousClock.now < limit, "waited in vain")
      await Task.yield()
    }
  }
}

extension Sequence {
  fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async throws -> [Value] {
    var values: [Value] = []
    for element in self { values.append(try await body(element)) }
    return values
  }
}
