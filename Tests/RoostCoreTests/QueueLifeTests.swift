import RoostCore
import Testing

/// Queues come with their first job and go some time after their last one has left.
@Suite struct QueueLifeTests {
  @Test("at MAX_QUEUES the queue that has been without jobs longest makes room; with jobs in all of them none does")
  func room() throws {
    let machine = Machine {
      $0.maxQueues = 2
      $0.retentionMilliseconds = 0
    }
    let first = try #require(machine.submit(queue: "a"))
    _ = try #require(machine.submit(queue: "b"))
    #expect(machine.submit(queue: "c") == nil)
    cancel(first, machine)
    _ = try #require(machine.submit(queue: "c"))
    #expect(machine.state.image.queues.map { $0.prefix(2) } == ["b ", "c "])
    #expect(machine.submit(queue: "a") == nil)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a queue without jobs goes after QUEUE_IDLE, with its totals; a job that comes in between keeps it")
  func idle() throws {
    let machine = Machine {
      $0.queueIdleMilliseconds = 5_000
      $0.retentionMilliseconds = 0
    }
    cancel(try #require(machine.submit(queue: "a")), machine)
    _ = machine.pass(milliseconds: 4_000)
    cancel(try #require(machine.submit(queue: "a")), machine)
    _ = machine.pass(milliseconds: 4_000)
    #expect(machine.state.queueCount == 1)
    #expect(machine.state.nextDeadline == machine.state.logTime + 1_000_000_000)
    _ = machine.pass(milliseconds: 1_000)
    #expect(machine.state.queueCount == 0)
    _ = try #require(machine.submit(queue: "a"))
    #expect(machine.state.image.queues.first?.contains("submitted: 1") == true)
  }

  @Test("a worker that waits for a queue that goes gets the next job all the same")
  func waiting() throws {
    let machine = Machine {
      $0.queueIdleMilliseconds = 1_000
      $0.retentionMilliseconds = 0
    }
    cancel(try #require(machine.submit(queue: "a")), machine)
    #expect(machine.lease("a", wait: 60_000) == nil)
    _ = machine.pass(milliseconds: 1_000)
    #expect(machine.state.queueCount == 0)
    let job = try #require(machine.submit(queue: "a"))
    #expect(machine.image(job.id)?.state == .running)
  }

  @Test("waits for queues that do not exist are bounded, cost memory that counts, and leave none behind")
  func waits() throws {
    let machine = Machine { $0.maxWaitedNames = 200 }
    let before = machine.state.usedBytes
    for number in 0..<200 { #expect(wait("made-up-\(number)", machine) == nil) }
    #expect(machine.state.usedBytes > before + 200 * 150)
    guard case .refused(.overloaded) = wait("one-more", machine) else {
      Issue.record("a wait beyond the bound was taken")
      return
    }
    // A name that others wait for, and a queue that exists, are no more names.
    #expect(wait("made-up-7", machine) == nil)
    _ = try #require(machine.submit(queue: "real") { $0.delayMilliseconds = 90_000 })
    #expect(wait("real", machine) == nil)
    _ = machine.pass(milliseconds: 61_000)
    #expect(machine.state.waiterCount == 0)
    #expect(machine.state.inconsistencies() == [])
    machine.state.conditions.isMemoryLow = true
    guard case .refused(.memoryLow) = wait("one-more", machine) else {
      Issue.record("a wait that needs memory was taken when there is none")
      return
    }
    #expect(wait("real", machine) == nil)
  }

  @Test("a replay finds the queues that are left, and since when they are idle")
  func replay() throws {
    let machine = Machine {
      $0.queueIdleMilliseconds = 10_000
      $0.retentionMilliseconds = 0
    }
    cancel(try #require(machine.submit(queue: "a")), machine)
    _ = machine.pass(milliseconds: 6_000)
    cancel(try #require(machine.submit(queue: "b")), machine)
    _ = machine.pass(milliseconds: 6_000)
    _ = machine.submit(queue: "c")
    #expect(machine.state.queueCount == 2)
    try machine.expectReplay()
  }

  private func cancel(_ job: Answer.Accepted, _ machine: Machine) {
    machine.run([], .cancel(Command.Cancel(job: machine.reference(job.id), viewer: .all, reason: .empty, checksum: 0)))
  }

  private func wait(_ queue: String, _ machine: Machine) -> Answer? {
    let bytes = [UInt8(queue.utf8.count)] + Array(queue.utf8)
    return machine.run(
      bytes,
      .lease(
        Command.Lease(
          queues: ByteRange(offset: 0, count: bytes.count), worker: .empty, keyID: .empty, leaseMilliseconds: 0,
          waitMilliseconds: 60_000))
    ).first
  }
}
