import Foundation
import RoostServer
import Testing

/// What jobs and workers do, over HTTP.
@Suite("Figure routes")
struct FigureRouteTests {
  @Test("stats count what became of jobs, with how long they waited and ran, by queue and type")
  func stats() async throws {
    try await TestDaemon.run { daemon in
      for type in ["a", "a", "b"] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","type":"\#(type)"}"#)
      }
      for _ in 0..<3 {
        let job = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
        let (id, lease) = (try #require(job.string("job_id")), try #require(job.string("lease_id")))
        let isFirst = job.string("type") == "a"
        let body = isFirst ? #"{"lease_id":"\#(lease)"}"# : #"{"lease_id":"\#(lease)","error":"e","retryable":false}"#
        _ = try await daemon.send("POST", "/jobs/\(id)/\(isFirst ? "ack" : "fail")", daemon.worker, body)
      }
      let stats = try await daemon.send("GET", "/stats", daemon.admin)
      let items = try #require(stats.json["items"] as? [[String: Any]], "\(stats.text)")
      #expect(items.map { $0["type"] as? String } == ["a", "b"] && items.allSatisfy { $0["queue"] as? String == "q" })
      #expect(items.map { $0["acked"] as? Int } == [2, 0] && items.map { $0["dead"] as? Int } == [0, 1])
      for name in ["wait", "run"] {
        let first = try #require(items[0][name] as? [String: Any])
        #expect(first["count"] as? Int == 2 && first["p50"] is String && first["p99"] is String, "\(stats.text)")
      }
      let totals = try #require(stats.json["totals"] as? [String: Any])
      #expect(totals["submitted"] as? Int == 3 && totals["acked"] as? Int == 2 && totals["dead"] as? Int == 1)
      let metrics = try await daemon.send("GET", "/metrics", nil).text
      #expect(metrics.contains(#"roost_job_wait_seconds_count{queue="q"} 3"#), "\(metrics)")
      #expect(metrics.contains(#"roost_job_run_seconds_bucket{queue="q",le="+Inf"} 3"#))
      #expect(try await daemon.send("GET", "/stats", daemon.client).code == "forbidden_scope")
    }
  }

  @Test("workers are told with the jobs in their hands and since when, and those who wait with their requests")
  func workers() async throws {
    try await TestDaemon.run { daemon in
      for _ in 0..<2 { _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"}"#) }
      let first = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"worker_id":"w1"}"#)
      _ = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"],"worker_id":"w1"}"#)
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      let wait = #"{"queues":["q"],"worker_id":"w2","wait":"60s"}"#
      waiting.send(Connection.request("POST", "/jobs/lease", daemon.worker, wait, []))
      try await daemon.untilWaiting(1)
      let reply = try await daemon.send("GET", "/workers", daemon.worker)
      let items = try #require(reply.json["items"] as? [[String: Any]], "\(reply.text)")
      #expect(items.map { $0["worker_id"] as? String } == ["w1", "w2"], "\(reply.text)")
      #expect(items[0]["running"] as? Int == 2 && items[0]["queues"] as? [String] == ["q"])
      #expect(items[0]["oldest_job_id"] as? String == first.string("job_id") && items[0]["oldest_since"] is String)
      #expect(items[1]["waiting"] as? Int == 1 && items[1]["running"] as? Int == 0)
    }
  }
}
