import Glibc
import RoostCore
import RoostLog
import Synchronization

/// What happens at one chosen disk call of a run.
package enum CallFault: Hashable, Sendable, CustomStringConvertible {
  /// The machine stops, after the call's effect on the page cache or before it.
  case stop(hasEffect: Bool)
  /// The call fails, once.
  case fail(errno: Int32)

  package static let all: [CallFault] = [
    .stop(hasEffect: false), .stop(hasEffect: true), .fail(errno: EIO), .fail(errno: ENOSPC),
  ]

  package var description: String {
    switch self {
    case .stop(let hasEffect): hasEffect ? "stop after its effect" : "stop before its effect"
    case .fail(errno: EIO): "EIO"
    case .fail(errno: ENOSPC): "ENOSPC"
    case .fail(let errno): "errno \(errno)"
    }
  }
}

/// Where the faults of a run come from.
enum FaultSource: Sendable {
  /// At random, of every kind, over and over.
  case random
  /// At this call of the disk, counted from the making of the directory; nil: none at all.
  case planned((call: Int, fault: CallFault)?)

  var areRandom: Bool {
    if case .random = self { true } else { false }
  }
}

/// Short histories, broken off at every single disk call in turn, as SQLite's tests do.
extension Simulation {
  /// What a sweep went through.
  package struct Sweep: Sendable {
    /// Disk calls of the history.
    package var calls = 0
    /// Runs, each broken at another call.
    package var runs = 0
    /// Faults that the store took without ending.
    package var survived = 0
    /// Trims of the unbroken history.
    package var trims = 0
    /// How often each operation of the disk was hit.
    package var hits: [DiskOperation: Int] = [:]

    package mutating func add(_ other: Sweep) {
      calls += other.calls
      runs += other.runs
      survived += other.survived
      trims += other.trims
      hits.merge(other.hits, uniquingKeysWith: +)
    }
  }

  /// Of the first seeds whose unbroken history trims its log, so that a sweep breaks every step of that, those that make
  /// the fewest disk calls.
  package static func seedsThatTrim(_ count: Int, operations: Int) throws(SimulationFailure) -> [UInt64] {
    var found: [(seed: UInt64, calls: Int)] = []
    var seed: UInt64 = 0
    while found.count < 4 * count {
      seed += 1
      let whole = Simulation(seed: seed, defects: [], faults: .planned(nil))
      let calls = CallList()
      whole.disk.observe { operation, _ in calls.add(operation) }
      var trims = 0
      try whole.telling {
        try whole.play(operations: operations) {
          calls.close()
          trims = whole.report.trims
        }
      }
      if trims > 0, calls.all.contains(.remove) { found.append((seed, calls.all.count)) }
    }
    return found.sorted { $0.calls < $1.calls }.prefix(count).map(\.seed)
  }

  /// Plays the same history once for each disk call it makes and each fault, and checks everything after each.
  package static func sweep(
    seed: UInt64, operations: Int, faults: [CallFault] = CallFault.all, defects: Set<Mutation> = []
  ) throws(SimulationFailure) -> Sweep {
    var sweep = Sweep()
    let calls = CallList()
    let whole = Simulation(seed: seed, defects: defects, faults: .planned(nil))
    whole.disk.observe { operation, _ in calls.add(operation) }
    try whole.telling {
      try whole.play(operations: operations) {
        calls.close()
        sweep.trims = whole.report.trims
      }
    }
    sweep.calls = calls.all.count
    for fault in faults {
      for (index, operation) in calls.all.enumerated() where fault.canHit(operation) {
        let broken = Simulation(seed: seed, defects: defects, faults: .planned((index + 1, fault)))
        try broken.telling {
          do {
            try broken.play(operations: operations)
          } catch {
            let message = (error as? ReferenceModel.Violation)?.message ?? "\(error)"
            throw ReferenceModel.Violation(message: "\(fault) at call \(index + 1), \(operation.rawValue): \(message)")
          }
        }
        sweep.runs += 1
        sweep.hits[operation, default: 0] += 1
        if broken.report.crashes == whole.report.crashes { sweep.survived += 1 }
      }
    }
    return sweep
  }

  /// One history under the planned fault: half-way the process is killed, later it stops in order; in the end every
  /// queue must drain.
  private func play(operations: Int, beforeDraining: () -> Void = {}) throws {
    if case .planned(let plan?) = faults { disk.plan(plan.fault, atCall: plan.call) }
    isArmed = true
    candidates = [Candidate(model: model, image: nil)]
    try restart()
    for part in 1...3 {
      while report.operations < operations * part / 3 {
        turn += 1
        try takeTurn()
      }
      if part == 1 { try orStop(killed) }
      if part == 2 {
        try orStop {
          try answerWaiters()
          try stopInOrder()
        }
      }
    }
    beforeDraining()
    try drain()
  }

  private func orStop(_ ending: () throws -> Void) throws {
    do {
      try ending()
    } catch let error as LogError {
      return try stopped(by: error)
    }
    try restart()
  }
}

extension CallFault {
  /// A device runs full only where something is to be written.
  func canHit(_ operation: DiskOperation) -> Bool {
    guard self == .fail(errno: ENOSPC) else { return true }
    switch operation {
    case .open, .write, .sync, .truncate, .rename, .syncDirectory: return true
    case .list, .size, .read, .remove, .lock, .freeBytes, .dropCache: return false
    }
  }
}

/// The calls of a history, in order.
private final class CallList: Sendable {
  private let calls = Mutex<(all: [DiskOperation], isClosed: Bool)>(([], false))

  var all: [DiskOperation] { calls.withLock { $0.all } }
  func add(_ operation: DiskOperation) { calls.withLock { if !$0.isClosed { $0.all.append(operation) } } }
  func close() { calls.withLock { $0.isClosed = true } }
}
