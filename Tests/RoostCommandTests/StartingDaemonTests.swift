import Foundation
import SecretWatch
import Spawning
import Testing

/// The real daemon between its lock and its first request: it listens, and its log is not open yet.
@Suite("Starting daemon")
struct StartingDaemonTests {
  @Test("fault 20: SIGTERM while the log is replayed ends the daemon with 0, and the next start finds everything")
  func stoppedInReplay() async throws {
    try await Scene.run { scene in
      let power = try PowerCut(in: scene.directory)
      let daemon = try scene.start()
      let connection = try daemon.connect()
      let ids = try (0..<20).map { _ in try daemon.submit(on: connection) }
      daemon.end(SIGKILL)

      // HEAD and the last segment are synced before the log is read; then the daemon listens. What a start writes comes
      // last: as long as its sync is held, the log is not open.
      try power.set(.heldSync, 3)
      let command = [DaemonProcess.binary.path, "serve", "--port", "0", "--wal-dir", scene.data.path]
      let child = try SpawnedProcess(command + Scene.quick, environment: power.environment)
      var port: Int?
      try waitUntil("it listens") {
        port = ListeningSocket.port(of: child.process)
        return port != nil
      }
      let probe = try WireClient(port: try #require(port))
      // It listens before it has counted what there is to read.
      try waitUntil("it says how much it reads") {
        let ready = try probe.send("GET", "/readyz", nil)
        try #require(ready.status == 503, "\(ready.text)")
        try #require((ready.json["checks"] as? [String: String]) == ["log": "replaying"], "\(ready.text)")
        return (ready.json["replay"] as? [String: Int])?["of_bytes"] ?? 0 > 0
      }
      #expect(try probe.send("GET", "/healthz", nil).status == 200)
      for path in ["/jobs/\(ids[0])", "/metrics"] {
        let refused = try probe.send("GET", path, daemon.client)
        #expect(refused.status == 503 && refused.code == "starting", "\(path): \(refused.text)")
      }
      kill(child.process, SIGTERM)
      #expect(ExitReason(SpawnedProcess.wait(child.process)) == .exited(0))
      let said = SpawnedProcess.available(child.errors)
      #expect(said.contains("stopped while the log was replayed") && !said.contains("listening on"), "\(said)")
      expectNoSecret(saidBy: said, withLogsIn: scene.data)
      for stream in [child.output, child.errors] { close(stream) }

      let next = try scene.start()
      let again = try next.connect()
      for id in ids { #expect(try again.send("GET", "/jobs/\(id)", daemon.client).state == "READY") }
      #expect(next.end(SIGTERM) == .exited(0), "\(next.said)")
    }
  }
}

/// Where a process listens that has not said so yet: the kernel knows.
private enum ListeningSocket {
  static func port(of process: Int32) -> Int? {
    let descriptors = "/proc/\(process)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: descriptors)) ?? []
    let sockets = Set(
      names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\($0)") })
    let table = (try? String(contentsOfFile: "/proc/\(process)/net/tcp", encoding: .utf8)) ?? ""
    for line in table.split(separator: "\n").dropFirst() {
      // Number, local address, remote address, state (0A: listening), …, the tenth is the inode.
      let fields = line.split(separator: " ")
      guard fields.count > 9, fields[3] == "0A", sockets.contains("socket:[\(fields[9])]") else { continue }
      return fields[1].split(separator: ":").last.flatMap { Int($0, radix: 16) }
    }
    return nil
  }
}
