import Foundation
import RoostCommand
import Testing

/// The settings file: what stands in it is taken or refused, never overlooked.
@Suite("Settings file")
struct SettingsFileTests {
  private static let secret = "sekret-of-redis"

  @Test("a flag goes before the environment, the environment before the file, the file before the default")
  func precedence() async throws {
    try await withDirectory { directory in
      let file = try Self.file("port: 1\nmax_queues: 2\nretention: 3d\n", in: directory)
      let configuration = try ServeConfiguration(
        flags: [.port: "7"], environment: ["PORT": "8", "MAX_QUEUES": "9", "RETENTION": ""], configFile: file)
      #expect(configuration.port == 7)
      #expect(configuration.maxQueues == 9)
      #expect(configuration.retentionMilliseconds == 3 * 86_400_000, "an empty variable counts as none")
      #expect(configuration.sources[.retention] == .file("\(file):retention"))
      #expect(configuration.sources[.leaseDuration] == nil)
      let other = try Self.file("port: 5\n", in: directory, named: "other.yaml")
      #expect(try ServeConfiguration(environment: ["ROOST_CONFIG": other]).port == 5)
      #expect(try ServeConfiguration(environment: ["ROOST_CONFIG": other], configFile: file).port == 1)
    }
  }

  @Test(
    "a key or value that is none is named, with file, key and line, and the nearest name",
    arguments: [
      ("wal-dir: x", "roost.yaml:wal-dir, line 1: there is no such setting: did you mean wal_dir?"),
      (
        "\nlease_duraton: 3s",
        "roost.yaml:lease_duraton, line 2: there is no such setting: did you mean lease_duration?"
      ),
      ("PORT: 1", "roost.yaml:PORT, line 1: there is no such setting: did you mean port?"),
      ("nothing_like_any: 1", "roost.yaml:nothing_like_any, line 1: there is no such setting"),
      ("port: 80a", "PORT (roost.yaml:port): \"80a\" is not a whole number from 0 to 65535"),
      ("port: true", "PORT (roost.yaml:port): \"true\" is not a whole number"),
      ("port: [1]", "PORT (roost.yaml:port, line 1): a list is not a whole number"),
      ("host: {a: b}", "HOST (roost.yaml:host, line 1): a mapping is not an address"),
      ("server:\n  port: 1", "roost.yaml:server, line 1: there is no such setting"),
      ("log_level:", "LOG_LEVEL (roost.yaml:log_level, line 1): it has no value"),
      ("log_level: ~", "LOG_LEVEL (roost.yaml:log_level, line 1): it has no value"),
      ("log_level: ''", "LOG_LEVEL (roost.yaml:log_level): \"\" is not one of"),
      ("lease_duration: 30", "LEASE_DURATION (roost.yaml:lease_duration): \"30\" is not a duration"),
      ("port: 1\nhost: ::1\nport: 2", "given twice: port"),
      ("? [a]\n: 1", "a key is not a name"),
      ("- port", "this is not a list of `name: value` lines"),
      ("port", "this is not a list of `name: value` lines"),
      ("port: 1\n---\nport: 2", "this is not valid YAML"),
      ("port: \"1", "this is not valid YAML"),
      ("port: *gone", "this is not valid YAML"),
    ])
  func refused(text: String, expected: String) async throws {
    try await withDirectory { directory in
      let problems = try Self.problems(text, in: directory)
      #expect(problems.count == 1, "\(problems)")
      #expect(problems.first?.contains(expected) == true, "\(problems)")
    }
  }

  @Test("a secret is in no problem, whatever is wrong with it or beside it")
  func secrets() async throws {
    try await withDirectory { directory in
      for text in [
        "redis_url: http://:\(Self.secret)@h", "redis_url: redis://:\(Self.secret)@h\nredis_url: x",
        "redis_url: [redis://:\(Self.secret)@h]", "redis_url: redis://:\(Self.secret)@h\n bad: \"",
        "redis_url: \"redis://:\(Self.secret)@h", "redis_url: redis://:\(Self.secret)@h: x\nport: x",
      ] {
        let problems = try Self.problems(text, in: directory)
        #expect(!problems.isEmpty && !problems.joined().contains(Self.secret), "\(problems)")
      }
      let flags = #expect(throws: ConfigurationProblems.self) {
        try ServeConfiguration(unknownArguments: ["--redis-url", "redis://:\(Self.secret)@h"])
      }
      #expect(flags?.problems.count == 1 && flags?.description.contains("set REDIS_URL") == true)
      let all = #expect(throws: ConfigurationProblems.self) {
        try ServeConfiguration(
          environment: ["REDIS_URL": Self.secret],
          unknownArguments: ["--redis-ulr=redis://:\(Self.secret)@h", "redis://:\(Self.secret)@h"])
      }
      #expect(all?.problems.count == 3 && all?.description.contains(Self.secret) == false, "\(all?.description ?? "")")
      let good = try ServeConfiguration(environment: ["REDIS_URL": "redis://:\(Self.secret)@h"])
      #expect(good.redis != nil)
      #expect(good.printed.contains("REDIS_URL=(redacted)  # environment") && !good.printed.contains(Self.secret))
      #expect(!"\(good.given)".contains(Self.secret))
    }
  }

  @Test("a file that is missing, a directory, no text or far too large is refused, and one of comments is empty")
  func files() async throws {
    try await withDirectory { directory in
      for path in ["/nonexistent/roost.yaml", directory.path] {
        #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(configFile: path) }
      }
      let file = directory.appendingPathComponent("f").path
      for bytes in [Data([0x70, 0xFF, 0xFE]), Data(repeating: 0x23, count: 2 << 20)] {
        try bytes.write(to: URL(fileURLWithPath: file))
        #expect(throws: ConfigurationProblems.self) { try ServeConfiguration(configFile: file) }
      }
      for text in ["", "# only a comment\n", "---\n", "port: 8080 # as ever\n"] {
        #expect(try ServeConfiguration(configFile: Self.file(text, in: directory)).port == 8_080)
      }
    }
  }

  @Test("fault 46: bad, unknown and contradictory settings of three sources are all listed; nothing is touched")
  func everythingAtOnce() async throws {
    try await withDirectory { directory in
      let text = "port: many\nlease_duraton: 3s\nretention: [1d]\nredis_url: http://:\(Self.secret)@h\n"
      let file = directory.appendingPathComponent("roost.yaml")
      try Data(text.utf8).write(to: file)
      let arguments = ["--prot", "80", "--config", "roost.yaml", "--host", "0.0.0.0", "--tls-client-ca", "ca", "stray"]
      for format in ["text", "json"] {
        let outcome = try CommandOutcome(
          roost: ["serve"] + arguments, in: directory,
          environment: ["LEASE_DURATION": "soon", "LOG_LEVEL": "error", "ACCESS_LOG": "1", "LOG_FORMAT": format])
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty)
        for expected in [
          "--prot (flag): there is no such flag: did you mean --port?", "(command line): settings are flags",
          "roost.yaml:lease_duraton, line 2", "RETENTION (roost.yaml:retention, line 3)", "PORT (roost.yaml:port)",
          "REDIS_URL (roost.yaml:redis_url): its value is not", "LEASE_DURATION (environment)", "HOST (flag --host)",
          "TLS_CLIENT_CA (flag --tls-client-ca): it needs", "ACCESS_LOG (environment): its lines are of level info",
          "10 problems",
        ] {
          #expect(outcome.errors.contains(expected), "\(outcome.errors)")
        }
        #expect(!outcome.errors.contains(Self.secret))
        let lines = outcome.errors.split(separator: "\n")
        #expect(format == "text" ? lines.count == 11 : lines.allSatisfy { JSONLine($0) != nil } && lines.count == 1)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["roost.yaml"])
    }
  }

  private static func file(_ text: String, in directory: URL, named name: String = "roost.yaml") throws -> String {
    let file = directory.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    return file.path
  }

  private static func problems(_ text: String, in directory: URL) throws -> [String] {
    let path = try file(text, in: directory)
    do throws(ConfigurationProblems) {
      _ = try ServeConfiguration(configFile: path)
      return []
    } catch {
      return error.problems.map { $0.replacingOccurrences(of: directory.path + "/", with: "") }
    }
  }
}
