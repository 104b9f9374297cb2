import RoostCore
import Testing

/// How the pause before a retry is spread.
@Suite("Jitter")
struct JitterTests {
  private func policy(added: UInt32) -> RetryPolicy {
    var retry = RetryPolicy(
      initialMilliseconds: 1_000, factorThousandths: 2_000, maxMilliseconds: 60_000, jitter: .full)
    retry.add(atMost: added)
    return retry
  }

  @Test("a duration is added to the pause, random, that much at most")
  func added() throws {
    let machine = Machine()
    var pauses: Set<Int64> = []
    for _ in 0..<40 {
      let job = try #require(machine.submit { $0.policy.retry = policy(added: 300) })
      let grant = try #require(machine.lease())
      let image = try #require(machine.image(job.id))
      guard case .changed(_, let due, _)? = machine.finish(grant.id, grant.lease, .failed) else {
        Issue.record("the attempt did not end")
        return
      }
      pauses.insert(due - image.leasedAt)
      _ = machine.run(
        [], .cancel(Command.Cancel(job: machine.reference(job.id), viewer: .all, reason: .empty, checksum: 0)))
    }
    #expect(pauses.allSatisfy { (1_000...1_300).contains($0) }, "\(pauses.sorted())")
    #expect(pauses.count > 10)
  }

  @Test("a queue's settings keep it, beside the named ones", arguments: [0, 1, 86_400_000] as [UInt32])
  func kept(added: UInt32) {
    var settings = QueueSettings()
    settings.retry = policy(added: added)
    #expect(settings.retry == policy(added: added))
    for jitter in Jitter.named {
      settings.retry = RetryPolicy(initialMilliseconds: 1, factorThousandths: 1_000, maxMilliseconds: 1, jitter: jitter)
      #expect(settings.retry?.jitter == jitter && settings.retry?.addedMilliseconds == 0)
    }
  }
}
