import Foundation
import Synchronization
import Testing

/// The real binary under load, killed at random instants again and again, its whole history checked each time.
///
/// `ROOST_CRASH_ROUNDS` changes the number of kills, `ROOST_CRASH_SEED` repeats the choices of a failed run.
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
      let run = CrashRun(directory: directory.appendingPathComponent("data"), seed: seed)
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
    }
  }
}

/// The rounds of one run: start, audit, load, kill.
private struct CrashRun {
  let directory: URL
  let history = CrashHistory()
  let seed: UInt64

  func rounds(_ count: Int, clients: Int, answers: Int) throws {
    var choices = SeededChoices(seed)
    for round in 0..<count {
      let daemon = try start()
      try CrashAudit(daemon, history).run(isComplete: false, choices: &choices)
      // In every fifth round the load goes on until an abandoned lease has expired and its job was given again.
      let load = CrashLoad(
        daemon: daemon, history: history, directory: directory, needsExpiry: round % 5 == 4,
        answers: Int.random(in: answers...(answers * 4), using: &choices))
      load.run(clients: clients, seed: choices.next(), pause: UInt32.random(in: 0...3_000, using: &choices))
      history.state.withLock { $0.lives[$0.lives.count - 1].killed = bootNanoseconds() }
      guard history.state.withLock({ $0.violations.isEmpty }) else { return }
    }
    let daemon = try start()
    let audit = try CrashAudit(daemon, history)
    try audit.run(isComplete: true, choices: &choices)
    guard history.state.withLock({ $0.violations.isEmpty }) else { return }
    try audit.drain()
    try audit.run(isComplete: true, choices: &choices)
    let end = daemon.end(SIGTERM)
    if end != .exited(0) { history.state.withLock { $0.violation("after SIGTERM: \(end)\n\(daemon.said)") } }
    let verdict = try CommandOutcome(roost: ["wal", "verify", directory.path], in: directory)
    if verdict.status != 0 { history.state.withLock { $0.violation("wal verify: \(verdict.output)\(verdict.errors)") } }
  }

  private func start() throws -> LiveDaemon {
    history.state.withLock { $0.lives.append(History.Life(started: bootNanoseconds())) }
    return try LiveDaemon(
      in: directory,
      [
        "--segment-bytes", "64KiB", "--lease-duration", "1s", "--lease-check-interval", "20ms",
        "--retention-max-jobs", "\(History.keptJobs)",
      ])
  }
}

/// Clients at work until enough has happened; then the daemon is killed in the middle of it.
private final class CrashLoad: Sendable {
  private let daemon: LiveDaemon
  private let history: CrashHistory
  private let directory: URL
  private let needsExpiry: Bool
  private let answers: Int
  private let answered = Atomic<Int>(0)
  private let running = Atomic<Int>(0)
  private let hasTrimmed = Atomic<Bool>(false)
  private let isEnough = DispatchSemaphore(value: 0)
  private let firstSegment: String

  init(daemon: LiveDaemon, history: CrashHistory, directory: URL, needsExpiry: Bool, answers: Int) {
    self.daemon = daemon
    self.history = history
    self.directory = directory
    self.needsExpiry = needsExpiry
    self.answers = answers
    firstSegment = Self.firstSegment(in: directory)
  }

  /// - Parameter pause: Microseconds from the moment when enough has happened to the kill: its random instant.
  func run(clients: Int, seed: UInt64, pause: UInt32) {
    let group = DispatchGroup()
    running.store(clients, ordering: .sequentiallyConsistent)
    for number in 0..<clients {
      group.enter()
      Thread.detachNewThread { [self] in
        if var client = try? CrashClient(daemon, history, seed: seed &+ UInt64(number)) {
          client.run { note(by: number) }
        }
        if running.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { isEnough.signal() }
        group.leave()
      }
    }
    if isEnough.wait(timeout: .now() + 120) == .timedOut { violation("the load got stuck") }
    if running.load(ordering: .sequentiallyConsistent) == 0 { violation("the daemon broke all connections") }
    usleep(pause)
    let end = daemon.end(SIGKILL)
    group.wait()
    if end != .signalled(SIGKILL) { violation("the daemon ended by itself: \(end)") }
    if hasTrimmed.load(ordering: .relaxed) { history.state.withLock { $0.count("rounds with a trim") } }
  }

  private func note(by client: Int) {
    let count = answered.add(1, ordering: .relaxed).newValue
    if client == 0, !hasTrimmed.load(ordering: .relaxed), Self.firstSegment(in: directory) > firstSegment {
      hasTrimmed.store(true, ordering: .relaxed)
    }
    guard count >= answers, hasTrimmed.load(ordering: .relaxed) else { return }
    if needsExpiry, history.state.withLock({ $0.counts["expired in life \($0.lives.count)"] == nil }) { return }
    isEnough.signal()
  }

  /// The name of the lowest segment: it rises when a trim has been finished.
  private static func firstSegment(in directory: URL) -> String {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    return names.filter { $0.hasSuffix(".wal") }.min() ?? ""
  }

  private func violation(_ text: String) { history.state.withLock { $0.violation("\(text)\n\(daemon.said)") } }
}
