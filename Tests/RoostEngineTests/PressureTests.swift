import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// A full disk, a full memory, damaged bytes.
@Suite struct PressureTests {
  @Test("fault 14: on a full disk submits are refused, acks and reads go on, and space brings everything back")
  func fullDisk() async throws {
    let disk = SimulatedDisk(seed: 3, capacityBytes: 400 << 10)
    let fixture = try Fixture(disk: disk, segmentBytes: 32 << 10)
    let payload = "\"" + String(repeating: "x", count: 2_000) + "\""
    var jobs: [JobID] = []
    var refusal: Refusal?
    while refusal == nil, jobs.count < 10_000 {
      do throws(Refusal) {
        jobs.append(try await fixture.submit(payload).id)
        if jobs.count.isMultiple(of: 10) { _ = try await fixture.lease() }
      } catch {
        refusal = error
      }
    }
    #expect(refusal == .diskLow)
    #expect(await fixture.engine.health().diskLevel >= 1)
    // What was accepted can be read, and what is running can be acknowledged.
    #expect(try await fixture.engine.job(jobs[0], viewer: .all).body.payload.count == payload.utf8.count)
    let running = try await fixture.engine.jobs(JobFilter(state: .running), viewer: .all, limit: 200, after: nil)
    #expect(!running.items.isEmpty)
    for job in running.items {
      let state = try await fixture.engine.acknowledge(
        job.id, leaseID: nil, keyID: "k", viewer: .all, result: Array("\"done\"".utf8)[...])
      #expect(state == .acked)
    }
    disk.capacityBytes = .max
    // The stock of segments is refilled in the background; every refused submit asks for it again.
    var accepted: Submitted?
    while accepted == nil { accepted = try? await fixture.submit("\"again\"") }
    #expect(try await fixture.engine.job(accepted!.id, viewer: .all).state == .ready)
    #expect(await fixture.engine.health().diskLevel == 0)
    await fixture.engine.stop()
  }

  @Test("a full disk takes submits first, then leases, then large results; small results go on to the end")
  func levels() async throws {
    let disk = SimulatedDisk(seed: 5, capacityBytes: 700 << 10)
    let fixture = try Fixture(disk: disk, segmentBytes: 32 << 10)
    var held: [LeasedJob] = []
    for _ in 0..<40 {
      _ = try await fixture.submit("1")
      held.append(try #require(try await fixture.lease()))
    }
    let payload = "\"" + String(repeating: "x", count: 700) + "\""
    #expect(await refusal { () throws(Refusal) in _ = try await fixture.submit(payload) } == .diskLow)
    #expect(await refusal { () throws(Refusal) in _ = try await fixture.lease() } == .diskLow)
    #expect(await fixture.engine.health().diskLevel >= 2)
    // The reserve holds room for the completion of everything that runs, with a small result.
    let large = "\"" + String(repeating: "y", count: 30_000) + "\""
    let small = "\"" + String(repeating: "z", count: 3_900) + "\""
    var refusals = 0
    for job in held {
      do throws(Refusal) {
        _ = try await fixture.acknowledge(job, result: large)
      } catch {
        #expect(error == .diskLow)
        refusals += 1
        #expect(try await fixture.acknowledge(job, result: small) == .acked)
      }
    }
    #expect(refusals > 0)
    #expect(await fixture.engine.health().isWritable)
    disk.capacityBytes = .max
    var accepted: Submitted?
    while accepted == nil { accepted = try? await fixture.submit(payload) }
    await fixture.engine.stop()
  }

  @Test("on a full disk every worker keeps its job: progress that finds no room is dropped, and the answer says so")
  func progress() async throws {
    let disk = SimulatedDisk(seed: 7, capacityBytes: 700 << 10)
    let fixture = try Fixture(disk: disk, segmentBytes: 32 << 10)
    var held: [LeasedJob] = []
    for _ in 0..<40 {
      _ = try await fixture.submit("1")
      held.append(try #require(try await fixture.lease()))
    }
    let payload = "\"" + String(repeating: "x", count: 700) + "\""
    #expect(await refusal { () throws(Refusal) in _ = try await fixture.submit(payload) } == .diskLow)
    #expect(await refusal { () throws(Refusal) in _ = try await fixture.lease() } == .diskLow)
    let progress = Array(("\"" + String(repeating: "y", count: 16_000) + "\"").utf8)
    var dropped = 0
    for job in held {
      let wish = LeaseExtension(
        id: job.id, leaseID: job.leaseID, leaseMilliseconds: 60_000, progress: progress[...])
      if try await fixture.engine.extend(wish, viewer: .all).isProgressDropped { dropped += 1 }
    }
    #expect(dropped > 0)
    for job in held { #expect(try await fixture.acknowledge(job, result: "\"done\"") == .acked) }
    disk.capacityBytes = .max
    var accepted: Submitted?
    while accepted == nil { accepted = try? await fixture.submit(payload) }
    #expect(try await fixture.engine.job(accepted!.id, viewer: .all).state == .ready)
    let job = try #require(try await fixture.lease())
    let wish = LeaseExtension(id: job.id, leaseID: job.leaseID, leaseMilliseconds: 60_000, progress: progress[...])
    // The stock of segments is refilled in the background.
    var isDropped = true
    while isDropped { isDropped = try await fixture.engine.extend(wish, viewer: .all).isProgressDropped }
    await fixture.engine.stop()
  }

  @Test("fault 14: what submits filled while nobody worked is given out, job by job, and then submits go on")
  func filledBySubmits() async throws {
    let disk = SimulatedDisk(seed: 6, capacityBytes: 600 << 10)
    let fixture = try Fixture(disk: disk, segmentBytes: 32 << 10, adjust: { $0.limits.retentionMilliseconds = 0 })
    let payload = "\"" + String(repeating: "x", count: 900) + "\""
    var submitted: Set<JobID> = []
    var refusal: Refusal?
    while refusal == nil, submitted.count < 10_000 {
      do throws(Refusal) { submitted.insert(try await fixture.submit(payload).id) } catch { refusal = error }
    }
    #expect(refusal == .diskLow && submitted.count > 100)
    #expect(await fixture.engine.health().diskLevel == 1)
    for _ in submitted {
      let job = try #require(try await fixture.lease())
      #expect(try await fixture.acknowledge(job) == .acked)
      submitted.remove(job.id)
    }
    #expect(submitted.isEmpty)
    var accepted: Submitted?
    while accepted == nil { accepted = try? await fixture.submit(payload) }
    await fixture.engine.stop()
  }

  /// Repeats something until it is refused.
  private func refusal(_ body: () async throws(Refusal) -> Void) async -> Refusal? {
    for _ in 0..<20_000 {
      do throws(Refusal) {
        try await body()
      } catch {
        return error
      }
    }
    return nil
  }

  @Test("fault 25: above the memory limit submits are refused and everything else goes on")
  func memoryLimit() async throws {
    let disk = SimulatedDisk(seed: 4)
    let first = try Fixture(disk: disk)
    let job = try await first.submit("\"before\"")
    await first.engine.stop()
    let fixture = try Fixture(disk: disk, adjust: { $0.memoryLimitBytes = 1 })
    await #expect(throws: Refusal.memoryLow) { try await fixture.submit() }
    let leased = try #require(try await fixture.lease())
    #expect(leased.id == job.id)
    #expect(try await fixture.acknowledge(leased) == .acked)
    #expect(await fixture.engine.health().isMemoryLow)
    await fixture.engine.stop()
  }

  @Test("a payload that rotted on disk is never handed out: the job rests in the dead letters and the health says so")
  func rottenPayload() async throws {
    let fixture = try Fixture()
    let job = try await fixture.submit("\"a payload that rots\"")
    let name = SegmentName.of(1)
    let bytes = try #require(fixture.disk.contents(name))
    let marker = Array("payload that rots".utf8)
    let at = try #require(bytes.indices.first { bytes[$0...].starts(with: marker) })
    fixture.disk.flipBit(3, ofByte: at, in: name)
    await #expect(throws: Refusal.payloadCorrupt) { try await fixture.engine.job(job.id, viewer: .all) }
    await #expect(throws: Refusal.payloadCorrupt) { try await fixture.lease() }
    #expect(await fixture.engine.health().hasCorruptPayload)
    #expect(try await fixture.lease() == nil)
    #expect(fixture.engine.queues(viewer: .all).first?.count(.dead) == 1)
    await fixture.engine.stop()
  }

  @Test("a list keeps no payload of the jobs that it shows")
  func listsKeepNoPayloads() async throws {
    let fixture = try Fixture()
    let job = try await fixture.submit("\"a payload\"") { $0.type = "a type" }
    let page = try await fixture.engine.jobs(JobFilter(), viewer: .all, limit: 10, after: nil)
    #expect(page.items.map(\.id) == [job.id] && page.items.first?.body.type == "a type")
    #expect(page.items.first?.body.payload.isEmpty == true)
    await fixture.engine.stop()
  }

  @Test("a payload that the disk fails to read is not taken for damaged: the job is tried again")
  func unreadablePayload() async throws {
    let simulated = SimulatedDisk(seed: 1)
    let disk = UnreadableDisk(inner: simulated)
    let fixture = try Fixture(disk: simulated, wrap: { _ in disk })
    let job = try await fixture.submit("\"healthy\"")
    disk.isFailing.store(true, ordering: .sequentiallyConsistent)
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.engine.job(job.id, viewer: .all) }
    await #expect(throws: Refusal.outcomeUnknown) { try await fixture.lease() }
    #expect(await fixture.engine.health().hasCorruptPayload)
    disk.isFailing.store(false, ordering: .sequentiallyConsistent)
    let seen = try await fixture.engine.job(job.id, viewer: .all)
    #expect(seen.state == .scheduled && seen.attempts == 0, "no worker has seen it")
    #expect(await !fixture.engine.health().hasCorruptPayload)
    #expect(seen.body.payload.elementsEqual("\"healthy\"".utf8))
    await fixture.engine.stop()
  }

  @Test("a result, an error and a reason come back byte for byte")
  func outcomes() async throws {
    let fixture = try Fixture()
    let first = try await fixture.submit("{\"a\": 1.0e2,\"\\u00e9\":[ ]}") { $0.maxRetries = 0 }
    let job = try #require(try await fixture.lease())
    #expect(job.body.payload.elementsEqual("{\"a\": 1.0e2,\"\\u00e9\":[ ]}".utf8))
    _ = try await fixture.acknowledge(job, result: "{\"n\": 0}")
    let seen = try await fixture.engine.job(first.id, viewer: .all)
    #expect(seen.result.map { String(decoding: $0, as: UTF8.self) } == "{\"n\": 0}")

    let second = try await fixture.submit("2") { $0.maxRetries = 0 }
    let failing = try #require(try await fixture.lease())
    _ = try await fixture.engine.fail(
      failing.id, leaseID: failing.leaseID, keyID: "k", viewer: .all, error: "broken \u{1F4A5}", retryable: true,
      retryAfterMilliseconds: nil)
    #expect(try await fixture.engine.job(second.id, viewer: .all).lastError == "broken \u{1F4A5}")
    #expect(
      try await fixture.engine.deadJobs(JobFilter(), viewer: .all, limit: 10, after: nil).items.map(\.id) == [second.id]
    )

    let third = try await fixture.submit("3")
    _ = try await fixture.engine.cancel(third.id, viewer: .all, reason: "not needed")
    #expect(try await fixture.engine.job(third.id, viewer: .all).cancelReason == "not needed")
    await fixture.engine.stop()
  }
}

/// A disk whose reads can be made to fail.
private final class UnreadableDisk: DiskAround {
  let inner: any Disk
  let isFailing = Atomic(false)

  init(inner: any Disk) { self.inner = inner }

  func read(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    if isFailing.load(ordering: .sequentiallyConsistent) { throw DiskError(.read, file: file.name, errno: EIO) }
    return try inner.read(file, into: buffer, at: offset)
  }

  func tryReadCached(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int? {
    isFailing.load(ordering: .sequentiallyConsistent) ? nil : inner.tryReadCached(file, into: buffer, at: offset)
  }
}
