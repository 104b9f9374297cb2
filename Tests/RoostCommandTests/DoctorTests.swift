import Foundation
import Testing

/// `roost doctor` and `roost bench`: what they find, how they end, and that nothing of them is left.
@Suite("Doctor and bench")
struct DoctorTests {
  private struct Report: Decodable {
    struct Item: Decodable {
      let check, severity, text: String
      let advice: String?
    }

    let items: [Item]

    func first(_ check: String, _ severity: String) -> Item? {
      items.first { $0.check == check && $0.severity == severity }
    }
  }

  private static func examine(
    _ scene: Scene, _ arguments: [String] = [], _ variables: [String: String] = [:]
  ) throws -> (status: Int32, report: Report) {
    let outcome = try scene.roost(["doctor", "--json"] + arguments, environment: variables)
    return (outcome.status, try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)))
  }

  @Test("beside a daemon that is well nothing is wrong, and nothing is left on the disk")
  func well() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let before = try FileManager.default.contentsOfDirectory(atPath: scene.data.path).sorted()
      let (status, report) = try Self.examine(scene, ["--wal-dir", scene.data.path])
      #expect(status <= 1, "warnings depend on the machine")
      #expect(report.items.allSatisfy { $0.severity != "problem" }, "\(report)")
      #expect(report.first("daemon", "ok")?.text.contains("ready at http://127.0.0.1:\(daemon.port)") == true)
      for check in ["settings", "directory", "disk space", "sync", "clock", "limits", "memory", "key files"] {
        #expect(report.items.contains { $0.check == check }, "\(check)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: scene.data.path).sorted() == before)
      daemon.end(SIGKILL)
      let (_, later) = try Self.examine(scene, ["--wal-dir", scene.data.path])
      #expect(later.first("daemon", "ok")?.text.contains("none runs") == true)
    }
  }

  @Test("each thing that is wrong is named with what to change, and the status is 2")
  func wrong() async throws {
    try await Scene.run { scene in
      try FileManager.default.createDirectory(
        at: scene.data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let made = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
          "k.pem", "-out", "c.pem", "-subj", "/CN=a", "-days", "3",
        ], in: scene.directory)
      #expect(made.status == 0, "\(made.errors)")
      let file = scene.data.appendingPathComponent("dev.keys").path
      _ = FileManager.default.createFile(atPath: file, contents: Data(), attributes: [.posixPermissions: 0o644])
      let (status, report) = try Self.examine(
        scene, [],
        [
          "WAL_DIR": scene.data.path, "REDIS_URL": "redis://127.0.0.1:1", "TLS_CERT": "c.pem", "TLS_KEY": "k.pem",
          "MEMORY_LIMIT": "1048576GiB", "MAX_CONNECTIONS": "1000000",
        ])
      #expect(status == 2)
      #expect(report.first("key files", "problem")?.advice?.contains("chmod 600") == true, "\(report)")
      #expect(report.first("key store", "problem") != nil, "\(report)")
      #expect(report.first("TLS", "warning")?.text.contains("the certificate expires in") == true, "\(report)")
      #expect(report.first("memory", "warning")?.advice?.contains("lower MEMORY_LIMIT") == true, "\(report)")
      let (settings, told) = try Self.examine(scene, [], ["PORT": "x"])
      #expect(settings == 2 && told.first("settings", "problem")?.text.contains("PORT") == true)
      let (missing, none) = try Self.examine(scene, ["--wal-dir", "c.pem/data"])
      #expect(missing == 2 && none.first("directory", "problem") != nil)
    }
  }

  @Test(
    "a bench tells five figures; one that is ended early leaves no folder behind either", arguments: [SIGTERM, SIGINT])
  func bench(signal: Int32) async throws {
    try await Scene.run { scene in
      let outcome = try scene.roost(["bench", "--seconds", "1", "--connections", "4"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      for measure in ["sync", "submit_one", "submit_many", "submit_batch", "cycle"] {
        let figure = try #require(
          outcome.output.firstMatch(of: try Regex(#""measure":"\#(measure)","per_second":(\d+)"#)), "\(outcome.output)")
        #expect(figure.output[1].substring.flatMap { Int($0) } ?? 0 > 0, "\(outcome.output)")
      }
      func left() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scene.directory.path).filter { $0.hasPrefix(".roost-") }
      }
      #expect(try left().isEmpty)
      let ended = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        [
          "bash", "-c",
          """
          '\(DaemonProcess.binary.path)' bench --seconds 600 & pid=$!
          until [[ -e $(echo .roost-bench-*/log/HEAD) ]]; do sleep 0.01; done
          kill -\(signal) $pid; wait $pid
          """,
        ], in: scene.directory)
      #expect(ended.status == 128 + signal, "\(ended.errors)")
      #expect(try left().isEmpty)
      for wrong in [["--seconds", "0"], ["--connections", "0"], ["--payload-bytes", "0"]] {
        #expect(try scene.roost(["bench"] + wrong).status == 64)
      }
    }
  }
}
