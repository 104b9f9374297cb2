import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// What `roost wal repair` rests on: a damaged directory, what is said of its loss, and what is left of it, held
/// against the same directory before the damage.
@Suite("Repair")
struct RepairTests {
  // MARK: Every kind of damage, the loss known exactly

  @Test("the log and its records have one bound for log time")
  func latestLogTime() {
    #expect(LogFormat.latestLogTime == StateMachine.latestLogTime)
  }

  @Test("a damaged frame in the middle costs its jobs, by number, and nothing else")
  func damagedFrame() throws {
    let before = try Directory.filled()
    for segment in [3, 4] as [UInt32] {
      let after = try before.repaired { $0.flipBit(3, ofByte: 1_500, in: SegmentName.of(segment)) }
      #expect(after.lost.count == 1 && after.lost == after.repair.notes.lost, "\(after.lost)")
      #expect(after.repair.salvage.cuts.count == 1 && after.repair.salvage.isCountExact)
      #expect(after.repair.salvage.lostRecords == 1 && after.changed.isEmpty)
    }
  }

  @Test("a zeroed sector, a stale block and a segment cut short cost what stood there, by number")
  func torn() throws {
    let before = try Directory.filled()
    let damages: [(SimulatedDisk) -> Void] = [
      { $0.zeroSector(at: 1_024, in: SegmentName.of(3)) },
      { disk in
        let other = disk.contents(SegmentName.of(2)) ?? []
        disk.damage(SegmentName.of(3)) { $0.replaceSubrange(1_024..<2_048, with: other[1_024..<2_048]) }
      },
      { $0.damage(SegmentName.of(2)) { $0.removeLast($0.count - 2_000) } },
      { $0.damage(SegmentName.of(2)) { $0.replaceSubrange(2_000..., with: [UInt8](repeating: 0, count: 2_096)) } },
    ]
    for damage in damages {
      let after = try before.repaired(damage)
      #expect(!after.lost.isEmpty && after.lost == after.repair.notes.lost, "\(after.lost)")
      #expect(after.repair.salvage.isCountExact && after.repair.notes.unnamed == 0)
      #expect(after.repair.salvage.lostRecords == before.records - UInt64(after.repair.salvage.records))
    }
  }

  @Test("a missing segment in the middle costs its jobs, by number")
  func missingSegment() throws {
    let before = try Directory.filled()
    let after = try before.repaired { $0.delete(SegmentName.of(3)) }
    #expect(after.lost.count > 5 && after.lost == after.repair.notes.lost)
    #expect(after.repair.salvage.cuts.map(\.file) == [SegmentName.of(3)])
    #expect(after.repair.salvage.lostRecords == before.records - UInt64(after.repair.salvage.records))
    #expect(after.repair.salvage.isCountExact)
  }

  @Test("what is lost at the end is counted in records, as nothing tells what they were")
  func missingEnd() throws {
    let before = try Directory.filled(isStopped: true)
    let after = try before.repaired { disk in
      for name in disk.names where SegmentName.number(of: name).map({ $0 >= before.lastSegment }) == true {
        disk.delete(name)
      }
    }
    #expect(after.lost.count > 0 && after.repair.notes.lost.isEmpty)
    #expect(after.repair.salvage.isCountExact, "a clean stop says where the log ended")
    #expect(after.repair.salvage.lostAtEnd == before.records - UInt64(after.repair.salvage.records))
    #expect(UInt64(after.lost.count) < after.repair.salvage.lostAtEnd)
  }

  @Test("a damaged or missing HEAD costs no job")
  func head() throws {
    let before = try Directory.filled()
    let damages: [(SimulatedDisk) -> Void] = [
      { $0.delete(SegmentName.head) },
      { disk in for slot in [0, 4_096] { disk.flipBit(1, ofByte: slot + 40, in: SegmentName.head) } },
    ]
    for damage in damages {
      let after = try before.repaired(damage)
      #expect(after.lost.isEmpty && after.changed.isEmpty && after.repair.notes.lostJobs == 0)
      #expect(after.repair.salvage.cuts.map(\.file) == [SegmentName.head])
      #expect(!after.repair.salvage.isCountExact, "without HEAD nobody knows how far the log went")
    }
  }

  @Test("a damaged segment header costs no job, as every frame vouches for itself")
  func segmentHeader() throws {
    let before = try Directory.filled()
    let after = try before.repaired { $0.flipBit(1, ofByte: 30, in: SegmentName.of(2)) }
    #expect(after.lost.isEmpty && after.changed.isEmpty && after.repair.salvage.lostRecords == 0)
  }

  @Test("an acknowledgement in a lost frame sets its job back: it runs again, and is not lost")
  func setBack() throws {
    let store = try StoreUnderTest(segmentBytes: 64 << 10)
    let id = try #require(try store.submit()?.id)
    let grant = try #require(try store.lease())
    let place = try #require(store.disk.contents(SegmentName.of(1))?.lastIndex { $0 != 0 })
    #expect(try store.finish(grant).state == .acked)
    try store.submit()
    let before = try Directory(store)
    let after = try before.repaired { $0.flipBit(0, ofByte: place + 80, in: SegmentName.of(1)) }
    #expect(after.lost.isEmpty && after.changed == [id.number.rawValue])
    #expect(after.repair.lostChanges == 1)
    #expect(after.rows[id.number.rawValue]?.state == JobState.running.rawValue)
    #expect(after.rows[id.number.rawValue]?.check == before.rows[id.number.rawValue]?.check, "the id is the same")
  }

  @Test("of a frame that is not whole it is said which jobs it held, though an empty one alone stands behind it")
  func heldJobs() throws {
    let store = try StoreUnderTest(segmentBytes: 256 << 10)
    try store.submit()
    var bytes: [UInt8] = []
    let commands = (0..<108).map { _ in store.submission([UInt8](repeating: 7, count: 80), into: &bytes) }
    try store.batch(commands, bytes: bytes)
    try store.idle(seconds: 2)
    let before = try Directory(store)
    let after = try before.repaired { $0.flipBit(0, ofByte: 5_000, in: SegmentName.of(1)) }
    #expect(after.repair.salvage.lostRecords == 108 && after.repair.untoldRecords == 0)
    #expect(after.repair.notes.lost == Set(2...109) && after.lost == after.repair.notes.lost)
    // With the header of that frame nothing is known of it but the number of its records.
    let headless = try before.repaired { disk in
      disk.damage(SegmentName.of(1)) { bytes in
        let frames = stride(from: 512, to: bytes.count, by: 8).filter {
          bytes[$0..<($0 + 4)].elementsEqual("RFRM".utf8)
        }
        for at in frames[2]..<(frames[2] + 100) { bytes[at] ^= 0xFF }
      }
    }
    #expect(headless.repair.salvage.lostRecords == 108 && headless.repair.untoldRecords == 108)
  }

  @Test("without any record of the secret jobs live on under new ids, and that is said")
  func lostSecret() throws {
    let store = try StoreUnderTest(segmentBytes: 64 << 10)
    for _ in 0..<10 { try store.submit() }
    let before = try Directory(store)
    let after = try before.repaired { $0.flipBit(0, ofByte: 600, in: SegmentName.of(1)) }
    #expect(after.repair.notes.isSecretLost && after.lost.isEmpty)
    #expect(after.changed.count == 10, "every check is another")
  }

  // MARK: Any damage

  @Test(
    "after any damage a repair gives a log that opens, tells every job that is gone, and gives out nothing twice",
    arguments: DamageSweep.Ending.allCases)
  func sweep(ending: DamageSweep.Ending) async throws {
    let (repaired, losses) = try await aside { try Self.sweep(ending) }
    print("repair, \(ending): \(repaired) directories repaired, \(losses) jobs lost and told")
    #expect(repaired > 100 && losses > 0)
  }

  private static func sweep(_ ending: DamageSweep.Ending) throws -> (repaired: Int, losses: Int) {
    let sweep = try DamageSweep(seed: 6, operations: 200, ending: ending)
    let before = try Directory(sweep.files)
    let stops = ending == .idle ? 24 : 8
    var (repaired, losses) = (0, 0)
    func check(_ files: [(name: String, bytes: [UInt8])], _ what: String) throws {
      let disk = Directory.disk(files)
      guard case .failure(.corrupt)? = Result.of({ () throws(LogError) in _ = try LoadedLog(disk) }) else { return }
      let after = try Directory.Repaired(disk, before, "\(ending), \(what)")
      repaired += 1
      losses += after.lost.count
      // Nothing goes silently: named, counted, or among what nobody can tell.
      let salvage = after.repair.salvage
      let untold = after.lost.subtracting(after.repair.notes.lost).count - after.repair.notes.unnamed
      if salvage.isCountExact {
        try #require(untold <= Int(after.repair.lostChanges), "\(what): \(after.lost)")
        if salvage.lostRecords == 0 { try #require(after.lost.isEmpty && after.changed.isEmpty, "\(what)") }
      }
    }
    for (index, file) in sweep.files.enumerated() {
      var fewer = sweep.files
      fewer.remove(at: index)
      try check(fewer, "\(file.name) taken away")
      for offset in stride(from: 0, to: file.bytes.count, by: file.bytes.count / stops + 1) {
        var flipped = sweep.files
        flipped[index].bytes[offset] ^= 0xFF
        try check(flipped, "\(file.name) flipped at \(offset)")
        var cut = sweep.files
        cut[index].bytes.removeLast(cut[index].bytes.count - offset)
        try check(cut, "\(file.name) cut at \(offset)")
        var zeroed = sweep.files
        for at in offset..<min(offset + 512, file.bytes.count) { zeroed[index].bytes[at] = 0 }
        try check(zeroed, "\(file.name) zeroed at \(offset)")
      }
      for other in sweep.files.indices where other == (index + 1) % sweep.files.count {
        var stale = sweep.files
        stale[index].bytes = sweep.files[other].bytes
        try check(stale, "\(file.name) with the bytes of \(sweep.files[other].name)")
      }
    }
    return (repaired, losses)
  }
}

extension Result {
  /// What a typed throw ended in.
  static func of(_ body: () throws(Failure) -> Success) -> Result? {
    do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
  }
}

/// A directory before it is damaged, and what a repair of it leaves.
private struct Directory {
  let files: [(name: String, bytes: [UInt8])]
  let rows: [UInt64: StateMachine.Row]
  let counters: [UInt64]
  let records: UInt64
  let lastSegment: UInt32

  init(_ files: [(name: String, bytes: [UInt8])]) throws {
    self.files = files
    let log = try LoadedLog(Self.disk(files))
    records = log.end.nextSequence
    lastSegment = log.end.segment
    let image = log.takeMachine().image
    rows = Dictionary(uniqueKeysWithValues: image.rows.map { ($0.number, $0) })
    counters = image.counters
  }

  /// As a killed daemon leaves it.
  init(_ store: StoreUnderTest) throws {
    store.disk.crash(losingUnsynced: false)
    try self.init(store.disk.names.map { ($0, store.disk.contents($0) ?? []) })
  }

  /// Some segments of 4 KiB, nothing trimmed: jobs in every state, and one more frame behind each damage.
  static func filled(isStopped: Bool = false) throws -> Directory {
    var limits = Limits()
    limits.leaseMilliseconds = 3_600_000
    let store = try StoreUnderTest(limits: limits)
    for number in 0..<8 {
      try store.submit(queue: "done")
      guard let grant = try store.lease(["done"]) else { continue }
      _ = try store.finish(grant, number % 2 == 0 ? .acked : .failed)
    }
    for number in 0..<60 { try store.submit([UInt8](repeating: UInt8(number), count: 40), key: UInt64(number) + 1) }
    if isStopped { try store.stop() }
    return try Directory(store)
  }

  static func disk(_ files: [(name: String, bytes: [UInt8])]) -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in files { disk.place(name, bytes) }
    return disk
  }

  func repaired(_ damage: (SimulatedDisk) -> Void) throws -> Repaired {
    let disk = Self.disk(files)
    damage(disk)
    #expect(throws: LogError.self) { _ = try LoadedLog(disk) }
    return try Repaired(disk, self, "")
  }

  struct Repaired {
    let repair: LogRepair
    let rows: [UInt64: StateMachine.Row]
    /// Jobs that were there and are not.
    let lost: Set<UInt64>
    /// Jobs that are there and are not what they were.
    let changed: Set<UInt64>

    init(_ damaged: SimulatedDisk, _ before: Directory, _ what: String) throws {
      let untouched = damaged.names.map { damaged.contents($0) }
      repair = try LogRepair(damaged, newSecret: SipKey(k0: 9, k1: 9))
      let target = SimulatedDisk(seed: 2)
      _ = try repair.write(to: target, identity: (5, 6))
      #expect(damaged.names.map { damaged.contents($0) } == untouched, "what is repaired is not written to")
      let setting = Store.Setting(
        options: LogOptions(newLogIdentity: (7, 7), segmentBytes: 4_096), limits: Limits(),
        newSecret: SipKey(k0: 1, k1: 1), reading: ClockReading(boot: 1 << 50, wall: 1 << 61), bootID: 1, entropy: 1)
      let store = try Store.open(disk: target, setting: setting)
      let image = store.machine.image
      #expect(store.machine.inconsistencies().isEmpty, "\(what)")
      // Epoch, job numbers: nothing that was given out comes again.
      #expect(image.counters[0] > before.counters[0] + StateMachine.epochStride - 16, "\(what)")
      #expect(image.counters[1] > before.counters[1], "\(what)")
      #expect(image.rows.allSatisfy { $0.number < image.counters[1] && $0.order < image.counters[3] }, "\(what)")
      rows = Dictionary(uniqueKeysWithValues: image.rows.map { ($0.number, $0) })
      lost = Set(before.rows.keys).subtracting(rows.keys)
      let kept = rows
      changed = Set(
        before.rows.values.filter { row in kept[row.number].map { !$0.says(row) } ?? false }.map(\.number))
      #expect(repair.jobs == rows.count, "\(what)")
    }
  }
}

extension StateMachine.Row {
  /// Whether both tell the same of a job, wherever its records stand.
  fileprivate func says(_ other: Self) -> Bool {
    check == other.check && state == other.state && priority == other.priority && flags == other.flags
      && attempts == other.attempts && created == other.created && queue == other.queue && owner == other.owner
      && order == other.order && key == other.key
  }
}
