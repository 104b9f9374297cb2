import Foundation
import Synchronization

/// The rounds of one run: start, audit, load, kill.
struct CrashRun {
  let directory: URL
  let history = CrashHistory()
  let seed: UInt64
  /// The disk below the daemon, if each kill is a power cut, too.
  var power: PowerCut?
  /// The file system below the data, if each kill is a power cut for that reason.
  var lazy: LazyFS?

  func rounds(_ count: Int, clients: Int, answers: Int) throws {
    var choices = SeededChoices(seed)
    for round in 0..<count {
      let trouble = power.map { DiskTrouble(round, on: $0, history) }
      try trouble?.beforeStart(&choices)
      if let power, round % 4 == 3 {
        try cutStart(power, &choices)
        try trouble?.beforeStart(&choices)
      }
      if lazy != nil, round % 4 == 3 { try killStart(&choices) }
      let daemon = try start()
      try CrashAudit(daemon, history).run(isComplete: false, choices: &choices)
      try trouble?.afterAudit(daemon, &choices)
      // In every other round the disk ends under the daemon, which says so to those whose answers wait for it.
      let ending = round % 2 == 1 ? lazy : nil
      if ending != nil { history.state.withLock { $0.refusals = ["outcome_unknown"] } }
      // In every fifth round the load goes on until an abandoned lease has expired and its job was given again.
      let load = CrashLoad(
        daemon: daemon, history: history, directory: directory, needsExpiry: power == nil && round % 5 == 4,
        answers: Int.random(in: answers...(answers * 4), using: &choices), trouble: trouble, lazy: ending)
      load.run(clients: clients, seed: choices.next(), pause: UInt32.random(in: 0...3_000, using: &choices))
      history.state.withLock { $0.lives[$0.lives.count - 1].killed = bootNanoseconds() }
      try trouble?.afterKill(&choices)
      if ending != nil { history.state.withLock { $0.refusals = [] } }
      try pull()
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

  /// The power goes while the daemon recovers, or just after.
  private func cutStart(_ power: PowerCut, _ choices: inout SeededChoices) throws {
    let isAtName = choices.chance(50)
    try power.set(isAtName ? .cutAfterName : .cutAfter, UInt32.random(in: 1...(isAtName ? 2 : 10), using: &choices))
    do {
      let end = try start().end(SIGKILL)
      if end != .signalled(SIGKILL) { history.state.withLock { $0.violation("after its start: \(end)") } }
    } catch let failure as LiveDaemon.StartFailure {
      if failure.status != .signalled(SIGKILL) { history.state.withLock { $0.violation("\(failure)") } }
      history.state.withLock { $0.count("starts cut") }
    }
    history.state.withLock { $0.lives[$0.lives.count - 1].killed = bootNanoseconds() }
    _ = try power.takeBack(&choices)
  }

  /// The daemon is killed while it recovers, or just after, at a random instant; what it did not sync is lost.
  private func killStart(_ choices: inout SeededChoices) throws {
    let instant = String(format: "0.%03d", Int.random(in: 1...150, using: &choices))
    do {
      try start(through: ["timeout", "--foreground", "--signal=KILL", instant]).waitForEnd()
    } catch let failure as LiveDaemon.StartFailure {
      if ![.signalled(SIGKILL), .exited(128 + SIGKILL)].contains(failure.status) {
        history.state.withLock { $0.violation("\(failure)") }
      }
      history.state.withLock { $0.count("starts cut") }
    }
    history.state.withLock { $0.lives[$0.lives.count - 1].killed = bootNanoseconds() }
    try pull()
  }

  private func pull() throws {
    guard let lost = try lazy?.pull() else { return }
    history.state.withLock { history in
      history.count("power cuts")
      if lost.contains(where: { $0.hasSuffix(".wal") }) { history.count("power cuts that took something") }
    }
  }

  private func start(through prefix: [String] = []) throws -> LiveDaemon {
    history.state.withLock { $0.lives.append(History.Life(started: bootNanoseconds())) }
    return try LiveDaemon(
      in: directory,
      [
        "--segment-bytes", "64KiB", "--events-retention", "0s", "--lease-duration", "1s", "--lease-check-interval",
        "20ms",
        "--retention-max-jobs", "\(History.keptJobs)",
      ], environment: power?.environment ?? [:], through: prefix)
  }
}

/// Clients at work until enough has happened; then the daemon is killed in the middle of it.
private final class CrashLoad: Sendable {
  private let daemon: LiveDaemon
  private let history: CrashHistory
  private let directory: URL
  private let needsExpiry: Bool
  private let answers: Int
  private let trouble: DiskTrouble?
  /// What ends under the daemon, in the middle of a sync, instead of its being killed.
  private let lazy: LazyFS?
  private let answered = Atomic<Int>(0)
  private let running = Atomic<Int>(0)
  private let hasTrimmed = Atomic<Bool>(false)
  private let isEnough = DispatchSemaphore(value: 0)
  private let firstSegment: String

  init(
    daemon: LiveDaemon, history: CrashHistory, directory: URL, needsExpiry: Bool, answers: Int,
    trouble: DiskTrouble?, lazy: LazyFS?
  ) {
    self.daemon = daemon
    self.history = history
    self.directory = directory
    self.needsExpiry = needsExpiry
    self.answers = answers
    self.trouble = trouble
    self.lazy = lazy
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
    if isEnough.wait(timeout: .now() + 120) == .timedOut { violation("the load got stuck: \(gauges)") }
    if let ending = trouble?.ending ?? lazy.map({ _ in .exited(70) }) {
      do { try lazy?.endAtSync() } catch { violation("\(error)") }
      // The disk ends it, in the middle of a call.
      group.wait()
      let end = daemon.waitForEnd()
      if end != ending { violation("the daemon ended with \(end)") }
    } else {
      if running.load(ordering: .sequentiallyConsistent) == 0 { violation("the daemon broke all connections") }
      usleep(pause)
      let end = daemon.end(SIGKILL)
      group.wait()
      if end != .signalled(SIGKILL) { violation("the daemon ended by itself: \(end)") }
    }
    if hasTrimmed.load(ordering: .relaxed) { history.state.withLock { $0.count("rounds with a trim") } }
  }

  private func note(by client: Int) {
    let count = answered.add(1, ordering: .relaxed).newValue
    if client == 0, !hasTrimmed.load(ordering: .relaxed), Self.firstSegment(in: directory) > firstSegment {
      hasTrimmed.store(true, ordering: .relaxed)
    }
    guard trouble?.goesOn() != true, count >= answers, hasTrimmed.load(ordering: .relaxed) else { return }
    if needsExpiry, history.state.withLock({ $0.counts["expired in life \($0.lives.count)"] == nil }) { return }
    isEnough.signal()
  }

  /// The name of the lowest segment: it rises when a trim has been finished.
  private static func firstSegment(in directory: URL) -> String {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    return names.filter { $0.hasSuffix(".wal") }.min() ?? ""
  }

  /// How log, disk and queues stand, by the daemon's own account.
  private var gauges: String {
    let text = (try? daemon.connect().send("GET", "/metrics", nil).text) ?? "no metrics"
    let lines = text.split(separator: "\n").filter { line in
      ["roost_disk", "roost_log", "roost_queue_jobs"].contains { line.hasPrefix($0) }
    }
    return lines.joined(separator: ", ")
  }

  private func violation(_ text: String) { history.state.withLock { $0.violation("\(text)\n\(daemon.said)") } }
}
