import RoostCore
import Testing

/// Jobs that must begin before a time.
@Suite("Jobs that are too late")
struct ExpiryTests {
  private func submit(_ machine: Machine, after milliseconds: Int64, cancels: Bool = false) throws -> JobID {
    let expiry = JobExpiry(milliseconds: milliseconds, isRelative: true, cancels: cancels)
    return try #require(machine.submit(options: [.expires: expiry.encoded])).id
  }

  @Test("a job that waits beyond its time is DEAD, or CANCELLED if it says so, though nobody asks for it")
  func unread() throws {
    let machine = Machine()
    let (dead, cancelled) = (try submit(machine, after: 5_000), try submit(machine, after: 5_000, cancels: true))
    _ = machine.pass(milliseconds: 4_999)
    #expect(machine.image(dead)?.state == .ready && machine.image(cancelled)?.state == .ready)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(dead)?.state == .dead && machine.image(cancelled)?.state == .cancelled)
  }

  @Test("a lease passes over what is too late, and gives the next job")
  func lease() throws {
    let machine = Machine()
    let late = try submit(machine, after: 1_000)
    let next = try #require(machine.submit()).id
    machine.skip(milliseconds: 2_000)
    #expect(machine.lease()?.id == next)
    #expect(machine.image(late)?.state == .dead)
  }

  @Test("what a worker has begun goes on; handed back, it is too late")
  func running() throws {
    let machine = Machine()
    let job = try submit(machine, after: 1_000)
    let grant = try #require(machine.lease())
    _ = machine.pass(milliseconds: 5_000)
    #expect(machine.image(job)?.state == .running)
    _ = machine.finish(job, grant.lease, .released)
    #expect(machine.image(job)?.state == .dead)
  }

  @Test("while the wall clock is not believed nothing is too late")
  func suspect() throws {
    let machine = Machine()
    let job = try submit(machine, after: 1_000)
    machine.state.conditions.isWallSuspect = true
    _ = machine.pass(milliseconds: 5_000)
    #expect(machine.image(job)?.state == .ready)
    machine.state.conditions.isWallSuspect = false
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(job)?.state == .dead)
  }

  @Test("a replay after its time lets it begin at any; a replay before keeps the time; the log says both")
  func replayed() throws {
    let machine = Machine()
    let (late, early) = (try submit(machine, after: 1_000), try submit(machine, after: 60_000))
    _ = machine.pass(milliseconds: 2_000)
    machine.run([], .runNow(Command.RunNow(job: machine.reference(late), viewer: .all, onlyDead: true)))
    #expect(machine.image(late)?.state == .ready && machine.image(late)?.expires == 0)
    machine.run([], .cancel(Command.Cancel(job: machine.reference(early), viewer: .all, reason: .empty, checksum: 0)))
    machine.run([], .runNow(Command.RunNow(job: machine.reference(early), viewer: .all, onlyDead: false)))
    #expect(try #require(machine.image(early)).expires > 0)
    try machine.expectReplay()
  }
}
