import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// The store knows of its log what `Journal` says, and nothing else.
@Suite("The journal under a store")
struct JournalTests {
  @Test("what a journal refuses, as another writer has it, is not answered and not there after a start")
  func fenced() throws {
    let disk = SimulatedDisk(seed: 1)
    var shared: SharedJournal!
    var store = try Store.open(
      disk: disk, setting: setting,
      journal: { local in
        shared = SharedJournal(local)
        return shared
      })
    #expect(shared.commits == 1)
    #expect(try submit(to: &store) == 1)
    shared.isSuperseded = true
    #expect(throws: LogError.fenced(epoch: 1, by: 2)) { try submit(to: &store) }
    #expect(shared.commits == 2)
    try reopen(disk) { #expect($0 == 1) }
  }

  private func reopen(_ disk: SimulatedDisk, _ body: (Int) -> Void) throws {
    disk.crash(losingUnsynced: true)
    let store = try Store.open(disk: disk, setting: setting)
    body(store.machine.jobCount)
  }

  private var setting: Store.Setting {
    let options = LogOptions(
      newLogIdentity: (1, 2), segmentBytes: 64 << 10, frameLimitBytes: (2 << 20) + (24 << 10), zeroFillPieceBytes: 4_096
    )
    return Store.Setting(
      options: options, limits: Limits(), newSecret: SipKey(k0: 1, k1: 2),
      reading: ClockReading(boot: 1_000_000_000_000, wall: 1_790_000_000_000_000_000), bootID: 1, entropy: 3)
  }

  /// Submits a job in a batch of its own; the number of jobs then.
  private func submit(to store: inout Store) throws -> Int {
    let body = JobBodyLayout.encode(
      queue: "q", type: "", owner: "ann", traceparent: "", group: "", metadata: [], tags: [], payload: [49],
      checksum: { Checksum.of($0) })
    let command = Command.submit(
      Command.Submit(
        policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0,
        maxRetries: 3, delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count)))
    try body.withUnsafeBytes { arena in
      try store.begin(
        reading: ClockReading(boot: 1_000_000_000_000, wall: 1_790_000_000_000_000_000), arena: arena,
        expectedBytes: body.count)
      _ = store.handle(command, ticket: 1)
      _ = try store.commit()
    }
    return store.machine.jobCount
  }
}

/// A journal that others keep, too: what they did not take is not written here either.
private final class SharedJournal: Journal {
  private let local: SegmentedLog
  /// Others follow another writer.
  var isSuperseded = false
  private(set) var commits = 0

  init(_ local: SegmentedLog) { self.local = local }

  var identity: LogIdentity { local.identity }
  var tornTail: TornTail? { local.tornTail }
  var nextSequence: UInt64 { local.nextSequence }
  var lastStamp: FrameStamp? { local.lastStamp }
  var frameLimitBytes: Int { local.frameLimitBytes }
  var firstSegment: UInt32 { local.firstSegment }
  var currentSegment: UInt32 { local.currentSegment }
  var totalBytes: UInt64 { local.totalBytes }
  var segmentBytes: Int { local.segmentBytes }
  var space: SpaceState { local.space }
  var isShortOfSpace: Bool { local.isShortOfSpace }
  var hasMuchSpace: Bool { local.hasMuchSpace }
  var provisioner: SegmentProvisioner { local.provisioner }

  func prepareFrame(expectedBytes: Int) throws(LogError) -> FrameStart {
    try local.prepareFrame(expectedBytes: expectedBytes)
  }

  func commit(
    _ frame: UnsafeMutableRawBufferPointer, recordBytes: Int, recordCount: Int, stamp: FrameStamp
  ) throws(LogError) {
    if isSuperseded { throw .fenced(epoch: stamp.epoch, by: stamp.epoch + 1) }
    try local.commit(frame, recordBytes: recordBytes, recordCount: recordCount, stamp: stamp)
    commits += 1
  }

  func stop(_ stamp: FrameStamp) throws(LogError) { try local.stop(stamp) }
  func segmentBytes(_ number: UInt32) -> Int { local.segmentBytes(number) }
  func pin(_ segment: UInt32) -> SegmentFile { local.pin(segment) }
  func trim(before segment: UInt32) throws(LogError) { try local.trim(before: segment) }
  func roomToGrow() throws(LogError) -> Int { try local.roomToGrow() }
  func provision() throws(LogError) -> Bool { try local.provision() }
}
