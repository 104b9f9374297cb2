import Foundation
import SecretWatch
import Synchronization
import Testing

/// The real binary over a disk that forgets: each kill is a power cut, which takes back what was not synced, and calls
/// fail, are cut short and are slow. The history is that of `KillAndRestartTests`, checked as strictly.
///
/// `ROOST_POWERCUT_ROUNDS` changes the number of rounds, `ROOST_POWERCUT_SEED` repeats the choices of a failed run.
@Suite("Power cut", .serialized)
struct PowerCutTests {
  /// Each kind of trouble once.
  private static let rounds = 8

  @Test(
    "faults 1, 2, 10, 11, 13, 14, 16, 19, 22: the daemon keeps what it answered when each kill takes what was not synced"
  )
  func rounds() async throws {
    let environment = ProcessInfo.processInfo.environment
    let rounds = environment["ROOST_POWERCUT_ROUNDS"].flatMap { Int($0) } ?? Self.rounds
    let seed = environment["ROOST_POWERCUT_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...UInt64(Int64.max))
    try await withDirectory { directory in
      let power = try PowerCut(in: directory)
      let run = CrashRun(directory: power.directory, seed: seed, power: power)
      try run.rounds(rounds, clients: 8, answers: 60)
      let (violations, counts) = run.history.state.withLock { ($0.violations, $0.counts) }
      let report = counts.filter { !$0.key.hasPrefix("expired in life") }.sorted { $0.key < $1.key }
      print("power cut: seed \(seed), " + report.map { "\($0.key): \($0.value)" }.joined(separator: ", "))
      #expect(
        violations.isEmpty,
        "ROOST_POWERCUT_SEED=\(seed): \(violations.count) violations\n\(violations.prefix(5).joined(separator: "\n"))")
      var events = [
        "submit 201", "submit 507", "lease 200", "ack 200", "rounds with a trim",
        "full disks on which acks went on", "full disks that had space again", "calls interrupted", "writes cut short",
      ]
      // What chance may leave out of a few rounds.
      if rounds >= 100 {
        events += ["ack 409", "sectors taken back", "unsynced sectors kept", "names taken back", "starts cut"]
      }
      for event in events {
        #expect(counts[event, default: 0] > 0, "ROOST_POWERCUT_SEED=\(seed): \(event) never happened")
      }
      expectNoSecret(in: Array("\(report)".utf8), from: "the report")
    }
  }

  @Test("fault 13: log and keys are made although every other call on the disk is interrupted")
  func interrupted() async throws {
    try await Scene.run { scene in
      let power = try PowerCut(in: scene.directory)
      try power.set(.seed, 1)
      try power.set(.interruptedPermille, 500)
      let daemon = try scene.start(environment: power.environment)
      let id = try daemon.submit()
      #expect(try daemon.get(id).state == "READY")
      #expect(try power.value(.interrupted) > 10)
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
    }
  }

  @Test("the disk of this test forgets what was written and not synced, and nothing else")
  func forgets() async throws {
    try await Scene.run { scene in
      let power = try PowerCut(in: scene.directory)
      let probe = PowerCut.library.deletingLastPathComponent().appendingPathComponent("powercut-probe")
      var outcomes: [String: Set<String>] = [:]
      for seed in 0..<60 {
        var choices = SeededChoices(UInt64(seed))
        let done = try CommandOutcome(probe, [], in: scene.directory, environment: power.environment)
        #expect(done.status == 0, "\(done.errors)")
        _ = try power.takeBack(&choices)
        for name in ["kept", "grown", "removed", "moved", "replaced", "made"] {
          let file = power.directory.appendingPathComponent(name)
          outcomes[name, default: []].insert((try? String(contentsOf: file, encoding: .utf8)) ?? "none")
          try? FileManager.default.removeItem(at: file)
        }
      }
      #expect(outcomes["kept"] == ["new"])
      #expect(outcomes["removed"] == ["old", "none"])
      #expect(outcomes["moved"] == ["new", "none"] && outcomes["replaced"] == ["old", "new"])
      #expect(outcomes["made"] == ["new", "none"])
      #expect(outcomes["grown"]?.isSuperset(of: ["old", String(repeating: "x", count: 5000)]) == true)
      #expect((outcomes["grown"]?.count ?? 0) > 5, "no write was torn")
    }
  }
}
