import Foundation
import Logging
import RoostCommand
import Testing

/// Settings as the daemon reads them, and what it does with wrong ones.
@Suite("Serve configuration")
struct ServeConfigurationTests {
  @Test("a flag goes before the environment, the environment before the default")
  func precedence() throws {
    let configuration = try ServeConfiguration(
      flags: [.port: "1"], environment: ["PORT": "2", "LEASE_DURATION": "1m30s", "WAL_DIR": ""])
    #expect(configuration.port == 1)
    #expect(configuration.leaseMilliseconds == 90_000)
    #expect(configuration.dataDirectory == "./data", "an empty variable counts as none")
    #expect(configuration.retentionMilliseconds == 86_400_000)
  }

  @Test("every problem is listed at once, with where the value came from")
  func allProblems() {
    let error = #expect(throws: ConfigurationProblems.self) {
      try ServeConfiguration(
        flags: [.port: "70000", .segmentBytes: "12"],
        environment: ["LEASE_DURATION": "soon", "ACCESS_LOG": "perhaps", "LOG_LEVEL": "loud", "REDIS_URL": "http://x"])
    }
    let text = error?.description ?? ""
    for expected in [
      "PORT (flag --port)", "SEGMENT_BYTES (flag --segment-bytes)", "LEASE_DURATION (environment)",
      "ACCESS_LOG (environment)", "LOG_LEVEL (environment)", "REDIS_URL (environment)",
    ] {
      #expect(text.contains(expected), "\(text)")
    }
    #expect(error?.problems.count == 6)
  }

  @Test(
    "an address beyond loopback needs ALLOW_PLAINTEXT and never goes with --dev",
    arguments: ["0.0.0.0", "192.168.1.2", "::", "127.1.example.org", "example.org"])
  func plaintext(host: String) throws {
    #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(flags: [.host: host]) }
    let allowed = try ServeConfiguration(flags: [.host: host, .allowPlaintext: "true"])
    #expect(allowed.host == host)
    #expect(throws: ConfigurationProblems.self) {
      try ServeConfiguration(flags: [.host: host, .allowPlaintext: "true"], isDevelopment: true)
    }
  }

  @Test("TLS opens an address beyond loopback; certificate and key go together, and client certificates need them")
  func tls() throws {
    let pair = [Setting.tlsCertificate: "cert.pem", .tlsKey: "key.pem"]
    let open = try ServeConfiguration(flags: pair.merging([.host: "0.0.0.0"]) { own, _ in own })
    #expect(open.tlsKeyFile == "key.pem" && open.host == "0.0.0.0")
    for setting in [Setting.tlsCertificate, .tlsKey, .tlsClientCA] {
      let error = #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(flags: [setting: "x.pem"]) }
      #expect(error?.description.contains("\(setting.rawValue) (flag \(setting.flag ?? ""))") == true)
      #expect(error?.problems.count == 1)
    }
  }

  @Test("loopback in every form needs nothing", arguments: ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
  func loopback(host: String) throws {
    #expect(try ServeConfiguration(flags: [.host: host], isDevelopment: true).host == host)
  }

  @Test("sizes take units and do not overflow")
  func sizes() throws {
    #expect(try ServeConfiguration(flags: [.maxPayloadBytes: "2MiB"]).maxPayloadBytes == 2_097_152)
    #expect(try ServeConfiguration(flags: [.memoryLimit: "1GiB"]).memoryLimitBytes == 1 << 30)
    #expect(throws: ConfigurationProblems.self) {
      try ServeConfiguration(flags: [.memoryLimit: "9223372036854775807GiB"])
    }
  }

  @Test("other spellings of a level and a format, as older settings have them")
  func spellings() throws {
    let configuration = try ServeConfiguration(environment: ["LOG_LEVEL": "WARN", "LOG_FORMAT": "console"])
    #expect(configuration.logLevel == .warning && configuration.logFormat == .text)
    #expect(try ServeConfiguration(flags: [.leaseDuration: "1.5h"]).leaseMilliseconds == 5_400_000)
    #expect(try ServeConfiguration().idleTimeout > .seconds(90), "Go keeps a connection for so long")
    #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(environment: ["LOG_FORMAT": "consol"]) }
  }

  @Test("settings that contradict each other are refused together")
  func contradictions() {
    let error = #expect(throws: ConfigurationProblems.self) {
      try ServeConfiguration(
        flags: [.tlsCertificate: "c", .metricsHost: "127.0.0.9", .leaseCheckInterval: "1m", .accessLog: "true"],
        environment: ["TLS_CLIENT_CA": "a", "LOG_LEVEL": "error"])
    }
    for expected in [
      "TLS_CERT (flag --tls-cert): it needs TLS_KEY", "METRICS_HOST (flag --metrics-host)",
      "LEASE_CHECK_INTERVAL (flag --lease-check-interval)", "ACCESS_LOG (flag --access-log)",
    ] {
      #expect(error?.problems.contains { $0.hasPrefix(expected) } == true, "\(error?.description ?? "")")
    }
    #expect(error?.problems.count == 4)
    #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(flags: [.tlsKey: "k"]) }
    #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(flags: [.tlsClientCA: "a"]) }
    #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(flags: [.port: "9", .metricsPort: "9"]) }
  }

  @Test("TLS serves any address")
  func tlsBeyondLoopback() throws {
    let configuration = try ServeConfiguration(flags: [.host: "0.0.0.0", .tlsCertificate: "c", .tlsKey: "k"])
    #expect(configuration.tlsCertificateFile == "c" && configuration.tlsKeyFile == "k")
  }

  @Test("a variable that is ours but for a slip is refused or named; those of others are left alone")
  func strayVariables() throws {
    for name in ["ROOST_CONFG", "ROOST_WAL_DIR", "ROOST_LEASE_DURATON"] {
      let error = #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(environment: [name: "x"]) }
      #expect(error?.problems.first?.contains("\(name) (environment)") == true, "\(error?.description ?? "")")
    }
    let slip = try ServeConfiguration(environment: ["LEASE_DURATON": "9s"])
    #expect(slip.warnings.first?.contains("did you mean LEASE_DURATION?") == true)
    let others = try ServeConfiguration(environment: [
      "ROOST_PORT": "tcp://10.0.0.1:8080", "ROOST_SERVICE_HOST": "10.0.0.1", "ROOST_URL": "u", "ROOST_CA": "c",
      "ROOST_PORT_8080_TCP_ADDR": "10.0.0.1", "ROOST_SCRATCH": "s", "ROOST_BIN": "b", "PATH": "p", "HOME": "h",
    ])
    #expect(others.warnings.isEmpty)
  }

  @Test("a wrong setting ends the daemon with 64 before it touches the directory")
  func exitCode() async throws {
    try await withDirectory { directory in
      let outcome = try CommandOutcome(roost: ["serve", "--port", "x"], in: directory)
      #expect(outcome.status == 64)
      #expect(outcome.errors.contains("PORT (flag --port)"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
  }
}
