import RoostSimulation
import Testing

/// Logs with right checksums whose records contradict each other.
@Suite("Records that contradict each other")
struct RecordSweepTests {
  @Test("with any field of a record changed, a record too many, missing or misplaced, a log is refused or consistent")
  func everyChange() async throws {
    let (refused, opened, problems) = try await aside {
      let sweep = try RecordSweep(DamageSweep(seed: 6, operations: 200, ending: .idle))
      #expect(sweep.outcome(of: []).isOpened, "unchanged it opens")
      var (refused, opened, problems) = (0, 0, [String]())
      for change in sweep.everyChange(recordsOfEachKind: 2) {
        let outcome = sweep.outcome(of: change)
        if outcome.isOpened { opened += 1 } else { refused += 1 }
        if let problem = outcome.problem { problems.append("\(change): \(problem)") }
      }
      return (refused, opened, problems)
    }
    print("records changed: \(refused) refused, \(opened) opened")
    #expect(problems.isEmpty, "\(problems.prefix(3))")
    #expect(refused > opened && opened > 0)
  }
}
