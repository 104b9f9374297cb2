import RoostCore

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
  case cleanStopping = "during a clean stop"
  case killed = "killed, nothing lost"
  case powerCut = "power cut between calls"
  case cleanStop = "clean stop"
  case syncFailed = "a sync failed"
  case diskFull = "disk full"
}

/// What a simulation did, counted; reports of many seeds add up.
package struct SimulationReport: Sendable {
  package var seeds = 0
  package var operations = 0
  package var crashes = 0
  package var trims = 0
  /// The least of any seed.
  package var leastOperations = Int.max
  package var leastCrashes = Int.max
  package var leastTrims = Int.max
  package var events: [RecordKind: Int] = [:]
  package var refusals: [Refusal: Int] = [:]
  package var crashPoints: [CrashPoint: Int] = [:]
  package var answers: [String: Int] = [:]

  package init() {}

  package mutating func add(_ other: SimulationReport) {
    seeds += other.seeds
    operations += other.operations
    crashes += other.crashes
    trims += other.trims
    leastOperations = min(leastOperations, other.leastOperations)
    leastCrashes = min(leastCrashes, other.leastCrashes)
    leastTrims = min(leastTrims, other.leastTrims)
    events.merge(other.events, uniquingKeysWith: +)
    refusals.merge(other.refusals, uniquingKeysWith: +)
    crashPoints.merge(other.crashPoints, uniquingKeysWith: +)
    answers.merge(other.answers, uniquingKeysWith: +)
  }

  /// Refusals that the store cannot give, and who gives them.
  package static let refusalsElsewhere: [Refusal: String] = [
    .outcomeUnknown: "given by the engine when its writer stops",
    .payloadCorrupt: "given by the engine where a reader finds damaged bytes",
    .stopping: "given by the engine once it stops taking requests",
  ]

  /// What should have occurred and did not.
  package var missing: [String] {
    RecordKind.allCases.filter { events[$0] == nil }.map { "event \($0)" }
      + Refusal.allCases.filter { refusals[$0] == nil && Self.refusalsElsewhere[$0] == nil }.map { "refusal \($0)" }
      + CrashPoint.allCases.filter { crashPoints[$0] == nil }.map { "crash \($0.rawValue)" }
  }

  /// Everything counted, a line each.
  package var table: String {
    var lines = [
      "\(seeds) seeds, \(operations) operations (each ≥ \(leastOperations)), \(crashes) crashes (each ≥ "
        + "\(leastCrashes)), \(trims) trims (each ≥ \(leastTrims))"
    ]
    lines += RecordKind.allCases.map { "event    \($0): \(events[$0] ?? 0)" }
    lines += answers.sorted { $0.key < $1.key }.map { "answer   \($0.key): \($0.value)" }
    lines += Refusal.allCases.map { refusal in
      "refusal  \(refusal): " + (Self.refusalsElsewhere[refusal] ?? "\(refusals[refusal] ?? 0)")
    }
    lines += CrashPoint.allCases.map { "crash    \($0.rawValue): \(crashPoints[$0] ?? 0)" }
    return lines.joined(separator: "\n")
  }
}

/// A promise that was not kept: the seed shows it again.
package struct SimulationFailure: Error, CustomStringConvertible, Sendable {
  package var seed: UInt64
  package var message: String
  package var history: [String]

  package var description: String {
    (["seed \(seed): \(message)", "the last turns:"] + history.map { "  " + $0 }).joined(separator: "\n")
  }
}
