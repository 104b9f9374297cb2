import RoostCore
import Testing

/// What leaves because it waited too long, or because a queue keeps no more of its kind.
@Suite("Jobs that are too old, and dead letters that are too many")
struct AgeTests {
  @Test("a job that nobody asks for leaves once it has been READY for max_age, and tells why")
  func unread() throws {
    let machine = Machine()
    machine.set([.maxAge: 60_000])
    let job = try #require(machine.submit())
    #expect(machine.state.nextDeadline == machine.state.logTime + 60_000_000_000)
    _ = machine.pass(milliseconds: 59_999)
    #expect(machine.image(job.id)?.state == .ready)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(job.id)?.state == .cancelled)
    #expect(machine.log.contains(CancelReason.tooOld))
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("none is leased that is too old, and what stands behind it is")
  func leased() throws {
    let machine = Machine()
    machine.set([.maxAge: 60_000])
    let old = try (0..<3).map { _ in try #require(machine.submit { $0.priority = 5 }) }
    _ = machine.pass(milliseconds: 30_000)
    let fresh = try #require(machine.submit())
    // Nothing is decided before the worker asks.
    machine.skip(milliseconds: 30_000)
    #expect(machine.lease()?.id == fresh.id)
    #expect(old.allSatisfy { machine.image($0.id)?.state == .cancelled })
  }

  @Test("a worker that waits behind many that are too old gets the first that is not")
  func waiting() throws {
    let machine = Machine()
    machine.set([.maxAge: 60_000])
    for _ in 0..<10 { _ = try #require(machine.submit { $0.priority = 5 }) }
    _ = machine.pass(milliseconds: 59_000)
    let fresh = try #require(machine.submit())
    machine.skip(milliseconds: 1_000)
    #expect(machine.lease(wait: 10_000)?.id == fresh.id)
    #expect(machine.state.waiterCount == 0)
  }

  @Test("a delay, a pause before a retry and the time with a worker do not count")
  func doesNotCount() throws {
    let machine = Machine()
    machine.set([.maxAge: 10_000])
    let job = try #require(machine.submit { $0.delayMilliseconds = 50_000 })
    _ = machine.pass(milliseconds: 50_000)
    _ = machine.pass(milliseconds: 9_000)
    let grant = try #require(machine.lease(milliseconds: 100_000))
    _ = machine.pass(milliseconds: 20_000)
    _ = machine.finish(grant.id, grant.lease, .failed) { $0.delayMilliseconds = 30_000 }
    _ = machine.pass(milliseconds: 30_000)
    _ = machine.pass(milliseconds: 9_999)
    #expect(machine.image(job.id)?.state == .ready)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(job.id)?.state == .cancelled)
  }

  @Test("lowering max_age works on the jobs that are there, also of a paused queue; without it they stay")
  func lowered() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    _ = machine.pass(milliseconds: 100_000)
    machine.set([.maxAge: 200_000])
    #expect(machine.image(job.id)?.state == .ready)
    let name = Array("mail".utf8)
    machine.run(name, .pause(Command.Pause(name: ByteRange(offset: 0, count: 4), reason: .empty, until: 0)))
    machine.set([.maxAge: 50_000])
    #expect(machine.image(job.id)?.state == .cancelled)
    machine.set([.maxAge: nil])
    let other = try #require(machine.submit())
    _ = machine.pass(milliseconds: 1_000_000)
    #expect(machine.image(other.id)?.state == .ready)
  }

  @Test("dead letters leave after their queue's time, and at once where it keeps fewer")
  func dead() throws {
    let machine = Machine { $0.deadRetentionMilliseconds = 1_000_000 }
    machine.set([.deadRetention: 10_000], of: "brief")
    machine.set([.maxDead: 2], of: "few")
    func die(_ queue: String) throws -> JobID {
      let job = try #require(machine.submit(queue: queue) { $0.maxRetries = 0 })
      let grant = try #require(machine.lease(queue))
      _ = machine.finish(job.id, grant.lease, .failed)
      return job.id
    }
    let (plain, brief) = (try die("plain"), try die("brief"))
    let few = try (0..<4).map { _ in try die("few") }
    #expect(few.map { machine.image($0)?.state } == [nil, nil, .dead, .dead])
    _ = machine.pass(milliseconds: 10_000)
    #expect(machine.image(brief) == nil)
    #expect(machine.image(plain)?.state == .dead)
    // Lowered, and raised above what the daemon says.
    machine.set([.maxDead: 1], of: "few")
    #expect(few.map { machine.image($0)?.state } == [nil, nil, nil, .dead])
    machine.set([.deadRetention: 5_000_000], of: "few")
    _ = machine.pass(milliseconds: 1_000_000)
    #expect(machine.image(plain) == nil)
    #expect(machine.image(few[3])?.state == .dead)
    machine.set([.deadRetention: 1_000], of: "few")
    #expect(machine.image(few[3]) == nil)
    #expect(machine.state.jobCount == 0)
    #expect(machine.state.inconsistencies() == [])
  }
}

extension [UInt8] {
  fileprivate func contains(_ reason: CancelReason) -> Bool {
    let text = Array(reason.rawValue.utf8)
    return indices.contains { self[$0...].starts(with: text) }
  }
}
