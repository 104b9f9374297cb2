import Foundation
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// Many changes in one commit.
@Suite struct BatchTests {
  @Test("a batch of submits, a lease of all of them and a batch of acknowledgements are one sync each")
  func cycle() async throws {
    let fixture = try Fixture()
    let before = fixture.engine.syncs
    let made = try await fixture.engine.submit(batch: (0..<100).map { spec("\($0)") }, owner: "o").map { try $0.get() }
    #expect(fixture.engine.syncs == before + 1)
    let jobs = try await fixture.engine.lease(wish(), maxJobs: 1_000, maxBytes: 1 << 20)
    #expect(fixture.engine.syncs == before + 2)
    #expect(jobs.map(\.id) == made.map(\.id))
    #expect(jobs.map { String(decoding: $0.body.payload, as: UTF8.self) } == (0..<100).map { "\($0)" })
    #expect(Set(jobs.map(\.leaseID)).count == 100)
    let ends = jobs.map { AttemptEnd.acknowledged($0.id, leaseID: $0.leaseID, result: $0.body.payload) }
    let results = try await fixture.engine.finish(batch: ends, keyID: "k", viewer: .all)
    #expect(fixture.engine.syncs == before + 3)
    #expect(try results.allSatisfy { try $0.get().state == .acked })
    let last = try await fixture.engine.job(made[99].id, viewer: .all)
    #expect(last.state == .acked && last.result.map { Array($0) } == Array("99".utf8))
    await fixture.engine.stop()
  }

  @Test("each item of a batch has its own outcome, in order")
  func ownOutcomes() async throws {
    let fixture = try Fixture()
    let made = try await fixture.submit()
    let job = try #require(try await fixture.lease())
    let other = try await fixture.submit()
    let results = try await fixture.engine.finish(
      batch: [
        .acknowledged(JobID(high: 1, low: 1), leaseID: nil, result: nil),
        .acknowledged(made.id, leaseID: job.leaseID, result: nil),
        .acknowledged(other.id, leaseID: job.leaseID, result: nil),
        .failed(made.id, leaseID: job.leaseID, error: "late"),
      ], keyID: "k", viewer: .all)
    #expect(results.map { $0.failure?.refusal } == [.jobNotFound, nil, .leaseLost, .alreadyEnded])
    await fixture.engine.stop()
  }

  @Test("equal idempotency keys in one batch make one job; another body under the key is refused alone")
  func idempotentTwins() async throws {
    let fixture = try Fixture()
    let results = try await fixture.engine.submit(
      batch: [spec("1", key: "a"), spec("1", key: "a"), spec("2", key: "a"), spec("3")], owner: "o")
    let (first, second) = (try results[0].get(), try results[1].get())
    #expect(!first.isIdempotent && second.isIdempotent && first.id == second.id)
    #expect(results[2].failure?.refusal == .idempotencyConflict)
    #expect(try !results[3].get().isIdempotent)
    #expect(fixture.engine.jobCount == 2)
    await fixture.engine.stop()
  }

  @Test("nothing of a batch is answered before its sync")
  func durable() async throws {
    let disk = SimulatedDisk(seed: 1)
    let held = HeldDisk(disk)
    let fixture = try Fixture(disk: disk, wrap: { _ in held })
    held.hold()
    let told = AnswerLog()
    let client = Task {
      told.add("\(try await fixture.engine.submit(batch: [spec("1"), spec("2")], owner: "o").count)")
    }
    await held.waitForSync(1)
    #expect(told.all.isEmpty)
    held.letAllGo()
    try await client.value
    #expect(told.all == ["2"])
    await fixture.engine.stop()
  }

  @Test("a batch larger than a frame is split, and every item keeps its own answer")
  func splitOverFrames() async throws {
    // Megabytes go to a real disk: the simulated one keeps an account of every block.
    let directory = NSTemporaryDirectory() + "roost-batch-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let engine = try Engine.open(
      EngineConfiguration(directory: directory) { Issue.record("the log failed: \($0)") })
    let before = engine.syncs
    let large = spec("\"" + String(repeating: "x", count: 4 << 20) + "\"")
    let results = try await engine.submit(batch: [large, large, large, large, spec("1")], owner: "o")
    // The engine's own housekeeping may add one; five would be one for each.
    #expect((2...4).contains(engine.syncs - before))
    let ids = try results.map { try $0.get().id }
    #expect(ids.map(\.number) == ids.map(\.number).sorted() && Set(ids.map(\.number)).count == 5)
    #expect(try await engine.job(ids[3], viewer: .all).body.payload.elementsEqual(large.payload))
    await engine.stop()
  }

  @Test("a batch beyond what the mailbox takes is refused whole")
  func overloaded() async throws {
    let fixture = try Fixture(adjust: { $0.mailbox.commands = 2 })
    await #expect(throws: Refusal.overloaded) {
      try await fixture.engine.submit(batch: [spec("1"), spec("2"), spec("3")], owner: "o")
    }
    #expect(fixture.engine.jobCount == 0)
    #expect(try await fixture.engine.submit(batch: [spec("1"), spec("2")], owner: "o").count == 2)
    await fixture.engine.stop()
  }

  @Test("max_bytes bounds leases taken together, but the first is granted whatever its size")
  func bytes() async throws {
    let fixture = try Fixture()
    let payload = "\"" + String(repeating: "x", count: 1_000) + "\""
    _ = try await fixture.engine.submit(batch: (0..<5).map { _ in spec(payload) }, owner: "o")
    #expect(try await fixture.engine.lease(wish(), maxJobs: 5, maxBytes: 1).count == 1)
    #expect(try await fixture.engine.lease(wish(), maxJobs: 5, maxBytes: 2_500).count == 2)
    #expect(try await fixture.engine.lease(wish(), maxJobs: 1, maxBytes: 1 << 20).count == 1)
    #expect(try await fixture.engine.lease(wish(), maxJobs: 5, maxBytes: 1 << 20).count == 1)
    #expect(try await fixture.engine.lease(wish(), maxJobs: 5, maxBytes: 1 << 20).isEmpty)
    await fixture.engine.stop()
  }

  @Test("a worker that waits for several jobs gets all that one batch brings")
  func batchMeetsWaiter() async throws {
    let fixture = try Fixture()
    let posted = fixture.engine.postedCommands
    let worker = Task { try await fixture.engine.lease(wish(wait: 60_000), maxJobs: 10, maxBytes: 1 << 20) }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    let made = try await fixture.engine.submit(batch: (0..<4).map { spec("\($0)") }, owner: "o").map { try $0.get().id }
    #expect(try await worker.value.map(\.id) == made)
    await fixture.engine.stop()
  }

  @Test("undelivered leases of a batch return their jobs in their order, the attempts unspent")
  func undelivered() async throws {
    let fixture = try Fixture()
    _ = try await fixture.engine.submit(batch: (0..<3).map { spec("\($0)") }, owner: "o")
    let lost = try await fixture.engine.lease(wish(), maxJobs: 3, maxBytes: 1 << 20)
    await fixture.engine.undelivered(batch: lost.map { ($0.id, $0.leaseID) })
    let again = try await fixture.engine.lease(wish(), maxJobs: 3, maxBytes: 1 << 20)
    #expect(again.map(\.id) == lost.map(\.id) && again.allSatisfy { $0.attempt == 1 })
    await fixture.engine.stop()
  }

  @Test("an acknowledgement with a next lease is one commit; refused, it leases nothing")
  func next() async throws {
    let fixture = try Fixture()
    _ = try await fixture.engine.submit(batch: [spec("1"), spec("2")], owner: "o")
    let first = try #require(try await fixture.lease())
    let syncs = fixture.engine.syncs
    let end = AttemptEnd.acknowledged(first.id, leaseID: first.leaseID, result: nil)
    let (after, next) = try await fixture.engine.finish(end, viewer: .all, next: wish())
    #expect(after.state == .acked && next?.body.payload.elementsEqual("2".utf8) == true)
    #expect(fixture.engine.syncs == syncs + 1)
    _ = try await fixture.submit("3")
    let stale = AttemptEnd.failed(first.id, leaseID: first.leaseID, error: "late")
    await #expect { try await fixture.engine.finish(stale, viewer: .all, next: wish()) } throws: {
      ($0 as? Refused)?.refusal == .alreadyEnded
    }
    #expect(try await fixture.lease()?.body.payload.elementsEqual("3".utf8) == true)
    await fixture.engine.stop()
  }

  @Test("an acknowledgement that waits for its next job is durable meanwhile, and a drain answers it")
  func waitingNext() async throws {
    let fixture = try Fixture()
    let made = try await fixture.submit()
    let job = try #require(try await fixture.lease())
    let end = AttemptEnd.acknowledged(job.id, leaseID: job.leaseID, result: nil)
    let worker = Task { try await fixture.engine.finish(end, viewer: .all, next: wish(wait: 60_000)) }
    let seen = try await fixture.engine.waitForEnd(made.id, viewer: .all, waitMilliseconds: 60_000)
    #expect(seen.state == .acked)
    await fixture.engine.drainWaiters()
    let (after, next) = try await worker.value
    #expect(after.state == .acked && next == nil)
    await fixture.engine.stop()
  }

  @Test("a history shows every attempt, the last first")
  func history() async throws {
    let fixture = try Fixture()
    let made = try await fixture.submit {
      $0.retry = RetryPolicy(
        initialMilliseconds: 2_000, factorThousandths: 2_000, maxMilliseconds: 60_000, jitter: .none)
    }
    let first = try #require(try await fixture.lease())
    _ = try await fixture.engine.fail(
      first.id, leaseID: first.leaseID, keyID: "k", viewer: .all, error: "once", retryable: true,
      retryAfterMilliseconds: 0)
    _ = try await fixture.lease(wait: 60_000)
    _ = try await fixture.engine.cancel(made.id, viewer: .all, reason: "enough")
    let lines = try await fixture.engine.history(made.id, viewer: .all)
    #expect(lines.map(\.outcome) == [nil, .cancelRequested, .failed])
    #expect(lines.map(\.attempt) == [2, 0, 1])
    #expect(lines.map(\.text) == ["", "enough", "once"] && lines[2].workerID == "w")
    await #expect(throws: Refusal.jobNotFound) {
      try await fixture.engine.history(made.id, viewer: .owner("stranger"))
    }
    await fixture.engine.stop()
  }

  private func spec(_ payload: String, key: String? = nil) -> JobSpec {
    var spec = JobSpec(payload: Array(payload.utf8)[...])
    spec.idempotencyKey = key
    return spec
  }

  private func wish(wait: Int64 = 0) -> LeaseRequest {
    LeaseRequest(queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: wait, workerID: "w", keyID: "k")
  }
}

extension Result where Failure == Refused {
  fileprivate var failure: Failure? {
    if case .failure(let refusal) = self { refusal } else { nil }
  }
}
