import RoostLog
import RoostSimulation
import Testing

@Suite("Every disk call")
struct SweepTests {
  @Test(
    "a short history with a kill and a stop, broken at any one of its disk calls, keeps every promise",
    arguments: [0, 1])
  func everyCall(place: Int) async throws {
    let (seed, sweep) = try await aside {
      // Seeds are chosen anew whenever the workload changes: a history that trims nothing shows too little.
      let seed = try Simulation.seedsThatTrim(2, operations: 300)[place]
      return (seed, try Simulation.sweep(seed: seed, operations: 300))
    }
    print("sweep: seed \(seed), \(sweep)")
    #expect(sweep.trims > 0)
    #expect(sweep.runs > 3 * sweep.calls)
    #expect(sweep.survived > 0 && sweep.survived < sweep.runs)
    // Removed files are shortened where there is time for that.
    #expect(Set(sweep.hits.keys).union([.truncate]) == Set(DiskOperation.allCases))
  }
}
