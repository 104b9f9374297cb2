import RoostCore

/// Looks for the first sign of a mistake that was put in: by random histories, by damaging what they leave, on a full
/// disk, and by breaking short histories at every disk call. What no check notices, the checks do not cover.
package enum MutationGate {
  /// The ways to look, cheapest first.
  package enum Check: CaseIterable, Sendable {
    case simulator, damage, fullDisk, everyCall

    var title: String {
      switch self {
      case .simulator: "a random history"
      case .damage: "damage to a directory"
      case .fullDisk: "a full disk"
      case .everyCall: "a break at every call"
      }
    }
  }

  /// Where a mistake came to light.
  package struct Finding: Sendable {
    package var check: Check
    /// Seed and turn, call, or byte.
    package var place: String
    /// What the check said.
    package var message: String
  }

  /// How far each check looks.
  package struct Bounds: Sendable {
    /// Random histories of 1,000 operations.
    package var seeds: ClosedRange<UInt64> = 1...57
    /// Others that meet what those do not: groups of a queue that take turns, and wait long enough for theirs.
    package var furtherSeeds: ClosedRange<UInt64> = 250...250
    /// Short histories that are broken at each of their disk calls.
    package var sweptSeeds: ClosedRange<UInt64> = 1...3
    package var sweptOperations = 90
    /// Histories on a disk that runs full.
    package var fullDiskSeeds: ClosedRange<UInt64> = 1...20
    /// Directories that are damaged: the first in every way, the others lose the ends of segments.
    package var damagedSeeds: ClosedRange<UInt64> = 6...30
    /// In so many of these, every byte of the frames' headers is flipped, too.
    package var headerSeeds: UInt64 = 5
    /// Every so manieth byte of the first is flipped.
    package var damageStride = 61

    package init() {}
  }

  /// The first sign of a mistake: by random histories, then by the other checks, each of which takes longer.
  package static func search(_ mutation: Mutation) -> Finding? {
    search(mutation, by: .simulator) ?? search(mutation, by: .damage) ?? search(mutation, by: .fullDisk)
      ?? search(mutation, by: .everyCall)
  }

  /// What one check finds.
  package static func search(_ mutation: Mutation?, by check: Check, _ bounds: Bounds = Bounds()) -> Finding? {
    let defects = mutation.map { Set([$0]) } ?? []
    switch check {
    case .simulator:
      let play = { (seed: UInt64) in _ = try Simulation.run(seed: seed, defects: defects) }
      return first(bounds.seeds, check, play) ?? first(bounds.furtherSeeds, check, play)
    case .everyCall:
      return first(bounds.sweptSeeds, check) { seed in
        _ = try Simulation.sweep(seed: seed, operations: bounds.sweptOperations, defects: defects)
      }
    case .fullDisk:
      return first(bounds.fullDiskSeeds, check) { seed in
        _ = try Simulation.runOnFullDisk(seed: seed, operations: 200, defects: defects)
      }
    case .damage:
      return first(bounds.damagedSeeds, check) { seed in
        for ending in DamageSweep.Ending.allCases {
          let sweep = try DamageSweep(seed: seed, operations: 200, ending: ending, defects: defects)
          _ = try sweep.zeroTails()
          if seed < bounds.damagedSeeds.lowerBound + bounds.headerSeeds { _ = try sweep.flipHeaders() }
          guard seed == bounds.damagedSeeds.first else { continue }
          _ = try sweep.zeroSectors()
          _ = try sweep.removeAndSwap()
          _ = try sweep.flipBytes(stride: bounds.damageStride)
        }
      }
    }
  }

  private static func first(
    _ seeds: ClosedRange<UInt64>, _ check: Check, _ run: (UInt64) throws -> Void
  ) -> Finding? {
    for seed in seeds {
      do {
        try run(seed)
      } catch let failure as SimulationFailure {
        // "EIO at call 5, sync: …" where a call was broken.
        let isAtCall = failure.message.contains(" at call ")
        let (place, message) = isAtCall ? split(failure.message, parts: 1) : ("", failure.message)
        return Finding(
          check: check, place: "seed \(seed), turn \(failure.turn)" + (place.isEmpty ? "" : ", \(place)"),
          message: message)
      } catch {
        let (place, message) = split((error as? ReferenceModel.Violation)?.message ?? "\(error)", parts: 1)
        return Finding(check: check, place: "seed \(seed), \(place)", message: message)
      }
    }
    return nil
  }

  private static func split(_ message: String, parts: Int) -> (place: String, message: String) {
    let parts = message.split(separator: ": ", maxSplits: parts)
    return (parts.dropLast().joined(separator: ", "), String(parts.last ?? ""))
  }

  // MARK: The table

  /// A line for each mistake: its harm, and which check noticed it first, where.
  ///
  /// - Parameter wanted: The lines of these alone, unless empty.
  /// - Returns: Whether all were noticed.
  package static func table(of wanted: Set<Mutation> = [], line: (String) -> Void) -> Bool {
    line("| defect | what it would do | noticed by |")
    line("|---|---|---|")
    var areAllNoticed = true
    for mutation in Mutation.allCases where wanted.isEmpty || wanted.contains(mutation) {
      let finding = search(mutation)
      areAllNoticed = areAllNoticed && finding != nil
      let notice = finding.map { "\($0.check.title), \($0.place)" } ?? "**nothing**"
      line("| `\(mutation.name)` | \(mutation.harm) | \(notice) |")
    }
    return areAllNoticed
  }
}
