import RoostCore
import RoostSimulation
import Synchronization
import Testing

@Suite("The store under the simulator")
struct SeedTests {
  @Test("2,000 seeds of 1,000 operations, five crashes and three trims or more keep every promise")
  func allSeeds() async throws {
    let report = try await run(seeds: 1...2_000)
    print(report.table)
    #expect(report.seeds == 2_000)
    #expect(report.leastOperations >= 1_000)
    #expect(report.leastCrashes >= 5)
    #expect(report.leastTrims >= 3)
    #expect(report.missing.isEmpty, "these never occurred: \(report.missing)")
  }

  private static let noTokenCheck = Mutation.core(.noTokenCheck)

  private func failure(ofSeed seed: UInt64, with defect: Mutation, script: Script? = nil) -> SimulationFailure? {
    do throws(SimulationFailure) {
      _ = try Simulation.run(seed: seed, defects: [defect], script: script)
      return nil
    } catch {
      return error
    }
  }

  @Test("a failing history shrinks to a few parts of turns, whose text replays it")
  func shrinks() async throws {
    var found: SimulationFailure?
    for seed in 1...40 where found == nil { found = failure(ofSeed: UInt64(seed), with: Self.noTokenCheck) }
    let failure = try #require(found)
    let (script, shrunk) = try await aside { Simulation.shrink(failure, defects: [Self.noTokenCheck]) }
    let replayed = try #require(Script(script.description))
    #expect(replayed == script)
    #expect(script.description.split(separator: ",").count < max(2, failure.turn / 2))
    let again = self.failure(ofSeed: failure.seed, with: Self.noTokenCheck, script: replayed)
    #expect(again?.message == shrunk.message)
    // Without the defect the same turns keep every promise.
    _ = try Simulation.run(seed: failure.seed, script: replayed)
  }

  @Test("a disk that runs full with its reserve whole takes every end of an attempt, and recovers")
  func fullDisk() async throws {
    let report = try await aside {
      var report = SimulationReport()
      for seed in 1...100 { report.add(try Simulation.runOnFullDisk(seed: UInt64(seed), operations: 200)) }
      return report
    }
    #expect(report.refusals[.diskLow, default: 0] > 5_000)
    // The others have segments too small to hold what the daemon's do.
    #expect(report.crashPoints[.diskFull, default: 0] > 15)
  }

  @Test("the same seed gives the same run")
  func repeatable() throws {
    let (first, second) = (try Simulation.run(seed: 7), try Simulation.run(seed: 7))
    #expect(first.table == second.table)
  }

  /// Spreads seeds over two threads.
  private func run(seeds: ClosedRange<UInt64>) async throws -> SimulationReport {
    let remaining = Seeds(seeds)
    return try await withThrowingTaskGroup(of: SimulationReport.self) { group in
      for _ in 0..<2 {
        group.addTask {
          try await aside {
            var report = SimulationReport()
            while let seed = remaining.next() { report.add(try Simulation.run(seed: seed)) }
            return report
          }
        }
      }
      return try await group.reduce(into: SimulationReport()) { $0.add($1) }
    }
  }
}

/// Seeds, each given out once.
private final class Seeds: Sendable {
  private let left: Mutex<ClosedRange<UInt64>.Iterator>

  init(_ seeds: ClosedRange<UInt64>) { left = Mutex(seeds.makeIterator()) }

  func next() -> UInt64? { left.withLock { $0.next() } }
}
