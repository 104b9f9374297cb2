import Glibc
import RoostLog
import RoostSimulation
import Testing

/// Damage of what was answered is refused, with place, expectation and finding; only an unanswered tail is cut.
@Suite struct DamageTests {
  /// A log of four segments, the last with frames that `HEAD` does not know, and spares behind.
  private func filled(seed: UInt64 = 1, stopped: Bool = false) throws(LogError) -> (SimulatedDisk, [FrameStart]) {
    let disk = SimulatedDisk(seed: seed)
    let (log, _) = try open(disk)
    var starts: [FrameStart] = []
    while log.currentSegment < 4 { starts.append(try log.append([record(starts.count, bytes: 900)])) }
    for _ in 0..<2 { starts.append(try log.append([record(starts.count, bytes: 300)])) }
    while try log.provision() {}
    if stopped { try log.stop(stamp(99)) }
    return (disk, starts)
  }

  private func expectRefusal(
    _ disk: SimulatedDisk, file: UInt32, offset: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let before = disk.names.map { disk.contents($0) }
    let found = corruption(disk)
    #expect(found?.file == SegmentName.of(file), sourceLocation: sourceLocation)
    if let offset { #expect(found?.offset == offset, sourceLocation: sourceLocation) }
    #expect(found?.expected.isEmpty == false && found?.found.isEmpty == false, sourceLocation: sourceLocation)
    if let found {
      #expect(LogError.corrupt(found).description.contains("roost wal verify"), sourceLocation: sourceLocation)
    }
    let inspection = try? LogInspector(disk: disk).inspect()
    #expect(
      inspection?.problems.contains { $0.file == SegmentName.of(file) } == true, "`wal verify` names it as well",
      sourceLocation: sourceLocation)
    #expect(disk.names.map { disk.contents($0) } == before, "neither changes anything", sourceLocation: sourceLocation)
  }

  @Test("fault 3: any bit flipped in an older segment is refused")
  func bitFlip() throws {
    let (disk, starts) = try filled()
    var random = SeededRandom(seed: 3)
    let used = Int(starts.last { $0.position.segment == 2 }?.position.offset ?? 0) + 900
    for _ in 0..<300 {
      let (offset, bit) = (512 + random.below(used - 512), random.below(8))
      disk.flipBit(bit, ofByte: offset, in: SegmentName.of(2))
      expectRefusal(disk, file: 2)
      disk.flipBit(bit, ofByte: offset, in: SegmentName.of(2))
    }
    #expect(refusal(disk) == nil)
  }

  @Test("fault 3: a flipped bit in a segment's header is refused")
  func headerFlip() throws {
    let (disk, _) = try filled()
    for offset in 0..<64 where !(8..<10).contains(offset) {
      disk.flipBit(1, ofByte: offset, in: SegmentName.of(3))
      expectRefusal(disk, file: 3)
      disk.flipBit(1, ofByte: offset, in: SegmentName.of(3))
    }
  }

  @Test("fault 4: a bit flipped in the last frame is refused after a clean stop, and when a later frame stands")
  func lastFrame() throws {
    let (stopped, starts) = try filled(stopped: true)
    let last = starts[starts.count - 1].position
    stopped.flipBit(0, ofByte: Int(last.offset) + 50, in: SegmentName.of(4))
    expectRefusal(stopped, file: 4, offset: Int(last.offset))

    let (covered, _) = try filled()
    try open(covered).0.append([])
    covered.flipBit(0, ofByte: Int(last.offset) + 50, in: SegmentName.of(4))
    expectRefusal(covered, file: 4, offset: Int(last.offset))
  }

  @Test("fault 4: the documented limit: the very last frame, covered by nothing, is taken for a torn tail")
  func lastFrameUncovered() throws {
    let (disk, starts) = try filled()
    let last = starts[starts.count - 1].position
    disk.flipBit(0, ofByte: Int(last.offset) + 50, in: SegmentName.of(4))
    let (log, entries) = try open(disk)
    #expect(entries.count == starts.count - 1)
    #expect(log.tornTail?.offset == Int(last.offset) - SegmentedLog.headroom)
    #expect(disk.contents(SegmentName.torn(4))?.count == log.tornTail?.bytes)
    #expect(disk.contents(SegmentName.of(4))?[(Int(last.offset) - 72)...].allSatisfy { $0 == 0 } == true)
  }

  @Test("fault 4: a damaged last frame behind whose end anything stands was whole once, and is refused")
  func lastFrameFollowed() throws {
    let (_, starts) = try filled()
    let last = starts[starts.count - 1].position
    // The empty frame that covers it is hit as well: one block that was meant for another place does that.
    func hit(_ stray: Int?) throws -> SimulatedDisk {
      let (disk, _) = try filled()
      let cover = Int(try open(disk).0.append([]).position.offset) - SegmentedLog.headroom
      disk.damage(SegmentName.of(4)) { bytes in
        bytes.replaceSubrange((cover - 20)..., with: repeatElement(0, count: bytes.count - cover + 20))
        if let stray { bytes[stray < 0 ? bytes.count - 1 : cover + stray] = 7 }
      }
      return disk
    }
    for stray in [0, 30, -1] { expectRefusal(try hit(stray), file: 4, offset: Int(last.offset)) }
    // Zeros leave no trace of what covered it: the documented limit.
    #expect(try open(hit(nil)).1.count == starts.count - 1)
  }

  @Test("fault 5: a zeroed sector in the middle is refused")
  func zeroedSector() throws {
    for sector in 0..<5 {
      let (disk, _) = try filled()
      disk.zeroSector(at: sector * 512, in: SegmentName.of(3))
      expectRefusal(disk, file: 3)
    }
  }

  @Test("fault 6: a segment cut short is refused, wherever it is cut: it had its full length before its first frame")
  func cutShort() throws {
    for (file, stopped) in [(2, false), (4, false), (4, true)] as [(UInt32, Bool)] {
      let (_, starts) = try filled(stopped: stopped)
      let last = starts.last { $0.position.segment == file }!
      // In a header, at a frame's beginning, in a frame, in the zeros behind the last.
      for length in [100, Int(last.position.offset) - 72, Int(last.position.offset) + 100, 4_000] {
        let (disk, _) = try filled(stopped: stopped)
        disk.damage(SegmentName.of(file)) { $0.removeLast($0.count - length) }
        expectRefusal(disk, file: file)
      }
    }
  }

  @Test("faults 7, 8: a missing segment, in the middle, first or last, is refused")
  func missing() throws {
    for number in [1, 2, 3, 4] as [UInt32] {
      let (disk, _) = try filled()
      disk.delete(SegmentName.of(number))
      expectRefusal(disk, file: number, offset: 0)
    }
  }

  @Test("fault 8: with a damaged slot of HEAD, bytes in a segment that the other does not name are refused")
  func lostSlotAndFrame() throws {
    func hit(slot: Int?) throws -> (disk: SimulatedDisk, spare: UInt32) {
      let (disk, _) = try filled()
      let spare = try #require(disk.names.compactMap(SegmentName.number(of:)).max())
      disk.damage(SegmentName.of(spare)) { $0[600] = 7 }
      if let slot { disk.flipBit(0, ofByte: slot + 20, in: SegmentName.head) }
      return (disk, spare)
    }
    for slot in [0, 4096] {
      let (disk, spare) = try hit(slot: slot)
      expectRefusal(disk, file: spare, offset: 600)
    }
    // Both slots whole: a spare is nothing that was answered.
    #expect(refusal(try hit(slot: nil).disk) == nil)
  }

  @Test("fault 4: with a damaged slot of HEAD, which may have known of it, a last frame is not taken for a torn tail")
  func lostSlotAndLastFrame() throws {
    for slot in [0, 4096] {
      let (disk, starts) = try filled()
      let last = starts[starts.count - 1].position
      disk.flipBit(0, ofByte: Int(last.offset) + 50, in: SegmentName.of(4))
      disk.flipBit(0, ofByte: slot + 20, in: SegmentName.head)
      expectRefusal(disk, file: 4, offset: Int(last.offset))
    }
  }

  @Test("without HEAD a single segment is an unfinished log while it holds zeros, and damage otherwise")
  func unfinished() throws {
    let disk = SimulatedDisk(seed: 1)
    do { _ = try open(disk) }
    for number in disk.names.compactMap(SegmentName.number(of:)) where number > 1 {
      disk.delete(SegmentName.of(number))
    }
    disk.delete(SegmentName.head)
    #expect(refusal(disk) == nil)

    let (used, _) = try filled()
    for number in used.names.compactMap(SegmentName.number(of:)) where number > 1 {
      used.delete(SegmentName.of(number))
    }
    used.delete(SegmentName.head)
    // No frame's header is whole any more.
    used.damage(SegmentName.of(1)) { bytes in
      for at in stride(from: 512, to: bytes.count, by: 8) where bytes[at] != 0 { bytes[at] ^= 1 }
    }
    #expect(corruption(used)?.file == SegmentName.head)
  }

  @Test("fault 9: a block of another segment, another place or another log is refused and named")
  func misdirected() throws {
    let (disk, starts) = try filled()
    let blocks = disk.contents(SegmentName.of(2)) ?? []
    let whole = disk.contents(SegmentName.of(3)) ?? []
    disk.damage(SegmentName.of(3)) { $0.replaceSubrange(512..<1488, with: blocks[512..<1488]) }
    expectRefusal(disk, file: 3, offset: 512)
    #expect(corruption(disk)?.found.contains("segment 2, byte 512") == true)
    disk.damage(SegmentName.of(3)) { $0 = whole }
    disk.damage(SegmentName.of(3)) { $0.replaceSubrange(1488..<2464, with: whole[512..<1488]) }
    expectRefusal(disk, file: 3, offset: 1488)
    disk.damage(SegmentName.of(3)) { $0 = blocks }
    expectRefusal(disk, file: 3)

    var other = smallOptions()
    other.newLogIdentity = (7, 7)
    let foreign = SimulatedDisk(seed: 2)
    let (log, _) = try open(foreign, other)
    for number in starts.indices { try log.append([record(number, bytes: 900)]) }
    disk.damage(SegmentName.of(3)) { $0 = foreign.contents(SegmentName.of(3)) ?? [] }
    expectRefusal(disk, file: 3, offset: 16)
    disk.damage(SegmentName.of(3)) { $0.replaceSubrange(..<512, with: whole[..<512]) }
    expectRefusal(disk, file: 3, offset: 512)
  }

  @Test("one damaged slot of HEAD is mended from the other; two are refused, and so is a log without HEAD")
  func head() throws {
    for slot in [0, 4096] {
      let (disk, starts) = try filled()
      disk.flipBit(0, ofByte: slot + 20, in: SegmentName.head)
      #expect(try open(disk).1.count == starts.count)
      disk.flipBit(0, ofByte: 4096 - slot + 20, in: SegmentName.head)
      #expect(try open(disk).1.count == starts.count)
      disk.flipBit(0, ofByte: 20, in: SegmentName.head)
      disk.flipBit(0, ofByte: 4096 + 20, in: SegmentName.head)
      #expect(corruption(disk)?.file == SegmentName.head)
      disk.delete(SegmentName.head)
      #expect(corruption(disk)?.file == SegmentName.head)
    }
  }

  @Test("fault 11: a failed sync or write makes the log unusable")
  func failedSync() throws {
    for operation in [DiskOperation.sync, .write] {
      let disk = SimulatedDisk(seed: 1)
      do {
        let (log, _) = try open(disk)
        try log.append([record(1)])
        disk.fail(operation, errno: EIO)
        let expected = LogError.io(operation: operation.rawValue, file: SegmentName.of(1), errno: EIO)
        #expect(throws: expected) { try log.append([record(2)]) }
        #expect(throws: LogError.self) { try log.append([record(3)]) }
        #expect(throws: LogError.self) { try log.stop(stamp(1)) }
      }
      disk.crash(losingUnsynced: false)
      #expect(try open(disk).1.first?.records == [record(1)])
    }
  }

  @Test("fault 12: an unreadable sector at boot is refused as such")
  func unreadable() throws {
    let (disk, _) = try filled()
    disk.fail(.read, errno: EIO, file: SegmentName.of(3))
    #expect(refusal(disk) == .io(operation: "read", file: SegmentName.of(3), errno: EIO))
    #expect(refusal(disk) == nil)
  }

  @Test("fault 13: short reads change nothing")
  func shortReads() throws {
    let (disk, starts) = try filled()
    disk.shortenReads(withChance: 0.7)
    #expect(try open(disk).1.count == starts.count)
  }

  @Test("fault 14: without space for a segment the log says so, stays usable, and goes on when space returns")
  func outOfSpace() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    try log.append([record(1, bytes: 900)])
    disk.capacityBytes = disk.usedBytes + 3000
    #expect(try !log.provision())
    #expect(log.space.lastProvisionFailedForSpace)
    while try log.prepareFrame(expectedBytes: 100).capacity > 1000 { try log.append([record(2, bytes: 900)]) }
    #expect(throws: LogError.outOfSpace(file: SegmentName.of(2))) { try log.append([record(3, bytes: 900)]) }
    try log.append([record(4, bytes: 20)])
    #expect(!disk.names.contains { $0.hasSuffix(".tmp") })
    disk.capacityBytes = .max
    while try log.provision() {}
    #expect(!log.space.lastProvisionFailedForSpace)
    #expect(try log.append([record(3, bytes: 900)]).position.segment == 2)
  }

  @Test("a disk too small for a new log is refused with what is free and what is needed, and nothing is left")
  func tooSmall() throws {
    let disk = SimulatedDisk(seed: 1)
    disk.capacityBytes = 3000
    #expect(
      refusal(disk, smallOptions(spares: 2)) == .noRoom(freeBytes: 3000, segmentBytes: 4096, wantedBytes: 4 * 4096))
    #expect(disk.names.allSatisfy { !$0.hasSuffix(".wal") && !$0.hasSuffix(".tmp") })
    disk.capacityBytes = .max
    #expect(refusal(disk) == nil)
  }

  @Test("fault 14: on a full disk a frame takes the room of trimmed segments before that of the reserve")
  func trimmedBeforeReserve() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk, smallOptions(spares: 2))
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    while try log.provision() {}
    try log.trim(before: 3)
    disk.capacityBytes = disk.usedBytes
    try log.append([record(1, bytes: 6000)])
    // One spare became its segment, none was given up.
    #expect(log.space.trimmedSegments == 0 && log.space.spareBytes == 2 * 4096)
  }

  @Test(
    "fault 26: without a file descriptor for a segment the log goes on in the one it has",
    arguments: [EMFILE, ENFILE])
  func outOfDescriptors(errno: Int32) throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    try log.trim(before: 3)
    disk.fail(.list, errno: errno, repeats: true)
    disk.fail(.open, errno: errno, repeats: true)
    while try log.provision() {}
    // What was trimmed goes without one.
    #expect(!disk.names.contains(SegmentName.of(1)))
    // A lack of descriptors is none of space: nothing is refused.
    #expect(!log.isShortOfSpace)
    for _ in 0..<9 { #expect(try log.append([record(3, bytes: 900)]).position.segment == 3) }
    disk.clearFailures()
    while try log.provision() {}
    #expect(try log.append([record(3, bytes: 900)]).position.segment == 4)
    disk.crash(losingUnsynced: true)
    #expect(try open(disk).1.count >= 10)
  }

  @Test("under a quota, of which the disk tells nothing, what a spare gave up and no frame has used yet is room")
  func quota() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(DiskUnderQuota(inner: disk), smallOptions(spares: 2))
    while try log.provision() {}
    disk.capacityBytes = disk.usedBytes
    try log.append([record(1, bytes: 4_500)])
    while try log.provision() {}
    let spare = log.space.spareBytes
    let room = try log.roomToGrow()
    #expect(spare < 3 * 4_096 && room > spare && room < spare + 4_096)
  }

  @Test("fault 14: a frame that outgrows its segment on a full disk takes its room from the reserve")
  func reserve() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk, smallOptions(spares: 2))
    while try log.provision() {}
    disk.capacityBytes = disk.usedBytes
    try log.append([record(1, bytes: 6000)])
    #expect(log.space.spareBytes == 2 * 4096)
  }

  @Test("fault 15: a file system turned read-only stops the log")
  func readOnly() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    disk.fail(.open, errno: EROFS, repeats: true)
    #expect(throws: LogError.self) { try log.provision() }
    #expect(throws: LogError.self) { try log.append([record(1)]) }
  }

  @Test("fault 23: a second opener is turned away")
  func locked() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    #expect(refusal(disk) == .locked(by: getpid()))
    try log.append([])
  }

  @Test("the inspector reports every damage, the torn tail and the roles of files, and changes nothing")
  func inspector() throws {
    let (disk, starts) = try filled()
    let whole = try LogInspector(disk: disk).inspect()
    #expect(whole.problems.isEmpty && whole.holder == nil && whole.tornTail == nil)
    #expect(whole.segments.map(\.role) == [.live, .live, .live, .live, .spare])
    #expect(whole.segments.reduce(0) { $0 + $1.recordCount } == starts.count)
    disk.flipBit(0, ofByte: 700, in: SegmentName.of(1))
    disk.flipBit(0, ofByte: 1600, in: SegmentName.of(2))
    disk.flipBit(0, ofByte: Int(starts[starts.count - 1].position.offset), in: SegmentName.of(4))
    let before = disk.names.map { disk.contents($0) }
    var records = 0
    let inspection = try LogInspector(disk: disk).inspect(record: { _, _ in records += 1 })
    #expect(inspection.problems.map(\.file) == [SegmentName.of(1), SegmentName.of(2)])
    #expect(inspection.tornTail?.segment == 4)
    #expect(records == starts.count - 3)
    #expect(disk.names.map { disk.contents($0) } == before)
  }
}

/// A disk that says that it has space, whatever its user may still write.
private final class DiskUnderQuota: DiskAround {
  let inner: any Disk
  init(inner: any Disk) { self.inner = inner }
  func freeBytes() throws(DiskError) -> Int { 1 << 40 }
}
