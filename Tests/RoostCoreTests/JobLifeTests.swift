import RoostCore
import Testing

/// A job's life, in the words of the state diagram.
@Suite struct JobLifeTests {
  @Test("priority goes first, then the order of becoming ready")
  func order() throws {
    let machine = Machine()
    let low = try #require(machine.submit { $0.priority = -10 })
    let first = try #require(machine.submit())
    let second = try #require(machine.submit())
    let high = try #require(machine.submit { $0.priority = 20 })
    let granted = [machine.lease()?.id, machine.lease()?.id, machine.lease()?.id, machine.lease()?.id]
    #expect(granted == [high.id, first.id, second.id, low.id])
    #expect(machine.lease()?.id == nil)
  }

  @Test("a lease that wants its queues in the order listed takes the first that has a job, whatever the others have")
  func listedOrder() throws {
    let machine = Machine()
    let urgent = try #require(machine.submit(queue: "bulk") { $0.priority = 20 })
    let plain = try #require(machine.submit(queue: "mail"))
    #expect(machine.lease(listed: ["none", "mail", "bulk"])?.id == plain.id)
    #expect(machine.lease(listed: ["none", "mail", "bulk"])?.id == urgent.id)
    // One that waits is met in its own order, too: both become READY in one step.
    #expect(machine.lease(listed: ["mail", "bulk"], wait: 10_000)?.id == nil)
    let later = { (command: inout Command.Submit) in command.delayMilliseconds = 1_000 }
    _ = try #require(
      machine.submit(queue: "bulk") {
        later(&$0); $0.priority = 20
      })
    let first = try #require(machine.submit(queue: "mail") { later(&$0) })
    guard case .leased(let grant)? = machine.pass(milliseconds: 1_000).last else { throw NothingLeased() }
    #expect(grant.id == first.id)
  }

  private struct NothingLeased: Error {}

  @Test("a delayed job is leased when it is due and not before")
  func delay() throws {
    let machine = Machine()
    let job = try #require(machine.submit { $0.delayMilliseconds = 5_000 })
    #expect(job.state == .scheduled)
    #expect(machine.lease()?.id == nil)
    _ = machine.pass(milliseconds: 4_999)
    #expect(machine.lease()?.id == nil)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.lease()?.id == job.id)
  }

  @Test(
    "while the wall clock is not believed, run_at is due by what it would say without its jump, also when submitted now"
  )
  func heldRunAt() throws {
    let machine = Machine()
    let runAt: (inout Command.Submit) -> Void = { $0.runAtMilliseconds = 1_700_000_005_000 }
    let before = try #require(machine.submit(adjust: runAt))
    machine.jump = 7_200_000
    let during = try #require(machine.submit(adjust: runAt))
    #expect(during.state == .scheduled && during.due == 1_700_000_005_000)
    _ = machine.pass(milliseconds: 4_999)
    #expect(machine.lease()?.id == nil)
    #expect(machine.state.nextDeadline == machine.state.logTime + 1_000_000)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.lease()?.id == before.id)
    #expect(machine.lease()?.id == during.id)
    // What jumped back is as careful.
    machine.jump = -7_200_000
    let after = try #require(machine.submit { $0.runAtMilliseconds = 1_700_000_005_000 })
    #expect(after.state == .scheduled)
  }

  @Test(
    "a time is told the same ever after, whatever the clocks do: of a delay, a lease, an extension, a retry, a snooze")
  func sameTimes() throws {
    let machine = Machine()
    func expectSame(_ id: JobID, _ told: Int64) {
      for jump: Int64 in [0, 1, -1, 3_600_000, -50_000] {
        machine.jump = jump
        _ = machine.pass(milliseconds: 7)
        #expect(machine.image(id)?.deadline == told)
      }
      machine.jump = 0
    }
    let delayed = try #require(machine.submit(queue: "late") { $0.delayMilliseconds = 86_400_000 })
    expectSame(delayed.id, delayed.due)
    _ = try #require(machine.submit())
    let grant = try #require(machine.lease(milliseconds: 60_000))
    expectSame(grant.id, grant.until)
    let extended = try #require(machine.extend(grant, milliseconds: 90_000).deadline)
    #expect(extended > grant.until)
    expectSame(grant.id, extended)
    let retried = try #require(
      machine.finish(grant.id, grant.lease, .failed) { $0.delayMilliseconds = 600_000 }.deadline)
    expectSame(grant.id, retried)
    #expect(machine.finish(grant.id, grant.lease, .failed).deadline == retried, "a repeated word is told the same")
    let snoozed = try #require(machine.submit(queue: "nap"))
    let nap = try #require(machine.lease("nap"))
    let until = try #require(
      machine.finish(nap.id, nap.lease, .released) { $0.delayMilliseconds = 5_000_000 }.deadline)
    expectSame(snoozed.id, until)
  }

  @Test(
    "a lease that a check finds over ends half a second later, counted a quarter a step: a word that came in time counts"
  )
  func grace() throws {
    let machine = Machine()
    let (one, other) = (try #require(machine.submit()), try #require(machine.submit()))
    let (first, second) = (
      try #require(machine.lease(milliseconds: 100)), try #require(machine.lease(milliseconds: 100))
    )
    // As long as the process may be stopped in a commit, twice.
    _ = machine.pass(milliseconds: 2_000)
    _ = machine.pass(milliseconds: 2_000)
    #expect(machine.extend(first, milliseconds: 0).state == .running)
    machine.passGrace()
    #expect(machine.image(one.id)?.state == .running)
    #expect(machine.image(other.id)?.state.isWaiting == true)
    #expect(machine.finish(other.id, second.lease, .acked).isRefused(.leaseLost))
    #expect(machine.finish(one.id, first.lease, .acked).state == .acked)
  }

  @Test("an expired lease returns the job with one attempt spent")
  func expiry() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none)
      })
    let first = try #require(machine.lease(milliseconds: 2_000))
    _ = machine.pass(milliseconds: 1_999)
    #expect(machine.image(job.id)?.state == .running)
    _ = machine.pass(milliseconds: 1_001)
    machine.passGrace()
    let second = try #require(machine.lease())
    #expect(second.id == job.id)
    #expect(second.attempt == 2)
    #expect(second.lease.number > first.lease.number)
  }

  @Test("fault 32: a late ack with an old token is refused and changes nothing")
  func lateAcknowledgement() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none)
      })
    let old = try #require(machine.lease(milliseconds: 1_000))
    _ = machine.pass(milliseconds: 2_000)
    machine.passGrace()
    let new = try #require(machine.lease())
    let before = machine.state.image
    #expect(machine.finish(job.id, old.lease, .acked).isRefused(.leaseLost))
    #expect(machine.state.image == before)
    #expect(machine.finish(job.id, new.lease, .acked).state == .acked)
  }

  @Test("fault 30: the same acknowledgement again gets the same success")
  func repeatedAcknowledgement() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    let grant = try #require(machine.lease())
    #expect(machine.finish(job.id, grant.lease, .acked).state == .acked)
    let before = machine.state.image
    #expect(machine.finish(job.id, grant.lease, .acked).state == .acked)
    #expect(machine.state.image == before)
  }

  @Test("failures retry with growing pauses, and the last attempt ends in the dead letters")
  func retries() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.maxRetries = 2
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 1_000, factorThousandths: 3_000, maxMilliseconds: 2_500, jitter: .none)
      })
    for pause in [1_000, 2_500] as [Int64] {
      let grant = try #require(machine.lease())
      #expect(machine.finish(job.id, grant.lease, .failed, text: "no").state == .retry)
      _ = machine.pass(milliseconds: pause - 1)
      #expect(machine.lease()?.id == nil)
      _ = machine.pass(milliseconds: 1)
    }
    let last = try #require(machine.lease())
    #expect(last.attempt == 3)
    #expect(machine.finish(job.id, last.lease, .failed, text: "no").state == .dead)
    #expect(
      machine.run([], .runNow(Command.RunNow(job: machine.reference(job.id), viewer: .all, onlyDead: true))).first.state
        == .ready)
    #expect(machine.lease()?.attempt == 1)
  }

  @Test("a permanent failure does not try again")
  func permanentFailure() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    let grant = try #require(machine.lease())
    #expect(machine.finish(job.id, grant.lease, .failed) { $0.isRetryable = false }.state == .dead)
    #expect(machine.image(job.id)?.state == .dead)
  }

  @Test("a released job returns to the front with its attempt unspent, a snoozed one waits")
  func release() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    _ = machine.submit()
    let first = try #require(machine.lease())
    #expect(machine.finish(job.id, first.lease, .released).state == .ready)
    let second = try #require(machine.lease())
    #expect(second.id == job.id)
    #expect(second.attempt == 1)
    #expect(machine.finish(job.id, second.lease, .released) { $0.delayMilliseconds = 60_000 }.state == .scheduled)
    #expect(machine.lease()?.id != job.id)
  }

  @Test("cancelling ends a waiting job at once; a running one may still be acknowledged, and ends otherwise cancelled")
  func cancelling() throws {
    let machine = Machine()
    let waiting = try #require(machine.submit())
    #expect(machine.cancel(waiting.id).state == .cancelled)
    #expect(machine.cancel(waiting.id).state == .cancelled)
    let acked = try #require(machine.submit())
    let first = try #require(machine.lease())
    #expect(machine.cancel(acked.id).state == .running)
    #expect(machine.finish(acked.id, first.lease, .acked).state == .acked)
    #expect(machine.cancel(acked.id).isRefused(.jobFinished))
    let failed = try #require(machine.submit())
    let second = try #require(machine.lease())
    _ = machine.cancel(failed.id)
    #expect(machine.finish(failed.id, second.lease, .failed).state == .cancelled)
  }

  @Test("fault 47: a poison job whose workers die comes to rest in the dead letters")
  func poison() throws {
    let machine = Machine()
    let job = try #require(
      machine.submit {
        $0.maxRetries = 1
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none)
      })
    for _ in 0..<2 {
      _ = try #require(machine.lease(milliseconds: 1_000))
      _ = machine.pass(milliseconds: 2_000)
      machine.passGrace()
    }
    #expect(machine.image(job.id)?.state == .dead)
    #expect(machine.lease()?.id == nil)
  }

  @Test("fault 48: another owner's job is refused like one that does not exist")
  func hiddenJob() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    let other = Array("bob".utf8)
    let viewer = ViewerRef(kind: .owner, text: ByteRange(offset: 0, count: 3))
    let unknown = JobRef(number: 999, check: 1)
    for job in [machine.reference(job.id), unknown] {
      #expect(machine.run(other, .read(Command.Read(job: job, viewer: viewer))).first.isRefused(.jobNotFound))
      #expect(
        machine.run(other, .cancel(Command.Cancel(job: job, viewer: viewer, reason: .empty, checksum: 0))).first
          .isRefused(.jobNotFound))
      #expect(
        machine.run(other, .runNow(Command.RunNow(job: job, viewer: viewer, onlyDead: false))).first.isRefused(
          .jobNotFound))
    }
  }

  @Test("an idempotency key gives the same job, refuses another body, and outlives the job by its window")
  func idempotency() throws {
    let machine = Machine {
      $0.retentionMilliseconds = 1_000
      $0.idempotencyWindowMilliseconds = 10_000
    }
    func key(_ fingerprint: UInt64) -> (inout Command.Submit) -> Void {
      {
        $0.hasKey = true
        $0.keyHash = KeyHash(low: 5, high: 6)
        ($0.keyFingerprint, $0.keyByteFingerprint) = (fingerprint, fingerprint)
      }
    }
    let job = try #require(machine.submit(adjust: key(1)))
    #expect(machine.submit(adjust: key(1))?.id == job.id)
    #expect(machine.submit(adjust: key(2))?.id == nil)
    let grant = try #require(machine.lease())
    _ = machine.finish(job.id, grant.lease, .acked)
    _ = machine.pass(milliseconds: 1_000)
    #expect(machine.image(job.id)?.id == nil)
    let again = try #require(machine.submit(adjust: key(1)))
    #expect(again.id == job.id)
    #expect(again.state == .acked)
    _ = machine.pass(milliseconds: 9_000)
    let fresh = try #require(machine.submit(adjust: key(1)))
    #expect(fresh.id != job.id)
    #expect(!fresh.isIdempotent)
  }

  @Test("finished jobs leave when their time is over, or when there are too many")
  func retention() throws {
    let machine = Machine { $0.retentionMaxJobs = 2 }
    var ids: [JobID] = []
    for _ in 0..<4 {
      ids.append(try #require(machine.submit()).id)
      let grant = try #require(machine.lease())
      _ = machine.finish(grant.id, grant.lease, .acked)
    }
    #expect(ids.map { machine.image($0)?.state } == [nil, nil, .acked, .acked])
    _ = machine.pass(milliseconds: 86_400_000)
    #expect(ids.allSatisfy { machine.image($0)?.state == nil })
    #expect(machine.state.jobCount == 0)
  }

  @Test("a plain acknowledgement counts under the key that holds the lease")
  func plainAcknowledgement() throws {
    let machine = Machine()
    let job = try #require(machine.submit())
    #expect(machine.finish(job.id, nil, .acked).isRefused(.notRunning))
    _ = try #require(machine.lease())
    #expect(machine.finish(job.id, nil, .acked) { $0.keyID = ByteRange(offset: 0, count: 1) }.isRefused(.leaseLost))
    #expect(machine.finish(job.id, nil, .acked).state == .acked)
    let strict = Machine { $0.requiresLeaseID = true }
    let other = try #require(strict.submit())
    _ = try #require(strict.lease())
    #expect(strict.finish(other.id, nil, .acked).isRefused(.leaseRequired))
  }
}

extension Machine {
  func cancel(_ id: JobID) -> Answer? {
    run([], .cancel(Command.Cancel(job: reference(id), viewer: .all, reason: .empty, checksum: 0))).first
  }
}

extension Optional where Wrapped == Answer {
  func isRefused(_ expected: Refusal) -> Bool {
    if case .refused(expected)? = self { return true }
    return false
  }

  var state: JobState? {
    if case .changed(let state, _, _)? = self { return state }
    return nil
  }

  var deadline: Int64? {
    if case .changed(_, let deadline, _)? = self { return deadline }
    return nil
  }
}
