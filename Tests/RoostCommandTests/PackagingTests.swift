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
    for line in [
      "RestartPreventExitStatus=64 65", "Restart=on-failure", "TimeoutStopSec=45s", "StartLimitIntervalSec=0",
      "ExecStart=/usr/local/bin/roost serve", "ExecReload=/bin/kill -HUP $MAINPID", "ProtectHome=yes",
    ] {
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

  @Test("roost health finds a daemon with TLS by the settings beside it, and says so where the scheme is the wrong one")
  func healthWithTLS() async throws {
    try await withDirectory { directory in
      let made = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
          "9",
          "-subj", "/CN=jobs.example.org", "-addext", "subjectAltName=DNS:jobs.example.org", "-keyout", "key.pem",
          "-out", "cert.pem",
        ], in: directory)
      #expect(made.status == 0, "\(made.errors)")
      let secure = try DaemonProcess(in: directory, ["--tls-cert", "cert.pem", "--tls-key", "key.pem"])
      let plain = try DaemonProcess(in: directory, ["--wal-dir", "plain"])
      defer {
        secure.kill()
        plain.kill()
      }
      func health(_ environment: [String: String], _ arguments: [String] = []) throws -> CommandOutcome {
        try CommandOutcome(roost: ["health"] + arguments, in: directory, environment: environment)
      }
      let settings = ["HOST": "0.0.0.0", "PORT": "\(secure.port)", "TLS_CERT": "cert.pem", "TLS_KEY": "key.pem"]
      let found = try health(settings)
      #expect(found.status == 0 && found.output.contains("ok"), "\(found.errors)")
      #expect(try health(settings.merging(["ROOST_CA": "cert.pem"]) { own, _ in own }).status == 0)
      let file = "port: \(secure.port)\ntls_cert: cert.pem\ntls_key: key.pem\n"
      try Data(file.utf8).write(to: directory.appendingPathComponent("roost.yaml"))
      #expect(try health(["ROOST_CONFIG": "roost.yaml"]).status == 0)
      // Any other daemon's certificate is judged.
      let other = try health([:], ["--url", "https://127.0.0.1:\(secure.port)"])
      #expect(other.status == 69 && other.errors.contains("not trusted"), "\(other.errors)")
      let insecure = try health(["PORT": "\(secure.port)"])
      #expect(insecure.status == 69 && insecure.errors.contains("begins with https://"), "\(insecure.errors)")
      let eager = try health([:], ["--url", "https://127.0.0.1:\(plain.port)"])
      #expect(eager.status == 69 && eager.errors.contains("begins with http://"), "\(eager.errors)")
    }
  }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: ReadmeTests.root.appendingPathComponent(path), encoding: .utf8)
  }
}
