import Foundation
import Testing
import Yams

/// Containers and services: what stands around the daemon is valid and agrees with it.
@Suite("Packaging")
struct PackagingTests {
  @Test("Dockerfile, docker-compose.yml, systemd unit and Kubernetes manifest pass their own tools")
  func tools() async throws {
    try await withDirectory { directory in
      let script = ReadmeTests.root.appendingPathComponent("scripts/packaging.sh")
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path], in: directory,
        environment: ProcessInfo.processInfo.environment.merging(["TMPDIR": directory.path]) { _, own in own })
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("Overall exposure level"), "\(outcome.output)")
      let score = outcome.output.split(separator: "\n").first { $0.contains("exposure level") }?.split(separator: " ")
        .last
      let document = try Self.text("docs/deployment.md")
      #expect(document.contains("exposure of \(try #require(score))"), "the document states the score \(score ?? "")")
    }
  }

  @Test("nothing starts a second daemon on a directory, and a damaged log is not tried again")
  func agreement() throws {
    let documents = try Yams.load_all(yaml: Self.text("packaging/kubernetes.yaml")).compactMap { $0 as? [String: Any] }
    let set = try #require(documents.first { $0["kind"] as? String == "StatefulSet" }?["spec"] as? [String: Any])
    #expect(set["replicas"] as? Int == 1)
    let claims = try #require(set["volumeClaimTemplates"] as? [[String: Any]])
    #expect((claims[0]["spec"] as? [String: Any])?["accessModes"] as? [String] == ["ReadWriteOncePod"])
    let pod = try #require((set["template"] as? [String: Any])?["spec"] as? [String: Any])
    let container = try #require((pod["containers"] as? [[String: Any]])?.first)
    let probes = [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"), ("startupProbe", "/healthz")]
    for (probe, path) in probes {
      #expect(((container[probe] as? [String: Any])?["httpGet"] as? [String: Any])?["path"] as? String == path)
    }
    // Longer than SHUTDOWN_TIMEOUT, 30 s: what is in flight is answered before anyone kills.
    #expect(try #require(pod["terminationGracePeriodSeconds"] as? Int) > 30)
    let unit = try Self.text("packaging/roost.service").split(separator: "\n").map(String.init)
    for line in ["RestartPreventExitStatus=64 65", "Restart=on-failure", "TimeoutStopSec=45s"] {
      #expect(unit.contains(line), "\(line)")
    }
  }

  @Test("roost health tells a daemon that lives and is ready from one that is gone")
  func health() async throws {
    try await withDirectory { directory in
      let daemon = try DaemonProcess(in: directory)
      defer { daemon.kill() }
      let url = ["--url", "http://127.0.0.1:\(daemon.port)"]
      let live = try CommandOutcome(roost: ["health"] + url, in: directory)
      #expect(live.status == 0 && live.output == "{\"status\":\"ok\"}\n", "\(live.errors)")
      let ready = try CommandOutcome(
        roost: ["health", "--ready"], in: directory, environment: ["PORT": "\(daemon.port)"])
      #expect(ready.status == 0 && ready.output.contains(#""status":"ready""#), "\(ready.errors)")
      // What stands in place of the keys is no key store: alive, but not ready.
      let file = directory.appendingPathComponent("data/keys.json")
      try FileManager.default.removeItem(at: file)
      try Data("not keys".utf8).write(to: file)
      #expect(try CommandOutcome(roost: ["health"] + url, in: directory).status == 0)
      // What it says may be a second old.
      try waitUntil("it is not ready") {
        let unready = try CommandOutcome(roost: ["health", "--ready"] + url, in: directory)
        return unready.status == 1 && unready.output.contains(#""keys":"unavailable""#)
      }
      daemon.kill()
      let gone = try CommandOutcome(roost: ["health"] + url, in: directory)
      #expect(gone.status == 69 && gone.errors.contains("no answer from http://127.0.0.1"), "\(gone.errors)")
    }
  }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: ReadmeTests.root.appendingPathComponent(path), encoding: .utf8)
  }
}
