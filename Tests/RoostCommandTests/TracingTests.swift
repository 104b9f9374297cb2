import Foundation
import SecretWatch
import Spawning
import Testing

/// Traces as a collector gets them: decoded by the Python package opentelemetry-proto.
@Suite("Traces")
struct TracingTests {
  @Test("submit, lease and acknowledgement are send, receive and settle, in the traces of their requests")
  func messaging() async throws {
    try await Scene.run { scene in
      let collector = try Collector(scene)
      defer { collector.end() }
      let daemon = try scene.start(
        Scene.quick + ["--access-log"],
        environment: [
          "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_SERVICE_NAME": "queue",
          "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b",
          "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
          "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0",
        ])
      let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
      let parent = "traceparent: 00-\(trace)-00f067aa0ba902b7-01"
      let wire = try daemon.connect()
      let made = try wire.send(
        "POST", "/jobs", daemon.client, #"{"payload":1,"queue":"mail"}"#, headers: [parent, "tracestate: a=1,b=2"])
      let job = try #require(made.string("job_id"))
      // Whoever did not ask for a trace begins none: the sampler's share is 0.
      _ = try wire.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"mail"}"#)
      let leased = try wire.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["mail"]}"#, headers: [parent])
      #expect(leased.string("job_id") == job && leased.string("tracestate") == "a=1,b=2")
      let lease = try #require(leased.string("lease_id"))
      _ = try wire.send("POST", "/jobs/\(job)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#, headers: [parent])
      let again = try wire.send(
        "POST", "/jobs/\(job)/ack", daemon.worker, #"{"lease_id":"9-9"}"#, headers: [parent])
      #expect(again.status == 409)
      let history = try wire.send("GET", "/jobs/\(job)/history", daemon.client)
      #expect(history.string("trace_id") == trace)
      // What waits leaves before the process does.
      daemon.end(SIGTERM)
      #expect(daemon.said.components(separatedBy: "trace_id=\(trace)").count == 1 + 4, "\(daemon.said)")
      let spans = try collector.spans()
      #expect(spans.map(\.name) == ["send mail", "receive mail", "settle", "settle"], "\(spans)")
      #expect(spans.map(\.kind) == ["producer", "client", "client", "client"])
      #expect(spans.allSatisfy { $0.traceID == trace && $0.parent == "00f067aa0ba902b7" })
      #expect(spans[0].state == "a=1,b=2" && spans[1].state == "")
      #expect(spans.map(\.status) == ["unset", "unset", "unset", "error"])
      #expect(leased.string("traceparent") == "00-\(trace)-\(spans[0].spanID)-01", "it carries the span that sent it")
      #expect(spans[1].links == ["\(trace)-\(spans[0].spanID)"])
      #expect(spans[2].attributes["messaging.message.id"] == job && spans[0].attributes["messaging.message.id"] == job)
      #expect(spans.allSatisfy { $0.attributes["messaging.system"] == "roost" })
      #expect(spans[0].attributes["messaging.destination.name"] == "mail")
      #expect(spans[0].resource["service.name"] == "queue")
      #expect(spans[0].resource["deployment.environment.name"] == "test" && spans[0].headers["x-tenant"] == "a b")
      #expect(spans[3].attributes["error.type"] == again.code)
    }
  }

  @Test("a collector that fails is asked again, and nobody waits for it: what it never takes is dropped and counted")
  func failing() async throws {
    try await Scene.run { scene in
      let collector = try Collector(scene, "503")
      defer { collector.end() }
      let daemon = try scene.start(environment: [
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_BSP_SCHEDULE_DELAY": "1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "2", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
      ])
      for _ in 0..<50 { _ = try daemon.submit() }
      try waitUntil("something was exported, and something dropped") {
        try daemon.gauge("roost_spans_dropped_total") > 0 && !collector.spans().isEmpty
      }
      let exported = try collector.spans().count
      #expect(exported < 50)
      daemon.end(SIGKILL)
    }
  }

  @Test("a collector that never answers holds up neither requests nor the stop", arguments: ["hang", "drip"])
  func stuck(fate: String) async throws {
    try await Scene.run { scene in
      let collector = try Collector(scene, fate, fate, fate)
      defer { collector.end() }
      let daemon = try scene.start(environment: [
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_BSP_SCHEDULE_DELAY": "1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "600000",
      ])
      _ = try daemon.submit()
      try waitUntil("the collector was asked") { collector.wasAsked }
      for _ in 0..<20 { _ = try daemon.submit() }
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
      #expect(daemon.said.contains("stopped"), "\(daemon.said)")
    }
  }

  @Test("a second signal ends a daemon at once that still tells a collector")
  func secondSignal() async throws {
    try await Scene.run { scene in
      let collector = try Collector(scene, "hang")
      defer { collector.end() }
      let daemon = try scene.start(environment: [
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(collector.port)", "OTEL_BSP_SCHEDULE_DELAY": "600000",
      ])
      let job = try daemon.submit()
      daemon.signal(SIGTERM)
      // The log is closed before.
      try waitUntil("the collector is asked") { collector.wasAsked }
      #expect(daemon.end(SIGTERM) == .signalled(SIGTERM), "\(daemon.said)")
      let verdict = try scene.roost(["wal", "verify", scene.data.path])
      #expect(verdict.status == 0 && verdict.output.contains("cleanly stopped"), "\(verdict.output)")
      #expect(try scene.start([]).get(job).state == "READY")
    }
  }

  @Test("a variable that cannot be is said at the start, and its value is not repeated")
  func wrong() async throws {
    try await Scene.run { scene in
      let refusal = try scene.roost(
        ["serve", "--dev", "--port", "0", "--wal-dir", scene.data.path],
        environment: [
          "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
          "OTEL_TRACES_SAMPLER": "sometimes", "OTEL_EXPORTER_OTLP_HEADERS": "hidden-secret",
        ])
      #expect(refusal.status == 64)
      for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS"] {
        #expect(refusal.errors.contains(name), "\(refusal.errors)")
      }
      #expect(!refusal.errors.contains("hidden-secret"))
      expectNoSecret(in: Array(refusal.errors.utf8), from: "standard error")
    }
  }
}

/// `scripts/otlp-collector.py`, and what it was sent.
private final class Collector {
  struct Span {
    let traceID, spanID, parent, state, name, kind, status: String
    let links: [String]
    let attributes, resource, headers: [String: String]
    let start: Int

    init(_ json: [String: Any]) {
      func text(_ name: String) -> String { json[name] as? String ?? "" }
      func texts(_ name: String) -> [String: String] { (json[name] as? [String: Any] ?? [:]).mapValues { "\($0)" } }
      (traceID, spanID, parent, state) = (text("trace_id"), text("span_id"), text("parent"), text("state"))
      (name, kind, status) = (text("name"), text("kind"), text("status"))
      links = json["links"] as? [String] ?? []
      (attributes, resource, headers) = (texts("attributes"), texts("resource"), texts("headers"))
      start = json["start"] as? Int ?? 0
    }
  }

  let port: Int
  private let process: Int32
  private let file: URL

  /// - Parameter fates: What becomes of its first requests.
  init(_ scene: Scene, _ fates: String...) throws {
    let scripts = ReadmeTests.root.appendingPathComponent("scripts")
    let tools = try CommandOutcome(
      URL(fileURLWithPath: "/usr/bin/env"),
      [
        "bash", scripts.appendingPathComponent("python-tools.sh").path, "otlp",
        scripts.appendingPathComponent("otlp-requirements.txt").path, DaemonProcess.binary.path,
      ], in: scene.directory, environment: ProcessInfo.processInfo.environment)
    let python = tools.output.trimmingCharacters(in: .newlines) + "/venv/bin/python"
    file = scene.directory.appendingPathComponent("spans.jsonl")
    let said = ["out", "err"].map { scene.directory.appendingPathComponent("collector.\($0)") }
    process = try SpawnedProcess.start(
      [python, scripts.appendingPathComponent("otlp-collector.py").path, file.path] + fates,
      in: scene.directory, environment: [:], output: said[0], errors: said[1])
    var port: Int?
    try waitUntil("the collector listens") {
      port = Int(try String(contentsOf: said[0], encoding: .utf8).trimmingCharacters(in: .newlines))
      return port != nil
    }
    self.port = port ?? 0
  }

  func end() {
    kill(process, SIGKILL)
    _ = SpawnedProcess.wait(process)
  }

  var wasAsked: Bool { FileManager.default.fileExists(atPath: file.path + ".asked") }

  /// In the order in which they began.
  func spans() throws -> [Span] {
    guard let bytes = try? Data(contentsOf: file) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
      (try? JSONSerialization.jsonObject(with: $0) as? [String: Any]).map { Span($0) }
    }.sorted { $0.start < $1.start }
  }
}
