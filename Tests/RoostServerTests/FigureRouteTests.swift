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
      let recent = try #require(stats.json["recent"] as? [String: [String: Int]], "\(stats.text)")
      for span in ["1m", "5m", "1h"] {
        #expect(recent[span] == ["submitted": 3, "leased": 3, "acked": 2, "failed": 1, "dead": 1], "\(span)")
        let ofType = try #require(items[1]["recent"] as? [String: [String: Int]])
        #expect(ofType[span] == ["leased": 1, "acked": 0, "failed": 1, "dead": 1], "\(span)")
      }
      // Whoever may read jobs may read the sums, too.
      #expect(
        try await daemon.send("GET", "/stats", daemon.client).json["totals"] as? [String: Int] == totals
          as? [String: Int])
    }
  }

  @Test("the series tell an interval at a time what happened, of a queue and of all that one may see")
  func series() async throws {
    try await TestDaemon.run({ $0.figureInterval = .milliseconds(100) }) { daemon in
      for queue in ["mine", "mine", "other"] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"\#(queue)"}"#)
      }
      let job = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["mine"]}"#)
      let ack = #"{"lease_id":"\#(try #require(job.string("lease_id")))"}"#
      _ = try await daemon.send("POST", "/jobs/\(try #require(job.string("job_id")))/ack", daemon.worker, ack)
      let key = try await daemon.keys.create(
        name: "n", ownerID: "bob", type: .worker, queues: ["mine"], by: .commandLine
      ).key.reveal()
      func shown(_ path: String, _ key: String) async throws -> [String: Any] {
        var found: [String: Any] = [:]
        try await until("the series of \(path) have what happened: \(found)") {
          found = try await daemon.send("GET", path, key).json
          return (found["acked"] as? [Any] ?? []).compactMap { $0 as? Int }.reduce(0, +) == 1
        }
        return found
      }
      func sum(_ series: [String: Any], _ name: String) -> Int {
        (series[name] as? [Any] ?? []).compactMap { $0 as? Int }.reduce(0, +)
      }
      let (all, mine) = (
        try await shown("/stats/series", daemon.admin), try await shown("/stats/series?queue=mine", key)
      )
      #expect(sum(all, "submitted") == 3 && sum(mine, "submitted") == 2 && sum(mine, "leased") == 1)
      #expect((all["waiting"] as? [Any])?.last as? Int == 2 && (mine["waiting"] as? [Any])?.last as? Int == 1)
      for series in [all, mine] {
        #expect(series["kept"] as? Bool == true && series["interval"] as? String == "100ms" && series["from"] is String)
        let columns = series.values.compactMap { $0 as? [Any] }
        #expect(columns.count == 11 && Set(columns.map(\.count)).count == 1, "as many values in each column")
      }
      for name in ["wait_p50_ms", "wait_p99_ms", "run_p50_ms", "run_p99_ms"] {
        #expect((mine[name] as? [Any])?.compactMap { $0 as? Int }.count == 1, "\(name): \(mine)")
      }
      let some = try await shown("/stats/series", key)
      #expect(sum(some, "submitted") == 2 && (some["wait_p50_ms"] as? [Any])?.contains { $0 is Int } == false)
      #expect(try await daemon.send("GET", "/stats/series?queue=other", key).code == "queue_forbidden")
      #expect(try await daemon.send("GET", "/stats/series?queue=none", daemon.admin).code == "queue_not_found")
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
