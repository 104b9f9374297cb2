import RoostCore
import Testing

/// Who of the workers that wait is given what.
@Suite("Workers that wait")
struct WaitingOrderTests {
  @Test("of several workers the one who has waited longest is given first, whichever queue has jobs first")
  func longestFirst() throws {
    let machine = Machine()
    let long = try #require(machine.submit(queue: "long") { $0.delayMilliseconds = 1_000 }).id
    let mail = try #require(machine.submit(queue: "mail") { $0.delayMilliseconds = 1_000 }).id
    #expect(machine.lease("mail", wait: 60_000) == nil)
    #expect(machine.lease(listed: ["mail", "long"], wait: 60_000) == nil)
    _ = machine.pass(milliseconds: 1_000)
    // The second worker would rather have had the first one's job.
    #expect(grants(machine) == [mail, long])
    #expect(machine.state.inconsistencies() == [])
  }

  private func grants(_ machine: Machine) -> [JobID?] {
    machine.step.replies.compactMap {
      guard case .leased(let grant) = $0.answer else { return nil }
      return grant.id
    }
  }
}
