import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// Readers that wait for the end of a job.
@Suite struct EndWaitTests {
  @Test("an acknowledgement answers everyone who waits for the end of its job in the same commit")
  func acknowledged() async throws {
    let fixture = try Fixture()
    let job = try await fixture.submit()
    let leased = try #require(try await fixture.lease())
    let posted = fixture.engine.postedCommands
    let readers = (0..<3).map { _ in
      Task { try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000) }
    }
    while fixture.engine.postedCommands < posted + 3 { await Task.yield() }
    let syncs = fixture.engine.syncs
    _ = try await fixture.acknowledge(leased, result: "[1]")
    for reader in readers {
      let seen = try await reader.value
      #expect(seen.state == .acked && seen.result.map { Array($0) } == Array("[1]".utf8))
    }
    #expect(fixture.engine.syncs <= syncs + 1)
    await fixture.engine.stop()
  }

  @Test("an end is not told before it is durable")
  func durable() async throws {
    let disk = SimulatedDisk(seed: 1)
    let held = HeldDisk(disk)
    let fixture = try Fixture(disk: disk, wrap: { _ in held })
    let job = try await fixture.submit()
    let leased = try #require(try await fixture.lease())
    let posted = fixture.engine.postedCommands
    let told = AnswerLog()
    let reader = Task {
      let seen = try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000)
      told.add(seen.state.name)
    }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    held.hold()
    let worker = Task { try await fixture.acknowledge(leased) }
    await held.waitForSync(1)
    #expect(told.all.isEmpty)
    held.letAllGo()
    _ = try await worker.value
    try await reader.value
    #expect(told.all == ["ACKED"])
    await fixture.engine.stop()
  }

  @Test("cancelling a waiting job and a permanent failure are ends, a retry is none")
  func otherEnds() async throws {
    let fixture = try Fixture()
    let cancelled = try await fixture.submit()
    let posted = fixture.engine.postedCommands
    let reader = Task { try await fixture.engine.waitForEnd(cancelled.id, viewer: .all, waitMilliseconds: 60_000) }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    _ = try await fixture.engine.cancel(cancelled.id, viewer: .all, reason: "no")
    let seen = try await reader.value
    #expect(seen.state == .cancelled && seen.cancelReason == "no")

    let failing = try await fixture.submit {
      $0.retry = RetryPolicy(initialMilliseconds: 0, factorThousandths: 2_000, maxMilliseconds: 60_000, jitter: .full)
    }
    let first = try #require(try await fixture.lease())
    let before = fixture.engine.postedCommands
    let other = Task { try await fixture.engine.waitForEnd(failing.id, viewer: .all, waitMilliseconds: 60_000) }
    while fixture.engine.postedCommands == before { await Task.yield() }
    _ = try await fixture.engine.fail(
      first.id, leaseID: first.leaseID, keyID: "k", viewer: .all, error: "once", retryable: true,
      retryAfterMilliseconds: 0)
    let second = try #require(try await fixture.lease(wait: 60_000))
    _ = try await fixture.engine.fail(
      second.id, leaseID: second.leaseID, keyID: "k", viewer: .all, error: "for good", retryable: false,
      retryAfterMilliseconds: nil)
    let dead = try await other.value
    #expect(dead.state == .dead && dead.lastError == "for good" && dead.attempts == 2)
    await fixture.engine.stop()
  }

  @Test("a wait that is cancelled, or drained, answers with the job as it is, and leaves nothing behind")
  func cancelledAndDrained() async throws {
    let fixture = try Fixture(adjust: { $0.limits.maxWaiters = 1 })
    let job = try await fixture.submit()
    for _ in 0..<2 {
      // Room for one: were the first still parked, the second would be refused.
      let posted = fixture.engine.postedCommands
      let reader = Task { try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000) }
      while fixture.engine.postedCommands == posted { await Task.yield() }
      reader.cancel()
      #expect(try await reader.value.state == .ready)
    }
    let posted = fixture.engine.postedCommands
    let reader = Task { try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000) }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    await #expect(throws: Refusal.overloaded) {
      try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000)
    }
    await fixture.engine.drainWaiters()
    #expect(try await reader.value.state == .ready)
    #expect(try await fixture.engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000).state == .ready)
    await fixture.engine.stop()
  }
}
