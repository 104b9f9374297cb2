import RoostCore
import Testing

/// Attempts that are ended twice, jobs that are deleted, dead letters that leave.
@Suite struct LateEndTests {
  @Test("the same end again is the same success; another is told what stands, and changes nothing")
  func twice() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    let grant = try #require(machine.lease())
    #expect(machine.finish(job.id, grant.lease, .acked, text: "1").state == .acked)
    let before = machine.state.image
    #expect(machine.finish(job.id, grant.lease, .acked, text: "1").state == .acked)
    #expect(machine.finish(job.id, nil, .acked, text: "1").state == .acked)
    let other = try #require(machine.finish(job.id, grant.lease, .acked, text: "2") { $0.textChecksum = 1 }.ended)
    #expect(other.state == .acked && other.outcome == .acked && other.isSameOutcome)
    for outcome in [Outcome.failed, .released] {
      let told = try #require(machine.finish(job.id, grant.lease, outcome, text: "").ended)
      #expect(told.state == .acked && told.outcome == .acked && !told.isSameOutcome)
    }
    #expect(machine.state.image == before)
    #expect(machine.finish(job.id, LeaseID(epoch: 1, number: 99), .acked).isRefused(.leaseLost))
  }

  @Test("an acknowledgement after a failure is told of the failure, and one after an expired lease that it is lost")
  func acknowledgedLate() throws {
    let machine = Machine()
    let job = try #require(machine.submit { $0.maxRetries = 1 })
    let first = try #require(machine.lease())
    #expect(machine.finish(job.id, first.lease, .failed, text: "no") { $0.delayMilliseconds = 0 }.state == .retry)
    let told = try #require(machine.finish(job.id, first.lease, .acked).ended)
    #expect(told.outcome == .failed && told.state == .ready)
    let second = try #require(machine.lease(milliseconds: 1_000))
    #expect(machine.finish(job.id, first.lease, .failed, text: "no").isRefused(.leaseLost))
    _ = machine.pass(milliseconds: 2_000)
    machine.passGrace()
    #expect(machine.image(job.id)?.state == .dead)
    #expect(machine.finish(job.id, second.lease, .acked).isRefused(.leaseLost))
  }

  @Test("a job that has left confirms its end to its worker, and to nobody else")
  func afterPurge() throws {
    let machine = Machine { $0.retentionMilliseconds = 0 }
    let job = try #require(machine.submit())
    let grant = try #require(machine.lease())
    #expect(machine.finish(job.id, grant.lease, .acked, text: "1").state == .acked)
    #expect(machine.image(job.id) == nil)
    #expect(machine.finish(job.id, grant.lease, .acked, text: "1").state == .acked)
    #expect(machine.finish(job.id, nil, .acked, text: "1").state == .acked)
    let other = try #require(machine.finish(job.id, grant.lease, .acked, text: "2") { $0.textChecksum = 1 }.ended)
    #expect(other.state == .acked && other.id == nil)
    #expect(machine.finish(job.id, grant.lease, .failed, text: "no").ended?.outcome == .acked)
    #expect(machine.finish(job.id, LeaseID(epoch: 1, number: 99), .acked).isRefused(.jobNotFound))
    let stranger = ViewerRef(kind: .owner, text: ByteRange(offset: 0, count: 1))
    #expect(machine.finish(job.id, grant.lease, .acked, text: "1") { $0.viewer = stranger }.isRefused(.jobNotFound))
    #expect(machine.finish(job.id, grant.lease, .acked) { $0.job.check ^= 1 }.isRefused(.jobNotFound))
  }

  @Test("a job that has ended can be deleted, with its key's answer left; others cannot")
  func delete() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.hasKey = true
        $0.keyHash = KeyHash(low: 5, high: 6)
        $0.maxRetries = 0
      })
    #expect(machine.delete(job.id).isRefused(.wrongState))
    let grant = try #require(machine.lease())
    #expect(machine.delete(job.id).isRefused(.wrongState))
    #expect(machine.finish(job.id, grant.lease, .failed, text: "no").state == .dead)
    #expect(machine.delete(job.id, onlyDead: true).state == .dead)
    #expect(machine.image(job.id) == nil && machine.state.jobCount == 0)
    #expect(machine.delete(job.id).isRefused(.jobNotFound))
    let again = try #require(
      machine.submit {
        $0.hasKey = true
        $0.keyHash = KeyHash(low: 5, high: 6)
      })
    #expect(again.id == job.id && again.isIdempotent && again.state == .dead)
    let acked = try #require(machine.submit())
    let other = try #require(machine.lease())
    #expect(machine.finish(acked.id, other.lease, .acked).state == .acked)
    #expect(machine.delete(acked.id, onlyDead: true).isRefused(.wrongState))
    #expect(machine.delete(acked.id).state == .acked)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("dead letters leave in the order of dying when their retention is over; without one they stay")
  func deadRetention() throws {
    for retention in [nil, 5_000 as Int64] {
      let machine = Machine { $0.deadRetentionMilliseconds = retention }
      var ids: [JobID] = []
      for _ in 0..<2 {
        ids.append(try #require(machine.submit { $0.maxRetries = 0 }).id)
        let grant = try #require(machine.lease())
        #expect(machine.finish(ids.last!, grant.lease, .failed, text: "no").state == .dead)
        _ = machine.pass(milliseconds: 2_000)
      }
      #expect(ids.map { machine.image($0)?.state } == [.dead, .dead])
      _ = machine.pass(milliseconds: 1_000)
      #expect(ids.map { machine.image($0)?.state } == [retention == nil ? .dead : nil, .dead])
      _ = machine.pass(milliseconds: 2_000)
      #expect(machine.state.jobCount == (retention == nil ? 2 : 0))
    }
  }

  @Test("a job that fails a thousand times holds as much of the log as a copy of it would, not every error")
  func deadBytes() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.maxRetries = 1_000
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none)
      })
    let error = String(repeating: "e", count: 16_384)
    for _ in 0..<1_000 {
      let grant = try #require(machine.lease())
      #expect(machine.finish(job.id, grant.lease, .failed, text: error).state == .retry)
    }
    #expect(machine.state.liveBytes < 64 << 10, "\(machine.state.liveBytes)")
    #expect(machine.state.inconsistencies() == [])
  }
}

extension Machine {
  fileprivate func delete(_ id: JobID, onlyDead: Bool = false) -> Answer? {
    run([], .delete(Command.Delete(job: reference(id), viewer: .all, onlyDead: onlyDead))).first
  }
}

extension Optional where Wrapped == Answer {
  fileprivate var ended: Answer.Ended? {
    if case .ended(let ended)? = self { return ended }
    return nil
  }
}
