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
      let power = try PowerCut(in: scene.directory)
      let daemon = try scene.start(
        ["--shutdown-timeout", "10m", "--segment-bytes", "4MiB"], environment: power.environment)
      // A stop waits for the writer.
      let job = try power.holdWriter(of: daemon)
      daemon.signal(SIGTERM)
      try waitUntil("the daemon has heard the first one") { daemon.said.contains("stopping: answering") }
      daemon.signal(signal)
      #expect(daemon.waitForEnd() == .exited(128 + signal), "\(daemon.said)")
      let next = try scene.start(["--segment-bytes", "4MiB"])
      #expect(try next.get(job).state == "READY")
    }
  }

  @Test("fault 11: when the log fails, everyone in flight is told outcome_unknown before the process ends with 70")
  func failedLog() async throws {
    try await Scene.run { scene in
      let power = try PowerCut(in: scene.directory)
      // Small segments: what a start makes in advance is soon made.
      let daemon = try scene.start(["--segment-bytes", "4MiB"], environment: power.environment)
      let job = try daemon.submit()
      let parked = try daemon.connect()
      try parked.post("POST", "/jobs/lease", daemon.worker, #"{"queues":["nothing-here"],"wait":"60s"}"#)
      // The writer is held until all the others wait for it; the next sync, which is theirs, fails.
      let last = try power.holdWriter(of: daemon)
      let askers = try (0..<40).map { _ in try daemon.connect() }
      let filling = String(repeating: "w", count: 20_000)
      for asker in askers { try asker.post("POST", "/jobs", daemon.client, #"{"payload":"\#(filling)"}"#) }
      // Bytes, because the questions of a scrape wait for the writer, too.
      try waitUntil("all of them are in flight") {
        try daemon.gauge("roost_mailbox_bytes") > 40 * filling.utf8.count
      }
      try power.set(.failingSync, 1)
      try power.set(.heldSync, 0)
      let answers = try askers.map { try $0.reply() }
      #expect(answers.allSatisfy { $0.status == 503 && $0.code == "outcome_unknown" }, "\(answers.map(\.text))")
      // Nobody can tell whether a job was granted to it.
      #expect(try parked.reply().code == "outcome_unknown")
      #expect(daemon.waitForEnd() == .exited(70), "\(daemon.said)")
      let next = try scene.start(["--segment-bytes", "4MiB"])
      for id in [job, last] { #expect(try next.get(id).state == "READY") }
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

extension PowerCut {
  /// Holds the writer of an idle daemon in the sync of an empty frame, which follows a second without a request. By the
  /// first such frame a start has done all syncs of its own.
  ///
  /// - Returns: A job that was submitted and answered before.
  fileprivate func holdWriter(of daemon: LiveDaemon) throws -> String {
    let before = try value(.calls)
    _ = try daemon.submit()
    // Two calls for the job's frame, and two for the empty one.
    try waitUntil("an empty frame stands") { try value(.calls) >= before + 4 }
    let job = try daemon.submit()
    try set(.heldSync, 1)
    try waitUntil("the writer is held") { try value(.held) == 1 }
    return job
  }
}
