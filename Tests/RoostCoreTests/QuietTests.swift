import RoostCore
import Testing

/// Workers that are asked to take no more jobs.
@Suite("Quiet workers")
struct QuietTests {
  /// `Machine.lease` leases as `w1`.
  @discardableResult
  private func quiet(_ machine: Machine, _ isQuiet: Bool, worker: String = "w1") -> [Answer] {
    let bytes = Array(worker.utf8)
    return machine.run(
      bytes,
      .quietWorker(Command.QuietWorker(worker: ByteRange(offset: 0, count: bytes.count), isQuiet: isQuiet)))
  }

  private func isQuiet(_ answer: Answer?) -> Bool? {
    if case .extended(_, _, let isQuiet, _)? = answer { isQuiet } else { nil }
  }

  @Test("a quiet worker gets no jobs, keeps what it holds, and hears of it; others go on")
  func holds() throws {
    let machine = Machine()
    for _ in 0..<3 { _ = machine.submit() }
    let held = try #require(machine.lease())
    #expect(isQuiet(machine.extend(held, milliseconds: 60_000)) == false)
    quiet(machine, true)
    #expect(isQuiet(machine.extend(held, milliseconds: 60_000)) == true)
    #expect(machine.lease() == nil)
    #expect(machine.leaseSeveral(atMost: 1).count == 1)
    guard case .changed(.acked, _, _)? = machine.finish(held.id, held.lease, .acked) else {
      Issue.record("what it holds is its own")
      return
    }
    try machine.expectReplay()
    quiet(machine, false)
    #expect(machine.lease() != nil)
    try machine.expectReplay()
  }

  @Test("the waits of a worker end when it becomes quiet and when that is taken back; between them it waits in vain")
  func waits() throws {
    let machine = Machine()
    #expect(machine.lease(wait: 30_000) == nil && machine.state.waiterCount == 1)
    #expect(quiet(machine, true).count == 2 && machine.state.waiterCount == 0)
    #expect(machine.lease(wait: 30_000) == nil && machine.state.waiterCount == 1)
    _ = machine.submit()
    #expect(machine.state.waiterCount == 1)
    #expect(quiet(machine, true).count == 1 && machine.state.waiterCount == 1)
    #expect(quiet(machine, false).count == 2 && machine.state.waiterCount == 0)
    #expect(machine.lease() != nil)
    try machine.expectReplay()
  }

  @Test("what was said of a worker twice is kept once, of 1,000 workers at most")
  func bound() throws {
    let machine = Machine()
    for number in 0..<1_000 { quiet(machine, true, worker: "host-\(number)") }
    quiet(machine, true, worker: "host-5")
    #expect(machine.state.quietNames.count == 1_000)
    guard case .refused(.overloaded)? = quiet(machine, true, worker: "one more").first else {
      Issue.record("a thousand are enough")
      return
    }
    quiet(machine, false, worker: "host-5")
    #expect(machine.state.quietNames.count == 999)
    try machine.expectReplay()
  }
}
