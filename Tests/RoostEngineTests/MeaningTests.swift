import RoostCore
import RoostEngine
import Testing

/// What counts as the same job under an idempotency key, and as the same result.
@Suite struct MeaningTests {
  @Test("another spelling of the same job is the same job")
  func same() async throws {
    let fixture = try Fixture()
    let first = try await submit(fixture, #"{"to":"a@example.org","n":1.0,"list":[1,2]}"#) {
      $0.tags = Array(#"["x", "y"]"#.utf8)[...]
      $0.traceparent = "00-1"
      $0.metadata = Array(#"{"request":"1"}"#.utf8)[...]
    }
    let again = try await submit(fixture, #" { "list" : [1e0, 2], "n": 1, "to": "\u0061@example.org" }"#) {
      $0.tags = Array(#"["y","x"]"#.utf8)[...]
      $0.traceparent = "00-2"
      $0.metadata = nil
    }
    #expect(first.id == again.id && !first.isIdempotent && again.isIdempotent)
    #expect(fixture.engine.jobCount == 1)
    await fixture.engine.stop()
  }

  private static let others: [(String, @Sendable (inout JobSpec) -> Void)] = [
    ("payload", { $0.payload = Array(#"{"a":2}"#.utf8)[...] }), ("type", { $0.type = "t" }),
    ("priority", { $0.priority = 5 }), ("delay", { $0.delayMilliseconds = 60_000 }),
    ("run_at", { $0.runAtMilliseconds = 1_900_000_000_000 }), ("max_retries", { $0.maxRetries = 9 }),
    (
      "retry",
      {
        $0.retry = RetryPolicy(
          initialMilliseconds: 2_000, factorThousandths: 2_000, maxMilliseconds: 60_000, jitter: .none)
      }
    ), ("lease", { $0.leaseMilliseconds = 5_000 }),
    ("retention", { $0.retentionMilliseconds = 1 }), ("tags", { $0.tags = Array(#"["x"]"#.utf8)[...] }),
  ]

  @Test("a conflict names the job that has the key and every field that differs, whatever became of that job")
  func conflicts() async throws {
    let fixture = try Fixture(segmentBytes: 16 << 10)
    let first = try await submit(fixture, #"{"a":1}"#) { $0.retentionMilliseconds = 0 }
    let job = try #require(try await fixture.lease())
    try await expectConflicts(fixture, first.id)
    // Done and purged: a stub answers. Then the log is trimmed, and the stub is a record of its own.
    _ = try await fixture.acknowledge(job)
    await #expect(throws: Refusal.jobNotFound) { try await fixture.engine.job(first.id, viewer: .all) }
    try await expectConflicts(fixture, first.id)
    let trims = fixture.engine.trims
    while fixture.engine.trims < trims + 2 {
      _ = try await fixture.submit(String(repeating: "1", count: 4_000)) { $0.retentionMilliseconds = 0 }
      _ = try await fixture.acknowledge(try #require(try await fixture.lease()))
    }
    try await expectConflicts(fixture, first.id)
    await fixture.engine.stop()
  }

  private func expectConflicts(_ fixture: Fixture, _ existing: JobID) async throws {
    for (name, change) in Self.others {
      let fields = try await conflict(fixture, existing) {
        $0.retentionMilliseconds = 0
        change(&$0)
      }
      #expect(fields == [name])
    }
    let both = try await conflict(fixture, existing) {
      $0.retentionMilliseconds = 0
      $0.payload = [0x33]
      $0.priority = 1
    }
    #expect(both == ["payload", "priority"])
  }

  private func conflict(
    _ fixture: Fixture, _ existing: JobID, _ change: (inout JobSpec) -> Void
  ) async throws -> [String]? {
    var spec = JobSpec(payload: Array(#"{"a":1}"#.utf8)[...])
    spec.idempotencyKey = "k"
    change(&spec)
    var told: [[String]?] = []
    do throws(Refused) { _ = try await fixture.engine.submit(spec, owner: "o") } catch {
      told.append(facts(error, existing))
    }
    // The same of a batch.
    if case .failure(let error) = try await fixture.engine.submit(batch: [spec], owner: "o")[0] {
      told.append(facts(error, existing))
    }
    #expect(told.count == 2 && told.first == told.last)
    return told.first ?? nil
  }

  private func facts(_ error: Refused, _ existing: JobID) -> [String]? {
    guard error.refusal == .idempotencyConflict, case .conflict(existing, let fields)? = error.facts else { return [] }
    return fields
  }

  @Test("a result that means the same is the same; another is told what stands, alone and in a batch")
  func results() async throws {
    let fixture = try Fixture()
    _ = try await fixture.submit()
    let job = try #require(try await fixture.lease())
    func end(_ result: String) -> AttemptEnd {
      .acknowledged(job.id, leaseID: job.leaseID, result: Array(result.utf8)[...])
    }
    _ = try await fixture.engine.finish(end(#"{"a":1,"b":2}"#), keyID: "k", viewer: .all)
    let again = end(#"{ "b":2.0, "a":1 }"#)
    #expect(try await fixture.engine.finish(again, keyID: "k", viewer: .all).state == .acked)
    let both = try await fixture.engine.finish(batch: [again, end("3")], keyID: "k", viewer: .all)
    #expect(try both[0].get().state == .acked)
    guard case .failure(let refused) = both[1], case .ended(let stands)? = refused.facts else {
      Issue.record("another result was taken: \(both[1])")
      return
    }
    #expect(refused.refusal == .alreadyEnded && stands.state == .acked && stands.isSameOutcome)
    #expect(try await fixture.engine.job(job.id, viewer: .all).result?.elementsEqual(#"{"a":1,"b":2}"#.utf8) == true)
    await fixture.engine.stop()
  }

  @Test("what an acknowledgement that comes late leases next: nothing, where it says something else")
  func nothingNext() async throws {
    let fixture = try Fixture()
    _ = try await fixture.submit("1")
    let made = try await fixture.submit("2")
    let job = try #require(try await fixture.lease())
    _ = try await fixture.acknowledge(job, result: "1")
    let wish = LeaseRequest(
      queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "w", keyID: "k")
    let other = AttemptEnd.acknowledged(job.id, leaseID: job.leaseID, result: [0x32])
    await #expect { try await fixture.engine.finish(other, viewer: .all, next: wish) } throws: {
      ($0 as? Refused)?.refusal == .alreadyEnded
    }
    #expect(try await fixture.engine.job(made.id, viewer: .all).state == .ready)
    let same = AttemptEnd.acknowledged(job.id, leaseID: job.leaseID, result: [0x31])
    #expect(try await fixture.engine.finish(same, viewer: .all, next: wish).next?.id == made.id)
    await fixture.engine.stop()
  }

  private func submit(
    _ fixture: Fixture, _ payload: String, _ adjust: (inout JobSpec) -> Void = { _ in }
  ) async throws(Refusal) -> Submitted {
    try await fixture.submit(payload, key: "k", adjust: adjust)
  }
}
