import RoostCore
import Testing

/// What became of a job's attempts, counted apart.
@Suite("Counters of attempts")
struct CounterTests {
  private func expire(_ machine: Machine) throws {
    _ = try #require(machine.lease(milliseconds: 1_000))
    machine.skip(milliseconds: 2_000)
    machine.passGrace()
  }

  private func readied(_ machine: Machine, _ job: JobID) {
    machine.run([], .runNow(Command.RunNow(job: machine.reference(job), viewer: .all, onlyDead: false)))
  }

  @Test("failures, expiries and interruptions are told apart; only the first two are attempts that are spent")
  func apart() throws {
    let machine = Machine()
    let job = try #require(machine.submit { $0.maxRetries = 9 }).id
    try expire(machine)
    readied(machine, job)
    let handed = try #require(machine.lease())
    _ = machine.finish(job, handed.lease, .released)
    let failed = try #require(machine.lease())
    _ = machine.finish(job, failed.lease, .failed)
    let image = try #require(machine.image(job))
    #expect(image.attempts == 2 && image.expiries == 1 && image.interruptions == 1)
    try machine.expectReplay()
  }

  @Test("a job whose leases end as often as it may is DEAD, whatever retries are left; other failures do not count")
  func crashLoop() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.maxRetries = 9
        $0.policy.maxExpiries = 2
      }
    ).id
    try expire(machine)
    #expect(machine.image(job)?.state == .retry)
    readied(machine, job)
    let failed = try #require(machine.lease())
    _ = machine.finish(job, failed.lease, .failed)
    readied(machine, job)
    try expire(machine)
    let dead = try #require(machine.image(job))
    #expect(dead.state == .dead && dead.attempts == 3 && dead.expiries == 2)
    readied(machine, job)
    #expect(machine.image(job)?.expiries == 0)
    try machine.expectReplay()
  }

  @Test("a lease's cell takes 112 bytes")
  func cell() {
    #expect(LeaseCell.bytes == 112)
  }
}
