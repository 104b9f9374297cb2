import Foundation
import Synchronization

/// What is wrong with the disk in one round of the power-cut test, from the start of the daemon to its end.
final class DiskTrouble: Sendable {
  /// In turn, so that each comes as often as the others.
  private enum Kind: CaseIterable {
    case cutAtName, full, cutInCall, slow, failingSync, killedFull, failingWrite, stalled
  }

  /// The steps of a disk that is full, or stands still, for a while.
  private enum Phase { case ahead, during(History.Counts), after(History.Counts), over }

  private let kind: Kind
  private let power: PowerCut
  private let history: CrashHistory
  private let phase = Mutex(Phase.ahead)

  init(_ round: Int, on power: PowerCut, _ history: CrashHistory) {
    kind = Kind.allCases[round % Kind.allCases.count]
    self.power = power
    self.history = history
  }

  /// How the daemon ends by itself; nil if it is to be killed from outside.
  var ending: ExitReason? {
    switch kind {
    case .cutInCall, .cutAtName: .signalled(SIGKILL)
    case .failingSync, .failingWrite: .exited(70)
    case .full, .killedFull, .slow, .stalled: nil
    }
  }

  // MARK: The round

  /// Calls are interrupted and cut short all the time, while it recovers, too.
  func beforeStart(_ choices: inout SeededChoices) throws {
    try power.set(.seed, UInt32.random(in: 1...UInt32.max, using: &choices))
    try power.set(.interruptedPermille, 20)
    try power.set(.shortPermille, 20)
    history.state.withLock { $0.refusals = ["disk_low", "overloaded", "outcome_unknown"] }
  }

  /// The daemon has recovered, and what it has was compared.
  func afterAudit(_ daemon: LiveDaemon, _ choices: inout SeededChoices) throws {
    switch kind {
    case .stalled: break
    case .cutAtName: try power.set(.cutAfterName, UInt32.random(in: 1...6, using: &choices))
    case .full, .killedFull:
      // Without a reserve nothing is leased, and there would be nothing to acknowledge.
      try waitUntil("the reserve is whole") {
        try daemon.gauge("roost_disk_spare_bytes") >= daemon.gauge("roost_disk_reserve_bytes")
      }
      phase.withLock { $0 = .during(counts) }
      try power.set(.isFull, 1)
    case .slow: try power.set(.syncMicroseconds, UInt32.random(in: 500...15_000, using: &choices))
    case .cutInCall: try power.set(.cutAfter, UInt32.random(in: 1...400, using: &choices))
    case .failingSync: try power.set(.failingSync, UInt32.random(in: 1...60, using: &choices))
    case .failingWrite: try power.set(.failingWrite, UInt32.random(in: 1...120, using: &choices))
    }
  }

  /// Called after each answer.
  ///
  /// - Returns: Whether the load must go on before the daemon may be killed.
  func goesOn() -> Bool {
    phase.withLock { phase in
      switch (kind, phase) {
      case (.full, .during(let before)), (.killedFull, .during(let before)):
        // Once submits are refused for want of space, work that was given out can still be finished.
        guard counts.refusedSubmits >= before.refusedSubmits + 3 else {
          phase = .during(History.Counts(refusedSubmits: before.refusedSubmits, acks: counts.acks))
          return true
        }
        guard counts.acks >= before.acks + 3 else { return true }
        history.state.withLock { $0.count("full disks on which acks went on") }
        phase = kind == .full ? .after(counts) : .over
        if kind == .full { schedule(.isFull, 0) }
      case (.full, .after(let before)):
        guard counts.submits >= before.submits + 3 else { return true }
        history.state.withLock { $0.count("full disks that had space again") }
        phase = .over
      case (.stalled, .ahead):
        schedule(.syncMicroseconds, 1_050_000)
        phase = .during(counts)
      case (.stalled, .during(let before)):
        guard counts.answers >= before.answers + 8 else { return true }
        schedule(.syncMicroseconds, 0)
        phase = .over
      default: return false
      }
      if case .over = phase { return false }
      return true
    }
  }

  /// The daemon is gone, and with it what its disk had not kept.
  func afterKill(_ choices: inout SeededChoices) throws {
    let (interrupted, shortened) = (try power.value(.interrupted), try power.value(.shortened))
    let loss = try power.takeBack(&choices)
    history.state.withLock { history in
      history.counts["sectors taken back", default: 0] += loss.sectors
      history.counts["unsynced sectors kept", default: 0] += loss.kept
      history.counts["names taken back", default: 0] += loss.names
      history.counts["calls interrupted", default: 0] += Int(interrupted)
      history.counts["writes cut short", default: 0] += Int(shortened)
      history.count("rounds \(kind)")
    }
  }

  private func schedule(_ control: PowerCut.Control, _ value: UInt32) {
    do { try power.set(control, value) } catch { history.state.withLock { $0.violation("\(error)") } }
  }

  private var counts: History.Counts { history.state.withLock { History.Counts($0) } }
}

extension History {
  /// What the phases of a round are told by.
  struct Counts {
    var refusedSubmits = 0
    var submits = 0
    var acks = 0
    var answers = 0

    init(refusedSubmits: Int, acks: Int) {
      self.refusedSubmits = refusedSubmits
      self.acks = acks
    }

    init(_ history: History) {
      func count(_ what: String) -> Int { history.counts[what, default: 0] }
      refusedSubmits = count("submit 507")
      submits = count("submit 201")
      acks = count("ack 200")
      answers = submits + acks + count("lease 200") + count("lease 404")
    }
  }
}
