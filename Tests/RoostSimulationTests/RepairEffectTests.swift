import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// What a repair leaves of jobs, batches and schedules whose others are lost.
@Suite("Repair of what hangs together")
struct RepairEffectTests {
  @Test("fault 79: who waits for a lost job, or in a batch with one, does not wait for ever; lost records are counted")
  func lostOthers() throws {
    let store = try StoreUnderTest(segmentBytes: 64 << 10)
    var damaged: [Int] = []
    /// The frame that comes next is to be damaged: its first record stands behind its header.
    func losing<Result>(_ body: () throws -> Result) throws -> Result {
      let end = try #require(store.disk.contents(SegmentName.of(1))?.lastIndex { $0 != 0 })
      damaged.append(end + 80)
      return try body()
    }
    let lost = try losing { try store.enqueue("q") }
    let cancelled = try store.enqueue("q", after: [lost])
    let runs = try store.enqueue("q", after: [lost], onDead: .run)
    let batch = try store.openBatch(endingIn: "last")
    let lostMember = try losing { try store.enqueue("q", of: batch) }
    let member = try store.enqueue("member", of: batch)
    try store.close(batch: batch)
    #expect(try store.finish(try #require(try store.lease(["member"]))).state == .acked)
    let lostBatch = try losing { try store.openBatch(endingIn: "never") }
    let orphan = try store.enqueue("q", of: lostBatch)
    try losing { try store.set(schedule: "lost", firingInto: "fires") }
    try store.set(schedule: "kept", firingInto: "fires")
    #expect(try store.read(batch: batch)?.phase == .closed)

    store.disk.crash(losingUnsynced: false)
    for place in damaged { store.disk.flipBit(0, ofByte: place, in: SegmentName.of(1)) }
    #expect(throws: LogError.self) { _ = try LoadedLog(store.disk) }
    let repair = try LogRepair(store.disk, newSecret: SipKey(k0: 9, k1: 9))
    #expect(repair.notes.lost == [lost.number.rawValue, lostMember.number.rawValue])
    // The batch and the schedule are told as records that were no jobs.
    #expect(repair.salvage.lostRecords == 4 && repair.salvage.isCountExact && repair.lostChanges == 2)
    let target = SimulatedDisk(seed: 2)
    _ = try repair.write(to: target, identity: (5, 6))

    let again = try StoreUnderTest(segmentBytes: 64 << 10, disk: target)
    try again.batch([])
    #expect(try again.read(cancelled)?.state == .cancelled)
    #expect(try again.read(runs)?.state == .ready)
    #expect(try again.read(member)?.state == .acked)
    let ended = try #require(try again.read(batch: batch))
    #expect(ended.phase == .completed && ended.counts[.acked] == 1)
    #expect(again.count(.ready, in: "last") == 1 && again.count(.ready, in: "never") == 0)
    #expect(try again.read(orphan)?.state == .ready && again.read(batch: lostBatch) == nil)
    #expect(again.image.schedules.count == 1 && again.image.schedules[0].contains(" o kept "))
    #expect(again.image.rows.allSatisfy { $0.state != JobState.blocked.rawValue })
  }
}
