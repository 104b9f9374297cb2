import Foundation
import Testing

/// Ends that are not quiet: a client holds one up, a second signal comes, the log fails.
@Suite("Stops under protest")
struct StopTests {
  @Test("a client that does not read holds a stop up for SHUTDOWN_TIMEOUT and no longer; the log is marked clean")
  func overrun() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(["--max-payload-bytes", "8MiB", "--shutdown-timeout", "300ms"])
      let reader = try Self.stuckReader(daemon)
      daemon.signal(SIGTERM)
      #expect(daemon.waitForEnd() == .exited(0), "\(daemon.said)")
      #expect(daemon.said.contains("the time to stop ran out with requests in flight"), "\(daemon.said)")
      withExtendedLifetime(reader) {}
      let verdict = try scene.roost(["wal", "verify", scene.data.path])
      #expect(verdict.status == 0 && verdict.output.contains("cleanly stopped"), "\(verdict.output)")
    }
  }

  @Test("a second signal ends the daemon at once with 128 and its number", arguments: [SIGTERM, SIGINT])
  func secondSignal(signal: Int32) async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(["--max-payload-bytes", "8MiB", "--shutdown-timeout", "10m"])
      let reader = try Self.stuckReader(daemon)
      let job = try daemon.submit()
      daemon.signal(SIGTERM)
      try waitUntil("the daemon has heard the first one") { daemon.said.contains("stopping: answering") }
      daemon.signal(signal)
      #expect(daemon.waitForEnd() == .exited(128 + signal), "\(daemon.said)")
      withExtendedLifetime(reader) {}
      let next = try scene.start([])
      #expect(try next.get(job).state == "READY")
    }
  }

  @Test("fault 11: when the log fails, everyone in flight is told outcome_unknown before the process ends with 70")
  func failedLog() async throws {
    // A write of the daemon's own may be the first to fail, with nobody in it: then once more.
    var told = 0
    for _ in 0..<8 where told == 0 { told = try await Self.failLog() }
    #expect(told > 0)
  }

  /// Lets the log of a busy daemon fail.
  ///
  /// - Returns: How many were told `outcome_unknown`.
  private static func failLog() async throws -> Int {
    try await Scene.run { scene in
      // A write beyond the limit then fails instead of ending the process by a signal.
      let daemon = try scene.start([], through: ["bash", "-c", "trap '' XFSZ; exec \"$@\"", "bash"])
      let job = try daemon.submit()
      let parked = try daemon.connect()
      try parked.post("POST", "/jobs/lease", daemon.worker, #"{"queues":["nothing-here"],"wait":"60s"}"#)
      let askers = try (0..<40).map { _ in try daemon.connect() }
      for asker in askers { #expect(try asker.send("GET", "/health", nil).text == "OK") }
      let limited = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["prlimit", "--pid", "\(daemon.process)", "--fsize=1:"],
        in: scene.directory)
      #expect(limited.status == 0, "\(limited.errors)")
      for asker in askers { try? asker.post("POST", "/jobs", daemon.client, #"{"payload":1}"#) }
      // The first batch failed, and whoever was in it hears so; who came after the end hears nothing.
      let answers = askers.compactMap { try? $0.reply() }
      #expect(answers.allSatisfy { $0.status == 503 && ["outcome_unknown", "stopping"].contains($0.code) })
      // Nothing was leased to it, which is known.
      #expect(try parked.reply().code == "no_jobs_available")
      #expect(daemon.waitForEnd() == .exited(70), "\(daemon.said)")
      let next = try scene.start([])
      #expect(try next.get(job).state == "READY")
      return answers.count { $0.code == "outcome_unknown" }
    }
  }

  /// A client that has asked for more than the kernel holds, and reads none of it.
  private static func stuckReader(_ daemon: LiveDaemon) throws -> WireClient {
    let wide = #"{"payload":"\#(String(repeating: "x", count: 8_000_000))","delay":"1h"}"#
    let id = try daemon.submit(wide)
    let reader = try daemon.connect()
    for _ in 0..<4 { try reader.post("GET", "/jobs/\(id)?payload=true", daemon.client) }
    try reader.waitForAnswer()
    return reader
  }
}
