import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// Nothing is answered before it is durable.
@Suite struct DurabilityTests {
  @Test("no answer of any kind leaves before the sync of what it saw")
  func everyAnswerWaits() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk()
    let first = try await fixture.submit("\"first\"", key: "k1")
    let leased = try #require(try await fixture.lease())
    _ = try await fixture.submit("\"second\"")

    disk.hold()
    let answers = AnswerLog()
    async let blocking: Void = {
      _ = try? await fixture.submit("\"third\"")
      answers.add("blocking submit")
    }()
    await disk.waitForSync(1)
    // Everything that is asked from here on gathers in one batch, which changes something and so has to sync.
    let unknown = JobID(high: first.id.high, low: first.id.low ^ 1)
    let asked: [@Sendable () async -> String] = [
      { "submit \((try? await fixture.submit("4")) != nil)" },
      { "same key \((try? await fixture.submit("\"first\"", key: "k1"))?.isIdempotent ?? false)" },
      { "other body \((try? await fixture.submit("5", key: "k1")) != nil)" },
      { "lease \((try? await fixture.lease()) != nil)" },
      { "nothing to lease \((try? await fixture.lease(["empty"])) == nil)" },
      { "ack \((try? await fixture.acknowledge(leased)) != nil)" },
      {
        "lost \((try? await fixture.engine.release(leased.id, leaseID: LeaseID(epoch: 9, number: 9), viewer: .all, delayMilliseconds: 0)) == nil)"
      },
      { "read \((try? await fixture.engine.job(first.id, viewer: .all)) != nil)" },
      { "hidden \((try? await fixture.engine.job(first.id, viewer: .owner("x"))) == nil)" },
      { "list \((try? await fixture.engine.jobs(JobFilter(), viewer: .all, limit: 10, after: nil)) != nil)" },
      { "queue \(((try? await fixture.engine.queue("default")) ?? nil) != nil)" },
    ]
    await #expect(throws: Refusal.jobNotFound) { try await fixture.engine.job(unknown, viewer: .all) }
    let posted = fixture.engine.postedCommands
    await withTaskGroup(of: Void.self) { group in
      for ask in asked { group.addTask { answers.add(await ask()) } }
      // All of them are in the mailbox before the first sync may end.
      group.addTask {
        while fixture.engine.postedCommands < posted + UInt64(asked.count) { await Task.yield() }
        disk.letOneGo()
        await disk.waitForSync(2)
        #expect(answers.all.allSatisfy { $0 == "blocking submit" }, "answered before the sync: \(answers.all)")
        disk.letAllGo()
      }
    }
    await blocking
    #expect(answers.all.count == asked.count + 1)
    #expect(answers.all.allSatisfy { $0 == "blocking submit" || $0.hasSuffix("true") || $0 == "other body false" })
    await fixture.engine.stop()
  }

  @Test("fault 11: a failed sync ends the engine, and whoever waits hears that the outcome is unknown")
  func failedSync() async throws {
    let fixture = try Fixture()
    _ = try await fixture.submit()
    fixture.disk.fail(.sync, errno: EIO, file: SegmentName.of(1), repeats: true)
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
    guard case .io(_, _, EIO) = await fixture.failures.first() else {
      Issue.record("the failure names the error")
      return
    }
    // It does not try again, although the disk would work by now.
    fixture.disk.clearFailures()
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
  }

  @Test("fault 11: when the log fails, whoever waits for a job or for the end of one hears that the outcome is unknown")
  func failedWhileParked() async throws {
    let fixture = try Fixture()
    let job = try await fixture.submit(queue: "other")
    let (engine, posted) = (fixture.engine, fixture.engine.postedCommands)
    let request = LeaseRequest(
      queues: ["none"], leaseMilliseconds: nil, waitMilliseconds: 60_000, workerID: "w", keyID: "k")
    async let one: Refusal? = #expect(throws: Refusal.outcomeUnknown) { try await engine.lease(request) }
    async let several: Refusal? = #expect(throws: Refusal.outcomeUnknown) {
      try await engine.lease(request, maxJobs: 10, maxBytes: 1 << 20)
    }
    async let end: Refusal? = #expect(throws: Refusal.outcomeUnknown) {
      try await engine.waitForEnd(job.id, viewer: .all, waitMilliseconds: 60_000)
    }
    while engine.waitingWorkers < 3 || engine.postedCommands < posted + 3 { await Task.yield() }
    fixture.disk.fail(.sync, errno: EIO, file: SegmentName.of(1), repeats: true)
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
    _ = await (one, several, end)
  }

  @Test("a data directory that is gone ends the engine at the next commit, before its answers")
  func vanished() async throws {
    let fixture = try Fixture()
    let kept = try await fixture.submit("\"kept\"")
    fixture.disk.isMovedAway = true
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
    #expect(await fixture.failures.first() == .vanished("the data directory"))
    fixture.disk.isMovedAway = false
    fixture.disk.crash(losingUnsynced: false)
    let again = try Fixture(disk: fixture.disk)
    #expect(try await again.engine.job(kept.id, viewer: .all).state == .ready)
    await again.engine.stop()
  }

  @Test("fault 15: a file system that turned read-only ends the engine")
  func readOnlyFileSystem() async throws {
    let fixture = try Fixture()
    let kept = try await fixture.submit("\"kept\"")
    fixture.disk.fail(.write, errno: EROFS, repeats: true)
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
    _ = await fixture.failures.first()
    fixture.disk.clearFailures()
    fixture.disk.crash()
    let again = try Fixture(disk: fixture.disk)
    #expect(try await again.engine.job(kept.id, viewer: .all).state == .ready)
    await again.engine.stop()
  }

  @Test("fault 16: behind a slow disk requests are refused, not answered falsely")
  func slowDisk() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk { $0.mailbox.commands = 4 }
    disk.hold()
    let first = Task { try await fixture.submit("1").id }
    await disk.waitForSync(1)
    let posted = fixture.engine.postedCommands
    let waiting = (0..<4).map { _ in Task { try await fixture.submit("2").id } }
    while fixture.engine.postedCommands < posted + 4 { await Task.yield() }
    await #expect(throws: Refusal.overloaded) { try await fixture.submit("3") }
    disk.letAllGo()
    var ids: Set<JobID> = [try await first.value]
    for task in waiting { ids.insert(try await task.value) }
    #expect(ids.count == 5)
    #expect(try await fixture.engine.jobs(JobFilter(), viewer: .all, limit: 100, after: nil).items.count == 5)
    await fixture.engine.stop()
  }

  @Test("a stopped engine touches nothing once its lock is free")
  func lockIsLast() async throws {
    for seed in 0..<8 {
      let simulated = SimulatedDisk(seed: UInt64(seed))
      let disk = SlowToPrepareDisk(inner: simulated)
      let fixture = try Fixture(disk: simulated, wrap: { _ in disk })
      _ = try await fixture.submit()
      await fixture.engine.stop()
      // What is late comes in a moment, or while the next engines run.
      await Task.yield()
      #expect(disk.late.all == [])
      let second = try Fixture(disk: simulated)
      #expect(try await second.lease() != nil)
      await second.engine.stop()
      #expect(disk.late.all == [])
    }
  }

  @Test("fault 20: a stopped engine has answered everything, marked the log, and refuses what comes later")
  func cleanStop() async throws {
    let fixture = try Fixture()
    let ids = try await withThrowingTaskGroup(of: JobID.self) { group in
      for number in 0..<50 { group.addTask { try await fixture.submit("\(number)").id } }
      return try await group.reduce(into: Set<JobID>()) { $0.insert($1) }
    }
    await fixture.engine.stop()
    await #expect(throws: Refusal.stopping) { try await fixture.submit() }
    let again = try Fixture(disk: fixture.disk)
    for id in ids { #expect(try await again.engine.job(id, viewer: .all).state == .ready) }
    await again.engine.stop()
  }
}

/// A disk that is slow in making segments, and notes what is asked of it after the directory's lock was given back.
private final class SlowToPrepareDisk: DiskAround {
  let inner: any Disk
  let late = AnswerLog()
  private let isUnlocked = Atomic(false)

  init(inner: any Disk) { self.inner = inner }

  func close(_ file: DiskFile) {
    inner.close(file)
    if file.name == SegmentName.lock { isUnlocked.store(true, ordering: .sequentiallyConsistent) }
  }

  func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    if file.name.hasSuffix(SegmentName.unfinishedSuffix) { usleep(3_000) }
    note("write of \(file.name)")
    try inner.write(file, bytes, at: offset)
  }

  func rename(_ name: String, to newName: String) throws(DiskError) {
    note("rename of \(name)")
    try inner.rename(name, to: newName)
  }

  private func note(_ call: String) {
    if isUnlocked.load(ordering: .sequentiallyConsistent) { late.add(call) }
  }
}
