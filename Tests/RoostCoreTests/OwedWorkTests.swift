import RoostCore
import Testing

/// Work that others wait for, where there is no room for other work; and names that are made up without end.
@Suite("Owed work and made-up names")
struct OwedWorkTests {
  @Test("fault 81: at the memory limit and in a full queue last jobs of batches and jobs that waited for others come")
  func noRoom() throws {
    let machine = Machine()
    machine.set([.maxLength: 1], of: "mail")
    let first = try #require(machine.submit(queue: "work")).id
    let batch = try machine.open(endingIn: "mail")
    let member = try #require(machine.submit(queue: "work", options: [.batch: BatchMembership.encode(batch)]))
    let held = try #require(machine.submit(queue: "mail", after: first))
    machine.close(batch)
    let grants = machine.leaseSeveral("work")
    #expect(grants.map(\.id) == [first, member.id])
    machine.state.conditions.isMemoryLow = true
    #expect(machine.submit(queue: "mail") == nil)
    for grant in grants { #expect(machine.finish(grant.id, grant.lease, .acked) != nil) }
    machine.run()
    #expect(machine.image(held)?.state == .ready)
    machine.run([], .readBatches(Command.ReadBatches(owner: .empty, batch: batch, below: 0, limit: 1)))
    let ended = try #require(machine.step.batches.first)
    #expect(ended.phase == .completed)
    #expect(machine.image(try #require(ended.job))?.state == .ready)
    // Both, though the queue takes one job.
    machine.state.conditions.isMemoryLow = false
    #expect(machine.submit(queue: "mail") == nil)
    #expect(machine.leaseSeveral("mail").count == 2)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("fault 63: made-up names of queues, groups, owners, types and workers are given back, however many there are")
  func madeUp() throws {
    let machine = Machine {
      $0.maxQueues = 100
      $0.queueIdleMilliseconds = 1_000
      $0.retentionMilliseconds = 0
    }
    func round(_ round: Int) throws -> Int {
      for number in 0..<3_000 {
        let name = "made-up-\(round)-\(number)"
        let job = try #require(machine.submit(queue: name, type: name, group: name, owner: name))
        let grant = try #require(machine.lease(name, worker: name))
        #expect(grant.id == job.id)
        _ = machine.finish(job.id, grant.lease, .acked)
      }
      #expect(machine.state.queueCount <= 100)
      _ = machine.pass(milliseconds: 2_000)
      machine.forgetLog()
      return machine.state.usedBytes
    }
    let first = try round(0)
    // Five names of some twenty bytes each, of three thousand jobs, would be 300 KB a round and more.
    for number in 1...5 { #expect(try round(number) <= first + 65_536, "round \(number)") }
    #expect(machine.state.queueCount == 0 && machine.state.jobCount == 0)
    #expect(machine.state.inconsistencies() == [])
  }
}

extension Machine {
  /// Submits a job that waits for another one.
  fileprivate func submit(queue: String, after job: JobID) -> JobID? {
    let list = DependencyList.encode(DependencyList.Mode(), [.job(job, wasAcked: false)])
    var (command, body) = Self.job(queue)
    command.dependencies = ByteRange(offset: body.count, count: list.count)
    body += list
    guard case .submitted(let accepted)? = run(body, .submit(command)).first else { return nil }
    return accepted.id
  }

  /// Opens a batch whose last job comes into a queue.
  fileprivate func open(endingIn queue: String) throws -> JobID {
    let (command, body) = Self.job(queue)
    let then = ScheduleDefinition(timing: .every(1, from: nil), job: command, body: body).bytes
    let open = Command.OpenBatch(
      owner: ByteRange(offset: 0, count: 3), name: .empty, then: ByteRange(offset: 3, count: then.count),
      isEnded: false, milliseconds: 0)
    run(Array("ann".utf8) + then, .openBatch(open))
    return try #require(step.batches.first?.id)
  }

  fileprivate func close(_ batch: JobID) {
    run([], .changeBatch(Command.ChangeBatch(batch: batch, owner: .empty, isCancel: false)))
  }

  /// Leases a job for a worker.
  fileprivate func lease(_ queue: String, worker: String) -> Answer.Grant? {
    let names = [UInt8(queue.utf8.count)] + Array(queue.utf8)
    let command = Command.Lease(
      queues: ByteRange(offset: 0, count: names.count),
      worker: ByteRange(offset: names.count, count: worker.utf8.count), keyID: .empty, leaseMilliseconds: 0,
      waitMilliseconds: 0)
    guard case .leased(let grant)? = run(names + Array(worker.utf8), .lease(command)).first else { return nil }
    return grant
  }

  private static func job(_ queue: String) -> (command: Command.Submit, body: [UInt8]) {
    let body = JobBodyLayout.encode(
      queue: queue, type: "", owner: "ann", traceparent: "", group: "", metadata: [], tags: [], payload: [0x31],
      checksum: { _ in 0x1234_5678 })
    let command = Command.Submit(
      policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0, maxRetries: 3,
      delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))
    return (command, body)
  }
}
