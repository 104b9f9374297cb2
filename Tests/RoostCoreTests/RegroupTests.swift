import RoostCore
import Testing

/// Settings of queues with more groups than are placed in one step.
@Suite("Regrouping")
struct RegroupTests {
  private let groups = 95

  private func filled() -> Machine {
    let machine = Machine { $0.groupsPerStep = 10 }
    for number in 0..<groups {
      for _ in 0..<2 { _ = machine.submit(group: "g\(number)") }
    }
    return machine
  }

  /// Decides what is due until all groups are placed; no step places more than it may.
  private func finish(_ machine: Machine) {
    for _ in 0..<12 {
      let before = machine.state.regroupSteps
      machine.run()
      #expect(machine.state.regroupSteps - before <= 10)
    }
  }

  @Test("a change of what holds for each group places ten in a step, and gives no job meanwhile")
  func steps() throws {
    let machine = filled()
    #expect(machine.state.regroupSteps == 0)
    machine.set([.groupConcurrency: 1])
    #expect(machine.state.regroupSteps == 10)
    #expect(machine.lease() == nil && machine.state.regroupSteps == 20)
    finish(machine)
    #expect(machine.state.regroupSteps == groups)
    for _ in 0..<groups { #expect(machine.lease() != nil) }
    #expect(machine.lease() == nil)
    try machine.expectReplay()
  }

  @Test("whoever waits meanwhile is met when the groups are placed")
  func waiting() throws {
    let machine = filled()
    machine.set([.groupFair: 1])
    #expect(machine.lease(wait: 30_000) == nil && machine.state.waiterCount == 1)
    finish(machine)
    #expect(machine.state.waiterCount == 0)
    try machine.expectReplay()
  }

  @Test("a second change begins with the first group again; a small queue is placed at once")
  func again() throws {
    let machine = filled()
    machine.set([.groupFair: 1])
    machine.set([.groupConcurrency: 1])
    finish(machine)
    #expect(machine.state.regroupSteps == 10 + groups)
    let steps = machine.state.regroupSteps
    for number in 0..<10 { _ = machine.submit(queue: "few", group: "g\(number)") }
    machine.set([.groupConcurrency: 1], of: "few")
    #expect(machine.state.regroupSteps == steps && machine.lease("few") != nil)
    try machine.expectReplay()
  }

  @Test("how far leases have come counts as far as it fitted when the rate changed, also after a restart")
  func rates() throws {
    let machine = filled()
    machine.set([.groupRateLimit: 1, .groupRatePeriod: 60_000, .groupRateBurst: 1])
    finish(machine)
    let grants = (0..<3).compactMap { _ in machine.lease() }
    #expect(grants.count == 3)
    machine.set([.groupRateLimit: 1, .groupRatePeriod: 1_000, .groupRateBurst: 1])
    machine.skip(milliseconds: 300)
    // Of another rate nothing is given back.
    _ = machine.finish(grants[0].id, grants[0].lease, .undelivered)
    machine.skip(milliseconds: 300)
    machine.set([.groupRateLimit: 1, .groupRatePeriod: 10_000, .groupRateBurst: 1])
    finish(machine)
    try machine.expectReplay()
  }

  @Test("groups that go meanwhile are passed over")
  func gone() throws {
    let machine = filled()
    machine.set([.groupFair: 1])
    var all = JobSelection(
      kind: .cancel, states: JobState.ready.bit, queue: .empty, type: .empty, owner: .empty, before: .max, limit: .max)
    machine.run([], .operate(Command.Operate(all)))
    all.kind = .delete
    all.states = JobState.cancelled.bit
    machine.run([], .operate(Command.Operate(all)))
    finish(machine)
    #expect(machine.state.jobCount == 0 && machine.lease() == nil)
    try machine.expectReplay()
  }
}
