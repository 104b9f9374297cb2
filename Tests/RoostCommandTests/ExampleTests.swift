import Foundation
import Spawning
import Testing

/// The programs of `sdk-examples`, run as their README says against a started daemon.
@Suite("SDK examples")
struct ExampleTests {
  @Test("a simple client gets its result from a simple worker, which drains on SIGTERM")
  func simple() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let worker = try SpawnedProcess(
        [Self.program("02-simple-worker").path], environment: Self.environment(daemon, daemon.worker))
      let client = try Self.run("01-simple-client", daemon, daemon.client, in: directory)
      #expect(client.status == 0, "\(client.errors)")
      #expect(client.output.contains("READY"))
      #expect(client.output.contains("result: Hello, Ada! This was attempt 1."))
      kill(worker.process, SIGTERM)
      #expect(SpawnedProcess.wait(worker.process) == 0)
      #expect(SpawnedProcess.available(worker.output).contains("greeting Ada"))
      close(worker.output)
      close(worker.errors)
    }
  }

  @Test("a wrong key, no key and no daemon end a program of the quick start in one line, without a trap")
  func slips() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      func ends(_ name: String, _ key: String, _ code: String) throws {
        let outcome = try Self.run(name, daemon, key, in: directory)
        #expect(outcome.status == 1, "\(outcome.status)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("Simple") && outcome.errors.contains(code), "\(outcome.errors)")
      }
      for name in ["01-simple-client", "02-simple-worker"] {
        try ends(name, "client_wrong", "invalid_key")
        try ends(name, "", "ROOST_KEY")
      }
      try ends("02-simple-worker", daemon.client, "forbidden_scope")
      try ends("01-simple-client", daemon.worker, "forbidden_scope")
    }
  }

  @Test("a video is transcoded with progress, and its thumbnail taken")
  func video() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let outcome = try Self.run("03-video-processing", daemon, daemon.admin, in: directory)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("made a test video of 4.0 s"))
      #expect(outcome.output.contains("worker: 100 %"))
      for line in [/transcoded to ([0-9]+) bytes/, /thumbnail of ([0-9]+) bytes/] {
        let bytes = try #require(outcome.output.firstMatch(of: line)?.output.1)
        #expect(try #require(Int(bytes)) > 1_000)
      }
    }
  }

  @Test("a batch is submitted to its last job while its progress bar fills")
  func batch() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let outcome = try Self.run("04-batch-submit", daemon, daemon.client, ["2500"], in: directory)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("░ 1000/2500"))
      #expect(outcome.output.contains("\r\(String(repeating: "█", count: 40)) 2500/2500"))
      #expect(outcome.output.contains("2500 submitted, 0 refused"))
    }
  }

  @Test("typed results, a permanent failure and a retry come out as the example says")
  func results() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let outcome = try Self.run("05-custom-results", daemon, daemon.admin, in: directory)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains(#"9 words, the longest is quick, "the" comes 2 times"#))
      #expect(outcome.output.contains("is DEAD: there are no words in an empty text"))
      #expect(outcome.output.contains("after 2 attempts: please, with pleasure"))
    }
  }

  @Test("schedules make their jobs, a payment is booked once, and middleware surrounds a handler")
  func laterExamples() async throws {
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let schedules = try Self.run("06-schedules", daemon, daemon.admin, in: directory)
      #expect(schedules.status == 0, "\(schedules.errors)")
      #expect(schedules.output.components(separatedBy: "tick of the schedule often").count == 4)
      #expect(schedules.output.contains("runs: 3"), "\(schedules.output)")
      let payments = try Self.run("07-idempotent-payments", daemon, daemon.admin, in: directory)
      #expect(payments.status == 0, "\(payments.errors)")
      #expect(payments.output.contains("order 3: was booked by an earlier attempt"), "\(payments.output)")
      #expect(payments.output.contains("5 payments, 1500 cents"), "\(payments.output)")
      let middleware = try Self.run("08-middleware", daemon, daemon.admin, in: directory)
      #expect(middleware.status == 0, "\(middleware.errors)")
      #expect(middleware.output.contains("<- snooze\n-> partner.call, attempt 1\n<- complete"), "\(middleware.output)")
      #expect(middleware.output.contains("called /orders"))
    }
  }

  @Test("the package of the examples is sound and has the programs that are tested here")
  func package() async throws {
    try await withDirectory { directory in
      // The package manager asked as a user would, without building every dependency a second time.
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        ["swift", "package", "--package-path", Self.folder.path, "dump-package"], in: directory,
        environment: ["HOME": ProcessInfo.processInfo.environment["HOME"] ?? directory.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let manifest = try JSONDecoder().decode(Manifest.self, from: Data(outcome.output.utf8))
      let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path + "/Sources").sorted()
      #expect(manifest.targets.map(\.name).sorted() == folders)
      let programs = folders.filter { $0 != "CSQLite" }
      let readme = try String(contentsOf: Self.folder.appendingPathComponent("README.md"), encoding: .utf8)
      for name in programs {
        #expect(FileManager.default.isExecutableFile(atPath: Self.program(name).path), "\(name) is built here, too")
        #expect(readme.contains("(Sources/\(name))"))
      }
    }
  }

  private struct Manifest: Decodable {
    struct Target: Decodable { var name: String }
    var targets: [Target]
  }

  private static let folder = ReadmeTests.root.appendingPathComponent("sdk-examples")

  private static func program(_ name: String) -> URL {
    DaemonProcess.binary.deletingLastPathComponent().appendingPathComponent("example-\(name)")
  }

  private static func environment(_ daemon: LiveDaemon, _ key: String) -> [String: String] {
    ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": key]
  }

  private static func run(
    _ name: String, _ daemon: LiveDaemon, _ key: String, _ arguments: [String] = [], in directory: URL
  ) throws -> CommandOutcome {
    try CommandOutcome(
      program(name), arguments, in: directory,
      environment: environment(daemon, key).merging(["TMPDIR": directory.path]) { $1 })
  }
}
