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

  @Test("a disk that runs full with its reserve whole takes every end of an attempt, and recovers")
  func fullDisk() throws {
    var report = SimulationReport()
    for seed in 1...100 { report.add(try Simulation.runOnFullDisk(seed: UInt64(seed), operations: 200)) }
    #expect(report.refusals[.diskLow, default: 0] > 5_000)
    // The others have segments too small to hold what the daemon's do.
    #expect(report.crashPoints[.diskFull, default: 0] > 15)
  }

  @Test("the same seed gives the same run")
  func repeatable() throws {
    let (first, second) = (try Simulation.run(seed: 7), try Simulation.run(seed: 7))
    #expect(first.table == second.table)
  }

  /// Spreads seeds over two tasks, as many as the machine has cores.
  private func run(seeds: ClosedRange<UInt64>) async throws -> SimulationReport {
    let remaining = Seeds(seeds)
    return try await withThrowingTaskGroup(of: SimulationReport.self) { group in
      for _ in 0..<2 {
        group.addTask {
          var report = SimulationReport()
          while let seed = remaining.next() {
            report.add(try Simulation.run(seed: seed))
            // Other tests share the threads.
            await Task.yield()
          }
          return report
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
