import Foundation
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
        environment: ["LEASE_DURATION": "soon", "ACCESS_LOG": "perhaps", "LOG_LEVEL": "loud", "TLS_CERT": "x.pem"])
    }
    let text = error?.description ?? ""
    for expected in [
      "PORT (flag --port)", "SEGMENT_BYTES (flag --segment-bytes)", "LEASE_DURATION (environment)",
      "ACCESS_LOG (environment)", "LOG_LEVEL (environment)", "TLS_CERT (environment)",
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

  @Test("loopback in every form needs nothing", arguments: ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
  func loopback(host: String) throws {
    #expect(try ServeConfiguration(flags: [.host: host], isDevelopment: true).host == host)
  }

  @Test("the address of Redis comes from a variable or a file, and no print or problem shows its password")
  func redis() async throws {
    try await withDirectory { directory in
      let file = directory.appendingPathComponent("redis.url")
      try "redis://:s3cret@localhost/2\nanything".write(to: file, atomically: true, encoding: .utf8)
      let named = try ServeConfiguration(
        flags: [.redisURL: file.path], environment: ["REDIS_URL": "redis://elsewhere"])
      #expect(named.printed.contains("REDIS_URL=redis://:***@localhost:6379/2  # flag --redis-url-file"))
      let variable = try ServeConfiguration(environment: ["REDIS_URL": "redis://ada:s3cret@h:1"])
      #expect(variable.printed.contains("REDIS_URL=redis://ada:***@h:1/0  # environment"))
      #expect(try ServeConfiguration(environment: ["REDIS_URL": ""]).redis == nil)
      for text in [named.printed, variable.printed] { #expect(!text.contains("s3cret")) }
      for wrong in ["rediss://:s3cret@h", "s3cret", "redis://:s3cret@h:x"] {
        let outcome = try CommandOutcome(
          roost: ["serve", "--wal-dir", directory.path], in: directory, environment: ["REDIS_URL": wrong])
        #expect(outcome.status == 64 && outcome.errors.contains("REDIS_URL (environment)"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("s3cret"))
      }
      let none = #expect(throws: ConfigurationProblems.self) {
        try ServeConfiguration(flags: [.redisURL: directory.path + "/nothing"])
      }
      #expect(none?.description.contains("cannot be read") == true)
    }
  }

  @Test("sizes take units and do not overflow")
  func sizes() throws {
    #expect(try ServeConfiguration(flags: [.maxPayloadBytes: "2MiB"]).maxPayloadBytes == 2_097_152)
    #expect(try ServeConfiguration(flags: [.memoryLimit: "1GiB"]).memoryLimitBytes == 1 << 30)
    #expect(throws: ConfigurationProblems.self) {
      try ServeConfiguration(flags: [.memoryLimit: "9223372036854775807GiB"])
    }
  }

  @Test("every setting is printed with its source, has a flag, and stands in docs/configuration.md")
  func everySetting() async throws {
    let printed = try ServeConfiguration(environment: ["PORT": "9"]).printed
    let document = try String(
      contentsOf: ReadmeTests.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
    let help = try await withDirectory { try CommandOutcome(roost: ["serve", "--help"], in: $0).output }
    for setting in Setting.allCases {
      #expect(printed.contains("\(setting.rawValue)="))
      #expect(document.contains("`\(setting.rawValue)`"))
      #expect(help.contains(setting.flag))
    }
    #expect(printed.contains("PORT=9  # environment"))
    #expect(printed.contains("HOST=127.0.0.1  # default"))
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
