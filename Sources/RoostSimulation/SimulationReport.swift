import Glibc
import RoostCore
import RoostLog

/// Where a machine stopped, or how a process ended.
package enum CrashPoint: String, CaseIterable, Sendable {
  case tornTail = "torn tail found"
  case frameWrite = "in a frame's write"
  case frameSync = "between a frame's write and its sync"
  case carrying = "while copies are read or written"
  case copiesBeforeHead = "between copies durable and HEAD"
  case headBeforeUnlink = "between HEAD and unlink"
  case segmentMaking = "while a segment is made"
  case segmentTaking = "while a segment is taken into use"
  case recovery = "during recovery"
  case backup = "during a backup of the running store"
  case cleanStopping = "during a clean stop"
  case killed = "killed, nothing lost"
  case powerCut = "power cut between calls"
  case cleanStop = "clean stop"
  case syncFailed = "a sync failed"
  case diskFull = "disk full"
  case vanished = "the directory is gone"
}

/// What else befell the store: calls, bytes and clocks that do what they should not, and how that ended.
package enum SimulatedFault: String, CaseIterable, Sendable {
  case readFailed = "EIO in a read"
  case writeFailed = "EIO in a write"
  case syncFailed = "EIO in a sync"
  case otherFailed = "EIO in another call"
  case noSpace = "ENOSPC in a call"
  case stopped = "a stop in a chosen call"
  case shortRead = "a short read"
  case shortWrite = "a short write"
  case interrupted = "EINTR"

  case flippedBit = "a bit flipped while down"
  case zeroedSector = "a sector zeroed while down"
  case misdirectedBlock = "a block written to a wrong place"
  case staleBlock = "a block as it was before"
  case damageRefused = "damage: start refused, nothing changed"
  case damageWithoutEffect = "damage: the right state all the same"
  case tailLost = "damage: the uncovered last frame lost, the documented limit"
  case damageRead = "damage under the running daemon: reader or compaction told"

  case stall = "clock: a stall longer than a lease"
  case wallBack = "clock: wall back"
  case wallAhead = "clock: wall ahead"
  case wallFarAhead = "clock: wall ahead by more than an hour"
  case wallSetRight = "clock: wall set right"
  case newKernel = "clock: boot clock begins anew"
  case wrongAtStart = "clock: years off at a start"
  case longDowntime = "clock: down for more than a day"

  /// Those that a random history meets.
  static let random = allCases.filter { $0 != .stopped }

  init(_ fault: CallFault, _ operation: DiskOperation) {
    switch (fault, operation) {
    case (.stop, _): self = .stopped
    case (.fail(ENOSPC), _): self = .noSpace
    case (_, .read): self = .readFailed
    case (_, .write): self = .writeFailed
    case (_, .sync), (_, .syncDirectory): self = .syncFailed
    default: self = .otherFailed
    }
  }
}

/// What a simulation did, counted; reports of many seeds add up.
package struct SimulationReport: Sendable {
  package var seeds = 0
  package var operations = 0
  package var crashes = 0
  package var trims = 0
  /// Backups of the running store that came to their end.
  package var backups = 0
  /// The least of any seed.
  package var leastOperations = Int.max
  package var leastCrashes = Int.max
  package var leastTrims = Int.max
  package var events: [RecordKind: Int] = [:]
  package var refusals: [Refusal: Int] = [:]
  package var crashPoints: [CrashPoint: Int] = [:]
  package var answers: [String: Int] = [:]
  package var requests: [RequestKind: Int] = [:]
  package var faults: [SimulatedFault: Int] = [:]
  /// Batches at each level of the disk's fullness; 4: not even a frame fits.
  package var diskLevels = [Int](repeating: 0, count: 5)
  /// Starts under each value of each setting.
  package var settings: [String: Int] = [:]

  package init() {}

  package mutating func add(_ other: SimulationReport) {
    seeds += other.seeds
    operations += other.operations
    crashes += other.crashes
    trims += other.trims
    backups += other.backups
    leastOperations = min(leastOperations, other.leastOperations)
    leastCrashes = min(leastCrashes, other.leastCrashes)
    leastTrims = min(leastTrims, other.leastTrims)
    events.merge(other.events, uniquingKeysWith: +)
    refusals.merge(other.refusals, uniquingKeysWith: +)
    crashPoints.merge(other.crashPoints, uniquingKeysWith: +)
    answers.merge(other.answers, uniquingKeysWith: +)
    requests.merge(other.requests, uniquingKeysWith: +)
    faults.merge(other.faults, uniquingKeysWith: +)
    settings.merge(other.settings, uniquingKeysWith: +)
    for level in diskLevels.indices { diskLevels[level] += other.diskLevels[level] }
  }

  /// Refusals that the store cannot give, and who gives them.
  package static let refusalsElsewhere: [Refusal: String] = [
    .outcomeUnknown: "given by the engine when its writer stops or a record cannot be read",
    .payloadCorrupt: "given by the engine where a reader finds damaged bytes",
    .stopping: "given by the engine once it stops taking requests",
  ]

  /// What should have occurred and did not.
  package var missing: [String] {
    RecordKind.allCases.filter { events[$0] == nil }.map { "event \($0)" }
      + Refusal.allCases.filter { refusals[$0] == nil && Self.refusalsElsewhere[$0] == nil }.map { "refusal \($0)" }
      + CrashPoint.allCases.filter { crashPoints[$0] == nil }.map { "crash \($0.rawValue)" }
      + RequestKind.allCases.filter { requests[$0] == nil }.map { "request \($0.rawValue)" }
      + SimulatedFault.random.filter { faults[$0] == nil }.map { "fault \($0.rawValue)" }
      + Configuration.allNames.filter { settings[$0] == nil }.map { "setting \($0)" }
      + diskLevels.indices.filter { diskLevels[$0] == 0 }.map { "disk level \($0)" }
      + (backups == 0 ? ["a backup that came to its end"] : [])
  }

  /// Everything counted, a line each.
  package var table: String {
    var lines = [
      "\(seeds) seeds, \(operations) operations (each ≥ \(leastOperations)), \(crashes) crashes (each ≥ "
        + "\(leastCrashes)), \(trims) trims (each ≥ \(leastTrims)), \(backups) backups"
    ]
    lines += RecordKind.allCases.map { "event    \($0): \(events[$0] ?? 0)" }
    lines += answers.sorted { $0.key < $1.key }.map { "answer   \($0.key): \($0.value)" }
    lines += Refusal.allCases.map { refusal in
      "refusal  \(refusal): " + (Self.refusalsElsewhere[refusal] ?? "\(refusals[refusal] ?? 0)")
    }
    lines += CrashPoint.allCases.map { "crash    \($0.rawValue): \(crashPoints[$0] ?? 0)" }
    lines += RequestKind.allCases.map { "request  \($0.rawValue): \(requests[$0] ?? 0)" }
    lines += SimulatedFault.random.map { "fault    \($0.rawValue): \(faults[$0] ?? 0)" }
    lines += diskLevels.indices.map { "disk     level \($0): \(diskLevels[$0])" }
    lines += Configuration.allNames.map { "setting  \($0): \(settings[$0] ?? 0)" }
    return lines.joined(separator: "\n")
  }
}

/// A promise that was not kept: the seed shows it again.
package struct SimulationFailure: Error, CustomStringConvertible, Sendable {
  package var seed: UInt64
  package var turn: Int
  package var message: String
  package var history: [String]

  package var description: String {
    (["seed \(seed), turn \(turn): \(message)", "the last turns:"] + history.map { "  " + $0 }).joined(separator: "\n")
  }
}
