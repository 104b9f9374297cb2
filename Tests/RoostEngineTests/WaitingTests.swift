import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// Workers that wait for a job.
@Suite struct WaitingTests {
  @Test("a submit meets a waiting worker in the same commit")
  func submitMeetsWaiter() async throws {
    let fixture = try Fixture()
    let posted = fixture.engine.postedCommands
    let worker = Task { try await fixture.lease(["a", "b"], wait: 60_000) }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    let syncs = fixture.engine.syncs
    let job = try await fixture.submit("\"work\"", queue: "b")
    let leased = try #require(try await worker.value)
    #expect(leased.id == job.id)
    #expect(leased.attempt == 1)
    #expect(fixture.engine.syncs <= syncs + 1)
    await fixture.engine.stop()
  }

  @Test("a waiter whose task is cancelled takes no job")
  func cancelledWaiter() async throws {
    let fixture = try Fixture()
    let posted = fixture.engine.postedCommands
    let worker = Task { try await fixture.lease(wait: 60_000) }
    while fixture.engine.postedCommands == posted { await Task.yield() }
    worker.cancel()
    #expect(try await worker.value == nil)
    let job = try await fixture.submit()
    #expect(try await fixture.engine.job(job.id, viewer: .all).state == .ready)
    await fixture.engine.stop()
  }

  @Test("a waiter whose task is cancelled while the mailbox is full is not forgotten")
  func cancelledWhileFull() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk { $0.mailbox.commands = 2 }
    let before = fixture.engine.postedCommands
    let worker = Task { try await fixture.lease(["other"], wait: 60_000) }
    while fixture.engine.postedCommands == before { await Task.yield() }
    disk.hold()
    let first = Task { try await fixture.submit("1") }
    await disk.waitForSync(1)
    let posted = fixture.engine.postedCommands
    let waiting = (0..<2).map { _ in Task { try await fixture.submit("2") } }
    while fixture.engine.postedCommands < posted + 2 { await Task.yield() }
    worker.cancel()
    // The end of the wait is a command, too.
    while fixture.engine.postedCommands < posted + 3 { await Task.yield() }
    disk.letAllGo()
    #expect(try await worker.value == nil)
    _ = try await first.value
    for job in waiting { _ = try await job.value }
    let job = try await fixture.submit(queue: "other")
    #expect(try await fixture.engine.job(job.id, viewer: .all).state == .ready)
    await fixture.engine.stop()
  }

  @Test("an undelivered lease returns its job to the front with the attempt unspent")
  func undelivered() async throws {
    let fixture = try Fixture()
    let first = try await fixture.submit("1")
    _ = try await fixture.submit("2")
    let lost = try #require(try await fixture.lease())
    await fixture.engine.undelivered(lost.id, leaseID: lost.leaseID)
    let again = try #require(try await fixture.lease())
    #expect(again.id == first.id)
    #expect(again.attempt == 1)
    #expect(again.leaseID != lost.leaseID)
    await fixture.engine.stop()
  }

  @Test("the daemon's own wait for jobs to deliver, alone, is met by a submit, and ended by a drain")
  func deliveries() async throws {
    let fixture = try Fixture()
    for isDrained in [false, true] {
      let posted = fixture.engine.postedCommands
      let pusher = Task {
        try await fixture.engine.leaseDeliveries(maxJobs: 10, maxBytes: 1 << 20, waitMilliseconds: 60_000)
      }
      while fixture.engine.postedCommands == posted { await Task.yield() }
      // Batches in between take nobody's answer away.
      _ = try await fixture.submit()
      _ = try await fixture.submit()
      #expect(fixture.engine.waitingWorkers == 0)
      if isDrained {
        await fixture.engine.drainWaiters()
        #expect(try await pusher.value.isEmpty)
      } else {
        let job = try await fixture.submit {
          $0.options[.callback] = PushTarget.encode(origin: "https://a.example", rest: "/")
        }
        #expect(try await pusher.value.map(\.id) == [job.id])
      }
    }
    await fixture.engine.stop()
  }

  @Test("draining ends every wait at once and parks no further one")
  func draining() async throws {
    let fixture = try Fixture()
    let posted = fixture.engine.postedCommands
    let workers = (0..<8).map { _ in Task { try await fixture.lease(wait: 60_000) } }
    while fixture.engine.postedCommands < posted + 8 { await Task.yield() }
    await fixture.engine.drainWaiters()
    for worker in workers { #expect(try await worker.value == nil) }
    #expect(try await fixture.lease(wait: 60_000) == nil)
    await fixture.engine.stop()
  }
}
