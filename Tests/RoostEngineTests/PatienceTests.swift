import RoostEngine
import Testing

@Suite struct PatienceTests {
  @Test("the writer looks before it sleeps while commands come quickly, and stops where they do not")
  func quickAndSlow() {
    var patience = Patience(cores: 2)
    #expect(!patience.isWorthwhile, "nothing is known yet")
    patience.note(50_000)
    #expect(patience.isWorthwhile)
    // One long pause is soon forgotten, a quiet daemon does not burn its core.
    for _ in 0..<20 { patience.note(50_000) }
    patience.note(60_000_000_000)
    #expect(patience.isWorthwhile)
    for _ in 0..<3 { patience.note(10_000_000) }
    #expect(!patience.isWorthwhile)
  }

  @Test("without a second core it would only keep others from theirs")
  func oneCore() {
    var patience = Patience(cores: 1)
    for _ in 0..<20 { patience.note(1_000) }
    #expect(!patience.isWorthwhile)
  }
}
