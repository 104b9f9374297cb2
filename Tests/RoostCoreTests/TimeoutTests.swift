import RoostCore
import Testing

/// How long an attempt may run, however often its lease is extended.
@Suite("Timeouts of attempts")
struct TimeoutTests {
  private func machine(retries: UInt16 = 3, timeout: UInt32) throws -> (machine: Machine, job: JobID) {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.policy.timeoutMilliseconds = timeout
        $0.maxRetries = retries
      })
    return (machine, job.id)
  }

  @Test("extending does not carry an attempt beyond its timeout; then it fails as timed out, and is tried again")
  func extended() throws {
    let (machine, job) = try machine(timeout: 60_000)
    let grant = try #require(machine.lease(milliseconds: 40_000))
    #expect(grant.timeoutMilliseconds == 60_000 && grant.leaseMilliseconds == 40_000)
    let end = try #require(machine.image(job)).attemptEnds
    machine.skip(milliseconds: 30_000)
    guard case .changed(.running, end, false)? = machine.extend(grant, milliseconds: 40_000) else {
      Issue.record("the lease ends with the attempt")
      return
    }
    #expect(try #require(machine.image(job)).attemptEnds == end)
    machine.skip(milliseconds: 30_000)
    guard case .refused(.leaseLost)? = machine.extend(grant, milliseconds: 40_000) else {
      Issue.record("the attempt is over")
      return
    }
    machine.passGrace()
    #expect(try #require(machine.image(job)).state == .retry)
    guard case .refused(.leaseLost)? = machine.finish(job, grant.lease, .acked) else {
      Issue.record("the lease ended")
      return
    }
  }

  @Test("a lease is not longer than its attempt may run, and a timeout of the last attempt is the job's death")
  func shorter() throws {
    let (machine, job) = try machine(retries: 0, timeout: 2_000)
    let grant = try #require(machine.lease(milliseconds: 40_000))
    #expect(grant.leaseMilliseconds == 2_000)
    _ = machine.pass(milliseconds: 1_999)
    #expect(try #require(machine.image(job)).state == .running)
    machine.skip(milliseconds: 1_001)
    machine.passGrace()
    #expect(try #require(machine.image(job)).state == .dead)
  }

  @Test("a lease that ends before its attempt would have expires; each attempt has the whole time")
  func expired() throws {
    let (machine, job) = try machine(timeout: 60_000)
    let first = try #require(machine.lease(milliseconds: 5_000))
    machine.skip(milliseconds: 5_000)
    machine.passGrace()
    let image = try #require(machine.image(job))
    #expect(image.state == .retry && image.attemptEnds == 0)
    _ = machine.pass(milliseconds: 120_000)
    let second = try #require(machine.lease(milliseconds: 40_000))
    #expect(second.lease != first.lease && second.leaseMilliseconds == 40_000)
  }

  @Test("what a queue says holds for jobs that do not say, and 0 means without end")
  func ofQueue() throws {
    let machine = Machine { $0.timeoutMilliseconds = 9_000 }
    var settings = QueueSettings()
    settings[.timeout] = 4_000
    let bytes = Array("mail".utf8) + settings.bytes
    machine.run(
      bytes,
      .configure(
        Command.Configure(
          name: ByteRange(offset: 0, count: 4), settings: ByteRange(offset: 4, count: settings.bytes.count), cleared: 0)
      ))
    func timeout(_ queue: String, _ given: Bool) throws -> Int64 {
      _ = machine.submit(queue: queue) { if !given { $0.given.remove(.timeout) } }
      return try #require(machine.lease(queue)).timeoutMilliseconds
    }
    #expect(try timeout("mail", false) == 4_000)
    #expect(try timeout("mail", true) == 0)
    #expect(try timeout("other", false) == 9_000)
  }
}
