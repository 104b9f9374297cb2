import RoostCore
import RoostSimulation
import Testing

/// Logs with right checksums whose records contradict each other.
@Suite("Records that contradict each other")
struct RecordSweepTests {
  /// Histories that together hold every kind of record, the fewest that a look through seeds finds.
  private static func samples() throws -> [RecordSweep] {
    var (found, kinds) = ([RecordSweep](), Set<RecordKind>())
    for seed in 1...500 where kinds != Set(RecordKind.allCases) {
      let sweep = try RecordSweep(DamageSweep(seed: UInt64(seed), operations: 200, ending: .idle))
      guard !sweep.kinds.isSubset(of: kinds) else { continue }
      kinds.formUnion(sweep.kinds)
      found.append(sweep)
    }
    return found
  }

  @Test("with any field of a record changed, a record too many, missing or misplaced, a log is refused or consistent")
  func everyChange() async throws {
    let sweeps = try await aside { try Self.samples() }
    var kinds: Set<RecordKind> = []
    var (refused, opened) = (0, 0)
    for sweep in sweeps {
      try #require(sweep.outcome(of: []) == (isOpened: true, problem: nil), "unchanged it opens")
      let fresh = sweep.kinds.subtracting(kinds)
      kinds.formUnion(fresh)
      let (counts, problems) = try await aside {
        var (counts, problems) = ([Bool: Int](), [String]())
        for change in sweep.everyChange(recordsOfEachKind: 2, of: fresh) {
          let outcome = sweep.outcome(of: change)
          if !outcome.isOpened || sweep.isReal(change) { counts[outcome.isOpened, default: 0] += 1 }
          if let problem = outcome.problem { problems.append("\(change): \(problem)") }
        }
        return (counts, problems)
      }
      try #require(problems.isEmpty, "\(problems.prefix(3))")
      refused += counts[false, default: 0]
      opened += counts[true, default: 0]
    }
    try #require(kinds == Set(RecordKind.allCases), "the samples hold \(kinds) only")
    print("records changed: \(refused) refused, \(opened) opened")
    #expect(refused > opened && opened > 0)
  }

  /// A directory's seed and how its daemon ended, and the change made to it.
  struct Found: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var seed: UInt64
    var ending: DamageSweep.Ending
    var change: [UInt8]

    static let all = [
      Found(
        testDescription: "a SCHEDULED job was leased: its row had no place in any list", seed: 6, ending: .idle,
        change: [0, 0, 37, 0, 5, 3]),
      Found(
        testDescription: "a stub named a job that is here", seed: 4, ending: .idle, change: [0, 0, 54, 3, 5, 3]),
      Found(
        testDescription: "a history led to a record that is none", seed: 7, ending: .idle,
        change: [0, 0, 4, 2, 0, 3]),
      Found(
        testDescription: "a purge named a copy that is lost: its key's stub was left behind", seed: 17, ending: .busy,
        change: [0, 0, 130, 1, 0, 3]),
      Found(
        testDescription: "a copy named the number of a job that had left: its key's stub was left behind", seed: 18,
        ending: .stopped, change: [0, 1, 19, 0, 1, 3]),
      Found(
        testDescription: "a frame named the last log time there is", seed: 8, ending: .busy,
        change: [78, 48, 186, 219, 33, 165, 149, 59, 230, 94, 153, 93, 236, 215, 15, 92, 84, 62]),
      Found(
        testDescription: "a frame named an epoch that overflows", seed: 8, ending: .busy,
        change: [95, 25, 119, 161, 201, 198, 196, 105, 241, 130, 212, 184, 173, 147, 121, 187, 193, 213]),
    ]
  }

  @Test("a repair of what ended one before gives a log that opens", arguments: Found.all)
  func found(_ found: Found) throws {
    let operations = [4, 6].contains(found.seed) ? 200 : 260
    let sweep = try RecordSweep(DamageSweep(seed: found.seed, operations: operations, ending: found.ending))
    #expect(sweep.problem(with: found.change) == nil)
  }
}
