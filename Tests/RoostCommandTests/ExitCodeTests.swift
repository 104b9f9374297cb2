import Foundation
import Testing

/// How the real binary ends, seen from outside: its codes, its last words, and what it leaves on disk.
@Suite("Exit codes")
struct ExitCodeTests {
  @Test(
    "fault 20: SIGTERM and SIGINT end the daemon with 0, and the log says that it was stopped cleanly",
    arguments: [SIGTERM, SIGINT])
  func cleanStop(signal: Int32) async throws {
    try await withDirectory { directory in
      let daemon = try DaemonProcess(in: directory)
      #expect(daemon.stop(with: signal) == 0)
      let verified = try CommandOutcome(roost: ["wal", "verify", "data"], in: directory)
      #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
      #expect(verified.output.contains("cleanly stopped"))
      #expect(verified.output.contains("the log is whole"))
    }
  }

  @Test("fault 23: a second daemon on the directory ends at once with 69 and says who holds it")
  func locked() async throws {
    try await withDirectory { directory in
      let daemon = try DaemonProcess(in: directory)
      defer { daemon.kill() }
      let second = try CommandOutcome(roost: ["serve", "--port", "0"], in: directory)
      #expect(second.status == 69)
      #expect(second.errors.contains("process \(daemon.processID)"), "\(second.errors)")
    }
  }

  @Test("fault 17: a path that is no directory ends the daemon with 73, and the message names it")
  func notADirectory() async throws {
    try await withDirectory { directory in
      try Data("x".utf8).write(to: directory.appendingPathComponent("file"))
      let outcome = try CommandOutcome(roost: ["serve", "--port", "0", "--wal-dir", "file"], in: directory)
      #expect(outcome.status == 73)
      #expect(outcome.errors.contains("file cannot serve as the log's directory"), "\(outcome.errors)")
    }
  }

  @Test("fault 3: a flipped bit in what HEAD covers ends the daemon with 65, naming file, byte and `wal verify`")
  func damaged() async throws {
    try await withDirectory { directory in
      #expect(try DaemonProcess(in: directory).stop() == 0)
      let segment = directory.appendingPathComponent("data/0000000000000001.wal")
      try Self.flipBit(at: 600, of: segment)
      let before = try Data(contentsOf: segment)
      let refused = try CommandOutcome(roost: ["serve", "--port", "0"], in: directory)
      #expect(refused.status == 65)
      for words in ["0000000000000001.wal at byte 584", "expected", "found", "roost wal verify ./data"] {
        #expect(refused.errors.contains(words), "\(refused.errors)")
      }
      #expect(try Data(contentsOf: segment) == before, "a refusal changes nothing")
      let verified = try CommandOutcome(roost: ["wal", "verify", "data"], in: directory)
      #expect(verified.status == 65)
      #expect(verified.output.contains("DAMAGE 0000000000000001.wal"), "\(verified.output)")
    }
  }

  @Test("an address in use ends the daemon with 73, and the log is stopped cleanly")
  func addressInUse() async throws {
    try await withDirectory { directory in
      let first = try DaemonProcess(in: directory)
      defer { first.kill() }
      let second = try CommandOutcome(
        roost: ["serve", "--port", "\(first.port)", "--wal-dir", "other"], in: directory)
      #expect(second.status == 73)
      #expect(second.errors.contains("cannot listen on 127.0.0.1:\(first.port)"), "\(second.errors)")
      let verified = try CommandOutcome(roost: ["wal", "verify", "other"], in: directory)
      #expect(verified.output.contains("cleanly stopped"), "\(verified.output)")
    }
  }

  @Test("development keys are the same at every start, and an admin key stands only in its file")
  func keys() async throws {
    try await withDirectory { directory in
      let (first, firstKeys) = try Self.developmentKeys(in: directory)
      #expect(first.stop() == 0)
      let (second, secondKeys) = try Self.developmentKeys(in: directory)
      #expect(second.stop() == 0)
      #expect(firstKeys == secondKeys)
      #expect(firstKeys.map { $0.prefix { $0 != "=" } } == ["client_key", "worker_key", "admin_key"])

      let plain = try DaemonProcess(in: directory, ["--wal-dir", "plain"])
      #expect(plain.stop() == 0)
      let key = try String(contentsOf: directory.appendingPathComponent("plain/admin.key"), encoding: .utf8)
        .trimmingCharacters(in: .newlines)
      #expect(key.hasPrefix("admin_"))
      #expect(plain.said.contains("plain/admin.key"))
      #expect(!plain.said.contains(key))
    }
  }

  private static func developmentKeys(in directory: URL) throws -> (DaemonProcess, [String]) {
    let daemon = try DaemonProcess(in: directory, ["--dev"])
    let file = try String(contentsOf: directory.appendingPathComponent("data/dev.keys"), encoding: .utf8)
    #expect(daemon.printed == file)
    return (daemon, file.split(separator: "\n").map(String.init))
  }

  private static func flipBit(at offset: Int, of file: URL) throws {
    var bytes = try Data(contentsOf: file)
    bytes[offset] ^= 1
    try bytes.write(to: file)
  }
}
