import Foundation
import Testing

/// `/metrics` of a real daemon after real work, and the documents that go with it.
@Suite("Metrics")
struct MetricsTests {
  @Test("promtool finds nothing wrong, and every number is what was done, also after kill -9")
  func realWork() async throws {
    try await Scene.run { scene in
      let first = try scene.start()
      try Self.work(on: first)
      let before = try Exposed(first)
      try before.passesPromtool(in: scene.directory)
      let totals = ["submitted": 4, "leased": 3, "acked": 1, "failed": 2, "dead": 1]
      for (name, count) in totals {
        #expect(before[#"roost_jobs_\#(name)_total{queue="default"}"#] == Double(count), "\(name)")
      }
      #expect(before[#"roost_jobs_expired_total{queue="default"}"#] == 1)
      #expect(before[#"roost_jobs_cancelled_total{queue="default"}"#] == 1)
      #expect(before[#"roost_jobs_idempotent_hits_total{queue="default"}"#] == 1)
      #expect(before[#"roost_http_requests_total{method="POST",route="/jobs",status="201"}"#] == 4)
      #expect(before[#"roost_http_requests_total{method="POST",route="/jobs",status="200"}"#] == 1)
      #expect(before[#"roost_auth_failures_total{code="invalid_key"}"#] == 1)
      first.end(SIGKILL)

      let second = try scene.start()
      defer { second.end(SIGKILL) }
      let after = try Exposed(second)
      try after.passesPromtool(in: scene.directory)
      for (name, count) in totals {
        #expect(after[#"roost_jobs_\#(name)_total{queue="default"}"#] == Double(count), "\(name) survives")
      }
      for name in ["expired", "cancelled", "idempotent_hits"] {
        #expect(after[#"roost_jobs_\#(name)_total{queue="default"}"#] == 0, "\(name) begins anew")
      }
      #expect(after["roost_replay_jobs"] == 4 && after["roost_jobs"] == 4)
      #expect(try #require(after["roost_replay_bytes"]) > 0)
      #expect(try #require(after["roost_replay_duration_seconds"]) > 0)
      let build = after.samples.keys.first { $0.hasPrefix("roost_build_info{") }
      let version = try scene.roost(["--version"]).output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(build?.contains("version=\"\(version)\"") == true && build?.contains("log_format=\"1.") == true)
    }
  }

  @Test("compaction and segments are counted while a small log turns over")
  func compaction() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      _ = try daemon.submit(#"{"payload":"stays","queue":"kept"}"#)
      let connection = try daemon.connect()
      let payload = String(repeating: "x", count: 8 << 10)
      try waitUntil("a segment is trimmed") {
        for _ in 0..<20 {
          let id = try daemon.submit(#"{"payload":"\#(payload)","retention":"0s"}"#, on: connection)
          let lease = try daemon.lease(on: connection)
          #expect(lease.string("job_id") == id)
          let acked = try connection.send(
            "POST", "/jobs/\(id)/ack", daemon.worker, #"{"lease_id":"\#(lease.string("lease_id") ?? "")"}"#)
          #expect(acked.status == 200)
        }
        let metrics = try Exposed(daemon)
        return metrics["roost_compaction_trims_total"] ?? 0 >= 1
      }
      let metrics = try Exposed(daemon)
      #expect(try #require(metrics["roost_compaction_copied_records_total"]) >= 2, "the job that stays, and the queues")
      #expect(try #require(metrics["roost_compaction_copied_bytes_total"]) > 100)
      #expect(try #require(metrics["roost_log_segments"]) >= 2)
      #expect(try #require(metrics["roost_log_dead_bytes"]) > 0)
    }
  }

  @Test("with a port of their own, metrics are served there and nowhere else")
  func ownListener() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(["--metrics-port", "0"])
      let line = try #require(daemon.said.split(separator: "\n").first { $0.hasPrefix("metrics on ") })
      let url = try #require(URL(string: String(line.dropFirst("metrics on ".count))))
      let port = try #require(url.port)
      #expect(try daemon.connect().send("GET", "/metrics", nil).code == "route_not_found")
      #expect(try Exposed(port: port)["roost_log_writable"] == 1)
      let open = try WireClient(port: port)
      #expect(try open.send("GET", "/jobs", daemon.admin).code == "route_not_found")
      #expect(try open.send("GET", "/health", nil).status == 404)
      #expect(daemon.end(SIGTERM) == .exited(0))
    }
  }

  @Test("a metrics port that is taken is a failed start, and so is a main port when metrics have their own")
  func takenPorts() async throws {
    try await Scene.run { scene in
      let holder = try scene.start()
      defer { holder.end(SIGKILL) }
      let folder = scene.directory.appendingPathComponent("other")
      let metrics = #expect(throws: LiveDaemon.StartFailure.self) {
        try LiveDaemon(in: folder, ["--metrics-port", "\(holder.port)"])
      }
      #expect(
        metrics?.status == .exited(73) && metrics?.said.contains("METRICS_PORT") == true, "\(metrics?.said ?? "")")
      let main = #expect(throws: LiveDaemon.StartFailure.self) {
        try LiveDaemon(in: folder, ["--metrics-port", "0", "--port", "\(holder.port)"])
      }
      let reason = "cannot listen on 127.0.0.1:\(holder.port)"
      #expect(main?.status == .exited(73) && main?.said.contains(reason) == true, "\(main?.said ?? "")")
    }
  }

  @Test("the table in docs/metrics.md has exactly the metrics that the daemon exposes, with their kinds")
  func document() async throws {
    let exposed = try await Self.exposedAfterWork()
    var documented: [String: String] = [:]
    for line in try Self.text("docs/metrics.md").split(separator: "\n") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 3, cells[0].hasPrefix("`"), ["counter", "gauge", "histogram"].contains(cells[1]) else {
        continue
      }
      #expect(documented.updateValue(cells[1], forKey: cells[0].trimmingCharacters(in: ["`"])) == nil, "\(line)")
    }
    #expect(documented == exposed)
  }

  @Test("the dashboard is valid JSON, every panel asks for something, and only for metrics that exist")
  func dashboard() async throws {
    let exposed = try await Self.exposedAfterWork()
    let file = try Data(contentsOf: ReadmeTests.root.appendingPathComponent("docs/grafana-dashboard.json"))
    let dashboard = try #require(try JSONSerialization.jsonObject(with: file) as? [String: Any])
    let panels = try #require(dashboard["panels"] as? [[String: Any]])
    #expect(Set(panels.compactMap { $0["id"] as? Int }).count == panels.count)
    var used: Set<String> = []
    for panel in panels where panel["type"] as? String != "row" {
      let targets = panel["targets"] as? [[String: Any]] ?? []
      let title = panel["title"] as? String ?? ""
      #expect(!targets.isEmpty, "\(title)")
      for target in targets {
        let names = Self.metrics(in: target["expr"] as? String ?? "")
        #expect(!names.isEmpty, "\(title)")
        used.formUnion(names)
      }
    }
    let unknown = used.filter { !Self.isExposed($0, exposed) }
    #expect(unknown.isEmpty, "\(unknown)")
    #expect(used.count > 40)
  }

  @Test("promtool accepts the alert rules; they use metrics that exist, and the document explains each")
  func alerts() async throws {
    let exposed = try await Self.exposedAfterWork()
    let rules = ReadmeTests.root.appendingPathComponent("docs/alerts.yml")
    try await withDirectory { directory in
      let outcome = try promtool(["check", "rules", rules.path], in: directory)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }
    let text = try Self.text("docs/alerts.yml")
    let unknown = Self.metrics(in: text).filter { !Self.isExposed($0, exposed) }
    #expect(unknown.isEmpty, "\(unknown)")
    let names = text.split(separator: "\n").compactMap { line in
      line.contains("- alert: ") ? line.split(separator: " ").last.map(String.init) : nil
    }
    let rows = try Self.text("docs/metrics.md").split(separator: "\n").filter { $0.hasPrefix("| Roost") }
    #expect(rows.map { $0.split(separator: " ")[1] } == names.map { Substring($0) })
  }

  // MARK: Work and names

  /// Four jobs: one acknowledged, one dead, one whose lease expired once, one cancelled; a repeated submit, a wrong key.
  private static func work(on daemon: LiveDaemon) throws {
    let wire = try daemon.connect()
    let done = try daemon.submit(#"{"payload":1}"#, on: wire)
    #expect(try daemon.lease(on: wire).string("job_id") == done)
    #expect(try wire.send("POST", "/jobs/\(done)/ack", daemon.worker).state == "ACKED")
    let dead = try daemon.submit(#"{"payload":2,"max_retries":0}"#, on: wire)
    _ = try daemon.lease(on: wire)
    #expect(try wire.send("POST", "/jobs/\(dead)/ack", daemon.worker, #"{"result_error":"no"}"#).state == "DEAD")
    let again = #"{"payload":3,"idempotency_key":"k","lease":"1s","retry":{"initial":"1h","max":"1h"}}"#
    let expired = try daemon.submit(again, on: wire)
    #expect(try wire.send("POST", "/jobs", daemon.client, again).status == 200)
    _ = try daemon.lease(on: wire)
    try waitUntil("the lease has expired") { try daemon.get(expired).state == "RETRY" }
    let cancelled = try daemon.submit(#"{"payload":4}"#, on: wire)
    #expect(try wire.send("POST", "/jobs/\(cancelled)/cancel", daemon.client).state == "CANCELLED")
    #expect(try wire.send("GET", "/jobs", "wrong").status == 401)
  }

  /// Kinds of the metrics of a daemon that has done something of everything, by name.
  private static func exposedAfterWork() async throws -> [String: String] {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      try work(on: daemon)
      return try Exposed(daemon).kinds
    }
  }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: ReadmeTests.root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Names that look like ours in an expression.
  private static func metrics(in text: String) -> Set<String> {
    Set(text.matches(of: /\b(?:roost|process)_[a-z_]+/).map { String($0.output) })
  }

  private static func isExposed(_ name: String, _ exposed: [String: String]) -> Bool {
    if let kind = exposed[name] { return kind != "histogram" }
    return ["_bucket", "_sum", "_count"].contains { suffix in
      name.hasSuffix(suffix) && exposed[String(name.dropLast(suffix.count))] == "histogram"
    }
  }
}

/// What a daemon exposed at one moment.
private struct Exposed {
  let text: String
  /// By name and labels, as they stand in the text.
  var samples: [String: Double] = [:]
  /// By the family's name.
  var kinds: [String: String] = [:]

  init(_ daemon: LiveDaemon) throws { try self.init(port: daemon.port) }

  init(port: Int) throws {
    text = try WireClient(port: port).send("GET", "/metrics", nil).text
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("# TYPE ") {
        kinds[String(words[2])] = String(words[3])
      } else if !line.hasPrefix("#"), let value = words.last.flatMap({ Double($0) }) {
        samples[words.dropLast().joined(separator: " ")] = value
      }
    }
  }

  subscript(_ name: String) -> Double? { samples[name] }

  func passesPromtool(in directory: URL) throws {
    let file = directory.appendingPathComponent("metrics.txt")
    try Data(text.utf8).write(to: file)
    let outcome = try CommandOutcome(
      URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", "promtool check metrics <metrics.txt"], in: directory)
    #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.output)\(outcome.errors)")
  }
}

private func promtool(_ arguments: [String], in directory: URL) throws -> CommandOutcome {
  try CommandOutcome(URL(fileURLWithPath: "/usr/bin/env"), ["promtool"] + arguments, in: directory)
}
