import Foundation
import Synchronization
import Testing

/// The real binary under load, killed at random instants again and again, its whole history checked each time.
///
/// `ROOST_CRASH_ROUNDS` changes the number of kills, `ROOST_CRASH_SEED` repeats the choices of a failed run. With
/// `ROOST_LAZYFS` the directory lies in LazyFS, and each kill is a power cut.
@Suite("Kill and restart", .serialized)
struct KillAndRestartTests {
  private static let clients = 8
  private static let answersPerRound = 200

  @Test("fault 22: killed over and over under load, it keeps everything that was answered")
  func crashLoop() async throws {
    let environment = ProcessInfo.processInfo.environment
    let rounds = environment["ROOST_CRASH_ROUNDS"].flatMap { Int($0) } ?? 50
    let seed = environment["ROOST_CRASH_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...UInt64(Int64.max))
    try await withDirectory { directory in
      let lazy = try LazyFS.mounted(in: directory)
      defer { lazy?.unmount() }
      let run = CrashRun(directory: (lazy?.mount ?? directory).appendingPathComponent("data"), seed: seed, lazy: lazy)
      try run.rounds(rounds, clients: Self.clients, answers: Self.answersPerRound)
      let (violations, counts) = run.history.state.withLock { ($0.violations, $0.counts) }
      let report = counts.filter { !$0.key.hasPrefix("expired in life") }.sorted { $0.key < $1.key }
      print("crash: seed \(seed), " + report.map { "\($0.key): \($0.value)" }.joined(separator: ", "))
      #expect(
        violations.isEmpty,
        "ROOST_CRASH_SEED=\(seed): \(violations.count) violations\n\(violations.prefix(5).joined(separator: "\n"))")
      for event in [
        "submit 200", "submit 201", "lease 200", "ack 200", "ack 409", "fail 200", "extend 200", "release 200",
        "cancel 200", "get 200", "expired", "fenced", "purged", "accepted key again", "rounds with a trim",
      ] {
        #expect(counts[event, default: 0] > 0, "ROOST_CRASH_SEED=\(seed): \(event) never happened")
      }
      #expect(counts["rounds with a trim"] == rounds)
      if lazy != nil { #expect(counts["power cuts that took something", default: 0] > 0) }
    }
  }
}
