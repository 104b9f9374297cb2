import RoostSimulation
import Testing

/// Every byte and every length where it is cheap to have them all; a fifth of them for the other ways to end.
@Suite("Every byte")
struct DamageSweepTests {
  @Test(
    "a directory with any byte flipped, any file cut, taken away or swapped gives the right state or a refusal",
    arguments: DamageSweep.Ending.allCases)
  func everyByte(ending: DamageSweep.Ending) async throws {
    let (flipped, cut, moved, zeroed, shortened) = try await aside {
      let sweep = try DamageSweep.smallest(of: 1...12, operations: 200, ending: ending)
      let stride = ending == .idle ? 1 : 5
      return (
        try sweep.flipBytes(stride: stride), try sweep.cut(stride: stride), try sweep.removeAndSwap(),
        try sweep.zeroSectors(), try sweep.zeroTails()
      )
    }
    print("damage, \(ending): flipped \(flipped); cut \(cut); moved \(moved); zeroed \(zeroed) \(shortened)")
    #expect(shortened.refused > 0)
    for outcome in [flipped, cut, moved, zeroed] {
      #expect(outcome.refused > 0)
      #expect(outcome.unchanged > 0)
    }
    // Only the flipped last frame of a daemon that was killed at once passes for one that was never answered.
    #expect(cut.tailLost + moved.tailLost + zeroed.tailLost + shortened.tailLost == 0)
    #expect((flipped.tailLost > 0) == (ending == .busy))
  }
}
