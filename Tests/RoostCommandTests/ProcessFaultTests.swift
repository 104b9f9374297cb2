import Foundation
import Spawning
import Synchronization
import Testing

/// Kills, stops and starvation of the real process.
@Suite("Faults of the process")
struct ProcessFaultTests {
  @Test("fault 19: what was answered before a kill stands after it, and a lease that was held is held on")
  func kill() async throws {
    try await Scene.run { scene in
      var daemon = try scene.start()
      let waiting = try daemon.submit(#"{"payload":{"n": 1.50},"queue":"later"}"#)
      let held = try daemon.submit()
      let lease = try #require(daemon.lease().string("lease_id"))
      daemon.end(SIGKILL)
      daemon = try scene.start()
      #expect(try daemon.get(waiting).state == "READY")
      #expect(try daemon.get(waiting).holds("payload", raw: #"{"n": 1.50}"#))
      #expect(try daemon.get(held).state == "RUNNING")
      #expect(try daemon.connect().send("POST", "/jobs/lease", daemon.worker).code == "no_jobs_available")
      #expect(try daemon.say("ack", held, lease: lease, #","result":"done""#).status == 200)
      daemon.end(SIGKILL)
      daemon = try scene.start()
      #expect(try daemon.get(held).state == "ACKED" && daemon.get(held).string("result") == "done")
    }
  }

  @Test("fault 20: SIGTERM under load answers what is in flight, empties the long polls and exits with 0")
  func stop() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let parked = try daemon.connect()
      try parked.post("POST", "/jobs/lease", daemon.worker, #"{"queues":["nothing-here"],"wait":"60s"}"#)
      let load = SubmitLoad(daemon)
      load.start(4)
      try waitUntil("some load was answered") { load.accepted.count > 100 }
      daemon.signal(SIGTERM)
      let empty = try parked.reply()
      #expect(empty.status == 404 && empty.code == "no_jobs_available", "\(empty.text)")
      #expect(daemon.waitForEnd() == .exited(0), "\(daemon.said)")
      load.wait()
      #expect(load.surprises == [], "a request was neither answered nor refused as stopping")
      let verdict = try scene.roost(["wal", "verify", scene.data.path])
      #expect(verdict.status == 0 && verdict.output.contains("cleanly stopped"), "\(verdict.output)")
      let next = try scene.start()
      let connection = try next.connect()
      for id in load.accepted {
        #expect(try connection.send("GET", "/jobs/\(id)", next.client).state == "READY")
      }
    }
  }

  @Test("fault 21: killed again and again while it recovers, it recovers the same")
  func killedRecovery() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      let connection = try daemon.connect()
      let filling = String(repeating: "y", count: 500_000)
      for number in 0..<80 {
        _ = try daemon.submit(#"{"payload":"\#(number) \#(filling)","queue":"q\#(number % 3)"}"#, on: connection)
      }
      for _ in 0..<10 { _ = try daemon.lease(#"{"queues":["q1"],"lease":"1h"}"#, on: connection) }
      let before = try Self.listing(daemon)
      daemon.end(SIGKILL)
      var early = 0
      for round in 0..<12 {
        let child = try SpawnedProcess(
          [DaemonProcess.binary.path, "serve", "--port", "0", "--wal-dir", scene.data.path], environment: [:])
        // The lock file names the process as soon as it begins to recover; the kill comes at some instant after.
        let lock = scene.data.appendingPathComponent("LOCK")
        try waitUntil("the log is being recovered") {
          (try? String(contentsOf: lock, encoding: .utf8))?.hasPrefix("\(child.process)") == true
        }
        usleep(UInt32(round) * 1_500)
        Foundation.kill(child.process, SIGKILL)
        _ = SpawnedProcess.wait(child.process)
        if !SpawnedProcess.available(child.errors).contains("listening on") { early += 1 }
        close(child.output)
        close(child.errors)
      }
      #expect(early > 0, "no kill hit the recovery")
      let next = try scene.start([])
      #expect(try Self.listing(next) == before)
      #expect(next.end(SIGTERM) == .exited(0))
    }
  }

  @Test("fault 23: a second daemon on the directory exits at once and names the process that holds it")
  func secondDaemon() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit()
      let failure = try scene.refusal()
      #expect(failure.status == .exited(69), "\(failure)")
      #expect(failure.said.contains("in use by process \(daemon.process)"), "\(failure)")
      #expect(try daemon.get(id).state == "READY")
    }
  }

  @Test("fault 24: stopped for longer than its leases, the daemon expires no healthy one at once and fences late words")
  func stoppedProcess() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let policy = #""retry":{"initial":"10ms","jitter":"none"}"#
      let healthy = try daemon.submit(#"{"payload":1,"queue":"healthy",\#(policy)}"#)
      let short = try daemon.submit(#"{"payload":2,"queue":"short",\#(policy)}"#)
      let healthyLease = try #require(
        daemon.lease(#"{"queues":["healthy"],"lease":"10s"}"#).string("lease_id"))
      let shortLease = try #require(daemon.lease(#"{"queues":["short"],"lease":"1s"}"#).string("lease_id"))
      daemon.signal(SIGSTOP)
      let began = bootNanoseconds()
      try waitUntil("the stop has lasted longer than both leases") { bootNanoseconds() - began > 11_000_000_000 }
      daemon.signal(SIGCONT)
      #expect(try daemon.get(healthy).state == "RUNNING")
      #expect(try daemon.say("extend", healthy, lease: healthyLease).status == 200)
      let second = try daemon.lease(#"{"queues":["short"],"wait":"30s"}"#)
      #expect(second.string("job_id") == short && second.integer("attempt") == 2)
      #expect(try daemon.say("ack", short, lease: shortLease, #","result":1"#).code == "lease_lost")
      #expect(try daemon.say("ack", healthy, lease: healthyLease, #","result":1"#).status == 200)
    }
  }

  @Test("fault 26: without free file descriptors the log goes on, and new connections are served when some are free")
  func outOfDescriptors() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(through: ["bash", "-c", "ulimit -n 256; exec \"$@\"", "bash"])
      let connection = try daemon.connect()
      _ = try daemon.submit(on: connection)
      var flood: [WireClient] = []
      for _ in 0..<400 { flood.append(try daemon.connect()) }
      // As many as it lets in: the others stay in the kernel's queue, and the log keeps the rest of the descriptors.
      let descriptors = "/proc/\(daemon.process)/fd"
      try waitUntil("connections hold half of the descriptors") {
        let open = try FileManager.default.contentsOfDirectory(atPath: descriptors)
        return open.count {
          (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\($0)"))?.hasPrefix("socket:")
            == true
        } >= 128
      }
      let filling = String(repeating: "z", count: 30_000)
      // Each of the log's segments keeps a descriptor, and two of these jobs fill one.
      for number in 0..<30 {
        _ = try daemon.submit(#"{"payload":"\#(number) \#(filling)"}"#, on: connection)
      }
      flood.removeAll()
      #expect(try daemon.connect().send("GET", "/health", nil).text == "OK")
      #expect(try Self.listing(daemon).count == 31)
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
      #expect(try scene.roost(["wal", "verify", scene.data.path]).status == 0)
    }
  }

  @Test("fault 26: with more segments than the soft limit allows descriptors, a killed daemon starts under it again")
  func moreSegmentsThanDescriptors() async throws {
    try await Scene.run { scene in
      let limited = ["bash", "-c", "ulimit -Sn 256; exec \"$@\"", "bash"]
      var daemon = try scene.start(through: limited)
      let connection = try daemon.connect()
      // Two of these jobs do not fit into a segment of 64 KiB.
      let filling = String(repeating: "s", count: 40_000)
      let ids = try (0..<300).map { _ in try daemon.submit(#"{"payload":"\#(filling)"}"#, on: connection) }
      daemon.end(SIGKILL)
      let names = try FileManager.default.contentsOfDirectory(atPath: scene.data.path)
      #expect(names.count { $0.hasSuffix(".wal") } > 256)
      daemon = try scene.start(through: limited)
      let again = try daemon.connect()
      for id in [ids[0], ids[150], ids[299]] {
        #expect(try again.send("GET", "/jobs/\(id)", daemon.client).state == "READY")
      }
      #expect(try daemon.submit(on: again) != ids[299])
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
    }
  }

  /// Every job with its state and attempts.
  private static func listing(_ daemon: LiveDaemon) throws -> [String: String] {
    let items = try daemon.connect().send("GET", "/jobs?limit=200", daemon.client).items
    let pairs = items.map { item in
      ("\(item["job_id"] ?? "")", "\(item["queue"] ?? "") \(item["state"] ?? "") \(item["attempts"] ?? "")")
    }
    return Dictionary(pairs) { first, second in "\(first) and again \(second)" }
  }
}

/// Clients that submit until the daemon stops.
private final class SubmitLoad: Sendable {
  private let daemon: LiveDaemon
  private let ids = Mutex<[String]>([])
  private let others = Mutex<[String]>([])
  private let group = DispatchGroup()

  init(_ daemon: LiveDaemon) { self.daemon = daemon }

  var accepted: [String] { ids.withLock { $0 } }
  /// Answers that a stopping daemon should not give.
  var surprises: [String] { others.withLock { $0 } }

  func start(_ clients: Int) {
    for _ in 0..<clients {
      group.enter()
      Thread.detachNewThread { [self] in
        work()
        group.leave()
      }
    }
  }

  func wait() { group.wait() }

  private func work() {
    guard let connection = try? daemon.connect() else { return }
    while let reply = try? connection.send("POST", "/jobs", daemon.client, #"{"payload":1}"#) {
      guard reply.status == 201, let id = reply.string("job_id") else {
        if reply.code != "stopping" { others.withLock { $0.append(reply.text) } }
        return
      }
      ids.withLock { $0.append(id) }
    }
  }
}
