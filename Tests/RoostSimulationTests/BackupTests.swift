import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// What `roost backup` and `roost restore` rest on: copies taken while a store writes, trims and crashes.
@Suite("Backup")
struct BackupTests {
  @Test("a copy taken at any moment, also in the middle of a trim, is the state of that moment, and restores to it")
  func everyMoment() throws {
    let store = try StoreUnderTest()
    var random = SeededRandom(seed: 4)
    var grants: [Answer.Grant] = []
    for turn in 0..<120 {
      try store.submit([UInt8](repeating: 7, count: 1 + random.below(200)), key: UInt64(turn) + 1, retention: 2_000)
      if random.chance(0.7), let grant = try store.lease() { grants.append(grant) }
      if random.chance(0.6), !grants.isEmpty { _ = try store.finish(grants.removeFirst()) }
      try store.pass(seconds: 1)
      _ = try store.compact()
      if turn % 6 == 0 { try Self.expectCopy(of: store) }
    }
    #expect(store.trims > 0)
  }

  private static func expectCopy(of store: StoreUnderTest) throws {
    let now = store.image
    let backup = SimulatedDisk(seed: 2)
    _ = try LogBackup(from: store.disk, to: backup).run()
    let copy = try LoadedLog(backup).takeMachine().image
    #expect(copy == now, "the copy replays to the very same state")
    #expect(throws: LogError.onHold(.backup)) { _ = try StoreUnderTest(disk: backup) }
    let target = SimulatedDisk(seed: 3)
    let outcome = try LogRestore(from: backup, to: target, identity: (8, 9)).run()
    #expect(throws: LogError.onHold(.restore)) { _ = try StoreUnderTest(disk: target) }
    try LogHold.lift(on: target)
    let restored = try StoreUnderTest(disk: target).image
    #expect(restored.told == now.told)
    #expect(outcome.jobs == now.rows.count && outcome.epoch == now.counters[0] + 1 << 20)
    #expect(restored.counters[0] == outcome.epoch + 1 && restored.counters[1] == now.counters[1] + 1 << 30)
  }

  @Test("what a daemon writes while it is copied changes nothing in the copy: every answer before it began is there")
  func underWrites() throws {
    var trims = 0
    for call in 1..<70 {
      let store = try StoreUnderTest()
      let before = try (0..<10).map { _ in try #require(try store.submit(queue: "kept")?.id.number.rawValue) }
      for _ in 0..<40 { try store.submit([UInt8](repeating: 7, count: 90), retention: 1) }
      var trimsDuring = 0
      let source = InterruptedDisk(store.disk, atCall: call) {
        // In the middle of the copy: jobs end and leave, segments are made and trimmed.
        while let grant = try? store.lease() { _ = try? store.finish(grant) }
        try? store.pass(seconds: 2)
        while (try? store.compact()) == true { _ = try? store.batch([]) }
        for _ in 0..<10 { _ = try? store.submit([UInt8](repeating: 1, count: 60)) }
        trimsDuring = store.trims
      }
      let backup = SimulatedDisk(seed: 2)
      _ = try LogBackup(from: source, to: backup).run()
      trims += trimsDuring
      let copy = try LoadedLog(backup).takeMachine()
      #expect(Set(before).isSubset(of: copy.image.rows.map(\.number)), "interrupted at call \(call)")
      #expect(copy.inconsistencies().isEmpty)
    }
    #expect(trims > 30, "segments went away under the copy")
  }

  @Test("a copy that did not come to its end is never taken for one, whatever call it ended at")
  func cutShort() throws {
    let store = try StoreUnderTest()
    for number in 0..<40 { try store.submit([UInt8](repeating: UInt8(number), count: 60)) }
    let now = store.image
    var whole = 0
    for call in 1..<200 where whole == 0 {
      let backup = SimulatedDisk(seed: UInt64(call))
      backup.stopMachine(atCall: call)
      var isFinished = true
      do { _ = try LogBackup(from: store.disk, to: backup).run() } catch { isFinished = false }
      backup.disarm()
      backup.crash()
      let target = SimulatedDisk(seed: 3)
      do {
        _ = try LogRestore(from: backup, to: target, identity: (8, 9)).run()
        try LogHold.lift(on: target)
        #expect(try StoreUnderTest(disk: target).image.told == now.told, "ended at call \(call)")
      } catch is LogError {
        #expect(!isFinished, "ended at call \(call)")
      }
      if isFinished { whole = call }
    }
    #expect(whole > 20, "the last round met no crash")
  }

  @Test(
    "a restore that did not come to its end is not served, whatever call it ended at; one that did is, and is whole")
  func restoreCutShort() throws {
    let store = try StoreUnderTest()
    for number in 0..<40 { try store.submit([UInt8](repeating: UInt8(number), count: 60)) }
    let now = store.image
    let backup = SimulatedDisk(seed: 2)
    _ = try LogBackup(from: store.disk, to: backup).run()
    var whole = 0
    for call in 1..<400 where whole == 0 {
      let target = SimulatedDisk(seed: UInt64(call))
      target.stopMachine(atCall: call)
      var isFinished = true
      do {
        _ = try LogRestore(from: backup, to: target, identity: (8, 9)).run()
        try LogHold.lift(on: target)
      } catch {
        isFinished = false
      }
      target.disarm()
      target.crash()
      guard !target.names.filter({ $0.hasSuffix(".wal") }).isEmpty else { continue }
      do {
        #expect(try StoreUnderTest(disk: target).image.told == now.told, "ended at call \(call)")
      } catch LogError.onHold(let hold) {
        #expect(!isFinished && hold == .restore, "ended at call \(call)")
      }
      if isFinished { whole = call }
    }
    #expect(whole > 20, "the last round met no crash")
  }

  @Test("fault 18: an old copy put back by restore gives out no lease and no job id that the old directory gave out")
  func oldCopy() throws {
    let store = try StoreUnderTest()
    let early = try #require(try store.submit()?.id)
    let backup = SimulatedDisk(seed: 2)
    _ = try LogBackup(from: store.disk, to: backup).run()
    var given: (ids: Set<JobID>, leases: Set<LeaseID>) = ([], [])
    func use(_ store: StoreUnderTest) throws {
      for _ in 0..<20 { given.ids.insert(try #require(try store.submit()?.id)) }
      for _ in 0..<15 { given.leases.insert(try #require(try store.lease()).lease) }
    }
    try use(store)
    try store.restart()
    try use(store)
    // Twice from the same backup, with the wall clock as it was then.
    for generation in [1, 2] as [UInt64] {
      let target = SimulatedDisk(seed: 3)
      _ = try LogRestore(from: backup, to: target, identity: (8, generation), generations: generation).run()
      try LogHold.lift(on: target)
      let restored = try StoreUnderTest(disk: target)
      #expect(try restored.read(early)?.state == .ready, "an id from before the backup is good")
      try use(restored)
    }
    #expect(given.ids.count == 80 && given.leases.count == 60)
  }

  @Test("a damaged log is not copied, and a damaged backup not restored")
  func damaged() throws {
    let store = try StoreUnderTest()
    for number in 0..<40 { try store.submit([UInt8](repeating: UInt8(number), count: 60)) }
    let backup = SimulatedDisk(seed: 2)
    _ = try LogBackup(from: store.disk, to: backup).run()
    for disk in [store.disk, backup] { disk.flipBit(1, ofByte: 1_000, in: SegmentName.of(2)) }
    #expect(throws: LogError.self) { _ = try LogBackup(from: store.disk, to: SimulatedDisk(seed: 4)).run() }
    let target = SimulatedDisk(seed: 5)
    #expect(throws: LogError.self) { _ = try LogRestore(from: backup, to: target, identity: (8, 9)).run() }
    #expect(target.names.isEmpty, "a backup is checked before anything is written")
  }
}

/// A disk whose n-th call from now is preceded by something else that happens.
private final class InterruptedDisk: DiskAround, @unchecked Sendable {
  // One thread alone uses it.
  let inner: any Disk
  private var callsLeft: Int
  private var interruption: (() -> Void)?

  init(_ disk: SimulatedDisk, atCall call: Int, _ interruption: @escaping () -> Void) {
    inner = disk
    callsLeft = call
    self.interruption = interruption
  }

  private func count() {
    callsLeft -= 1
    guard callsLeft == 0, let interruption else { return }
    self.interruption = nil
    interruption()
  }

  func list() throws(DiskError) -> [String] {
    count()
    return try inner.list()
  }
  func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile {
    count()
    return try inner.open(name, create: create)
  }
  func size(_ file: DiskFile) throws(DiskError) -> Int {
    count()
    return try inner.size(file)
  }
  func read(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    count()
    return try inner.read(file, into: buffer, at: offset)
  }
  func sync(_ file: DiskFile) throws(DiskError) {
    count()
    try inner.sync(file)
  }
}
