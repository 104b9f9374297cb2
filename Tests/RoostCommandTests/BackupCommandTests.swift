import Foundation
import SecretWatch
import Synchronization
import Testing

/// `roost backup` and `roost restore` as an operator uses them: beside a daemon under load, and after its loss.
@Suite("Backup command")
struct BackupCommandTests {
  @Test("fault 18: a backup under load restores to every job that was answered before it began; no lease comes twice")
  func underLoad() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let keys = (client: daemon.client, worker: daemon.worker)
      let load = Load(daemon, clients: 3)
      try load.waitForAnswers(300)
      let connection = try daemon.connect()
      let keyed = try daemon.submit(#"{"payload":1,"queue":"keyed","idempotency_key":"once"}"#, on: connection)
      let held = try daemon.lease(#"{"queues":["keyed"]}"#, on: connection)
      let before = load.submitted
      let backup = scene.directory.appendingPathComponent("backup").path
      let made = try scene.roost(["backup", backup, "--wal-dir", scene.data.path])
      #expect(made.status == 0 && made.output.contains("keys.json"), "\(made.output)\(made.errors)")
      try load.waitForAnswers(load.answers + 100)
      let oldLeases = load.end().union([try #require(held.string("lease_id"))])
      daemon.end(SIGKILL)
      #expect(before.count > 50 && oldLeases.count > 50)

      let served = try scene.roost(["serve", "--port", "0", "--wal-dir", backup])
      #expect(served.status == 73 && served.errors.contains("roost restore"), "\(served.errors)")
      let restored = scene.directory.appendingPathComponent("restored").path
      let outcome = try scene.roost(["restore", backup, restored])
      #expect(outcome.status == 0 && outcome.output.contains("epoch 1048577"), "\(outcome.output)\(outcome.errors)")
      for target in [backup, restored] {
        #expect(try scene.roost(["restore", backup, target]).status == 73, "a directory that is not empty")
      }
      let again = try DaemonProcess(in: scene.directory, ["--wal-dir", restored] + Scene.quick)
      defer { again.kill() }
      let wire = try WireClient(port: again.port)
      for id in before.union([keyed]) {
        let reply = try wire.send("GET", "/jobs/\(id)", keys.client)
        #expect(reply.status == 200, "\(id): \(reply.text)")
      }
      let same = try wire.send(
        "POST", "/jobs", keys.client, #"{"payload":1,"queue":"keyed","idempotency_key":"once"}"#)
      #expect(same.status == 200 && same.string("job_id") == keyed, "\(same.text)")
      let late = try wire.send(
        "POST", "/jobs/\(keyed)/ack", keys.worker, #"{"lease_id":"\#(try #require(held.string("lease_id")))"}"#)
      #expect(late.status == 200, "the lease that stood at the backup is good: \(late.text)")
      for _ in 0..<50 {
        let lease = try wire.send("POST", "/jobs/lease", keys.worker, #"{"queues":["load"]}"#)
        guard lease.status == 200 else { break }
        #expect(!oldLeases.contains(try #require(lease.string("lease_id"))))
      }
      #expect(again.stop() == 0)
      #expect(try scene.roost(["wal", "verify", restored]).status == 0)
    }
  }

  @Test("a stopped directory is copied, linked or not; a damaged one and a wrong target are refused")
  func stopped() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      for _ in 0..<40 { _ = try daemon.submit(#"{"payload":"\#(String(repeating: "x", count: 6_000))"}"#) }
      #expect(daemon.end(SIGTERM) == .exited(0))
      let names = ["linked", "copied"].map { scene.directory.appendingPathComponent($0).path }
      let linked = try scene.roost(["backup", names[0]], environment: ["WAL_DIR": scene.data.path])
      #expect(linked.status == 0 && linked.output.contains("3 linked"), "\(linked.output)\(linked.errors)")
      let copied = try scene.roost(["backup", names[1], "--copy", "--wal-dir", scene.data.path])
      #expect(copied.status == 0 && copied.output.contains(" 0 linked"), "\(copied.output)\(copied.errors)")
      for name in names {
        #expect(try scene.roost(["wal", "verify", name]).status == 0)
        let plain = try FileManager.default.contentsOfDirectory(atPath: name)
        #expect(!plain.contains("admin.key") && !plain.contains("dev.keys") && plain.contains("keys.json"))
      }
      let stats = try scene.roost(["wal", "stats", "--json", names[1]])
      let figures = try #require(JSONSerialization.jsonObject(with: Data(stats.output.utf8)) as? [String: Any])
      #expect(figures["jobs"] as? Int == 40 && (figures["jobs_by_state"] as? [String: Int])?["READY"] == 40)

      // The backup that was copied shares no byte with the directory.
      let file = scene.data.appendingPathComponent("0000000000000002.wal")
      var bytes = [UInt8](try Data(contentsOf: file))
      bytes[20_000] ^= 1
      try Data(bytes).write(to: file)
      let third = scene.directory.appendingPathComponent("third").path
      let refused = try scene.roost(["backup", third, "--wal-dir", scene.data.path])
      #expect(refused.status == 65 && refused.errors.contains("wal repair"), "\(refused.errors)")
      #expect(try scene.roost(["wal", "verify", names[1]]).status == 0)
      let missing = try scene.roost(["backup", third, "--wal-dir", scene.directory.appendingPathComponent("none").path])
      #expect(missing.status == 73, "\(missing.errors)")
    }
  }

  @Test("stats beside a running daemon are those of its own metrics, and say who holds the directory")
  func stats() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      for number in 0..<30 {
        _ = try daemon.submit(#"{"payload":"\#(String(repeating: "y", count: 3_000))"}"#)
        if number % 3 == 0 {
          let lease = try daemon.lease()
          let (id, token) = (try #require(lease.string("job_id")), try #require(lease.string("lease_id")))
          #expect(try daemon.say("ack", id, lease: token).status == 200)
        }
      }
      let outcome = try scene.roost(["wal", "stats", "--json", scene.data.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let figures = try #require(JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
      #expect(figures["held_by_process"] as? Int == Int(daemon.process))
      #expect(
        figures["jobs_by_state"] as? [String: Int] == [
          "SCHEDULED": 0, "READY": 20, "RUNNING": 0, "RETRY": 0, "ACKED": 10, "DEAD": 0, "CANCELLED": 0, "BLOCKED": 0,
        ])
      let (log, live) = (try #require(figures["log_bytes"] as? Int), try #require(figures["live_bytes"] as? Int))
      #expect(figures["dead_bytes"] as? Int == log - live && live > 90_000)
      let metrics = try daemon.connect().send("GET", "/metrics", daemon.admin).text
      #expect(metrics.contains("\nroost_log_live_bytes \(live)\n"), "the daemon says the same: \(live)")
      let factor = try #require(figures["amplification"] as? Double)
      #expect(abs(factor - Double(log) / Double(live)) < 0.01)
      let text = try scene.roost(["wal", "stats", scene.data.path])
      #expect(text.output.contains("in use by process \(daemon.process)"))
      #expect(text.output.contains("READY 20, ACKED 10"), "\(text.output)")
    }
  }
}

/// Clients that submit, lease and acknowledge until they are told to end.
private final class Load: Sendable {
  private struct State {
    var submitted: Set<String> = []
    var leases: Set<String> = []
    var answers = 0
    var isOver = false
  }

  private let state = Mutex(State())
  private let group = DispatchGroup()

  init(_ daemon: LiveDaemon, clients: Int) {
    for _ in 0..<clients {
      group.enter()
      Thread.detachNewThread { [self] in
        defer { group.leave() }
        guard let connection = try? daemon.connect() else { return }
        while (try? turn(daemon, connection)) == true {}
      }
    }
  }

  private func turn(_ daemon: LiveDaemon, _ connection: WireClient) throws -> Bool {
    let filling = String(repeating: "z", count: 900)
    let id = try daemon.submit(#"{"payload":"\#(filling)","queue":"load"}"#, on: connection)
    state.withLock {
      $0.submitted.insert(id)
      $0.answers += 1
    }
    let lease = try daemon.lease(#"{"queues":["load"]}"#, on: connection)
    guard let job = lease.string("job_id"), let token = lease.string("lease_id") else { return false }
    state.withLock {
      $0.leases.insert(token)
      $0.answers += 1
    }
    _ = try connection.send("POST", "/jobs/\(job)/ack", daemon.worker, "{\"lease_id\":\"\(token)\"}")
    return state.withLock { !$0.isOver }
  }

  /// Jobs whose submits have been answered.
  var submitted: Set<String> { state.withLock { $0.submitted } }
  var answers: Int { state.withLock { $0.answers } }

  func waitForAnswers(_ count: Int) throws { try waitUntil("\(count) answers came") { answers >= count } }

  /// Ends the load and returns every lease that was given.
  func end() -> Set<String> {
    state.withLock { $0.isOver = true }
    group.wait()
    return state.withLock { $0.leases }
  }
}
