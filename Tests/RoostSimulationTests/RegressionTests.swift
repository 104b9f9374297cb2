import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

@Suite("What the simulator found")
struct RegressionTests {
  @Test("a waiting worker gets the best job of all its queues when several become due at once")
  func waiterGetsTheBest() throws {
    let tested = try StoreUnderTest()
    try tested.submit(queue: "a", priority: 0, delay: 500)
    let urgent = try #require(try tested.submit(queue: "b", priority: 10, delay: 500))
    var bytes: [UInt8] = []
    let waiting = tested.leasing(["a", "b"], wait: 5_000, into: &bytes)
    #expect(try tested.batch([waiting], bytes: bytes).isEmpty)
    tested.clock.boot += StoreUnderTest.second
    let replies = try tested.batch([])
    #expect(replies.compactMap(\.answer.grant).map(\.id) == [urgent.id])
  }

  @Test("a key outlives a trim whose copy was read while the job was still there")
  func stubOfAPurgedJobIsCarried() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit(key: 7, retention: 1_000))
    _ = try tested.finish(try #require(try tested.lease()))
    // Grows the log until a trim wants to begin, then lets the job leave between its copy's reading and writing.
    var trimmed = tested.trims
    while try !tested.compact() {
      try tested.submit([UInt8](repeating: 1, count: 500), retention: 0)
      _ = try tested.finish(try #require(try tested.lease()))
    }
    try tested.pass(seconds: 3)
    #expect(try tested.read(job.id) == nil)
    trimmed += 1
    while tested.trims < trimmed {
      _ = try tested.compact()
      try tested.batch([])
    }
    try tested.restart(losingUnsynced: true)
    let again = try #require(try tested.submit(key: 7))
    #expect(again.isIdempotent)
    #expect(again.id == job.id)
  }

  @Test("a piece of compaction is small also where nothing lives: the next commit waits for it")
  func piecesAreSmall() throws {
    let tested = try StoreUnderTest(segmentBytes: 1 << 20)
    while try !tested.compact() {
      try tested.submit([UInt8](repeating: 1, count: 20_000), retention: 0)
      _ = try tested.finish(try #require(try tested.lease()))
    }
    let trims = tested.trims
    var pieces = 1
    while tested.trims == trims, pieces < 100 {
      try tested.batch([])
      _ = try tested.compact()
      pieces += 1
    }
    #expect(tested.trims > trims)
    #expect(pieces >= 6)
  }

  @Test("compaction goes on once bytes that could not be read can be, and says so as long as it does not")
  func compactionAfterAReadError() throws {
    let tested = try StoreUnderTest()
    let kept = try #require(try tested.submit(queue: "kept"))
    tested.disk.fail(.read, errno: EIO, repeats: true)
    while tested.damage == nil {
      try tested.submit([UInt8](repeating: 1, count: 300), retention: 0)
      _ = try tested.finish(try #require(try tested.lease()))
      _ = try tested.compact()
    }
    tested.disk.clearFailures()
    #expect(try !tested.compact() && tested.damage != nil, "not at once")
    try tested.pass(seconds: 6)
    for _ in 0..<1_000 where tested.trims == 0 {
      _ = try tested.compact()
      try tested.batch([])
    }
    #expect(tested.trims > 0 && tested.damage == nil)
    #expect(try tested.read(kept.id)?.state == .ready)
  }

  @Test("a trim carries more queues than one command does, with their totals")
  func manyQueues() throws {
    let tested = try StoreUnderTest()
    let names = (0..<100).map { "queue-\($0)" }
    for name in names {
      try tested.submit(queue: name, retention: 0)
      _ = try tested.finish(try #require(try tested.lease([name])))
    }
    let trims = tested.trims
    while tested.trims < trims + 3 {
      try tested.submit([UInt8](repeating: 1, count: 300), retention: 0)
      _ = try tested.finish(try #require(try tested.lease()))
      _ = try tested.compact()
    }
    let before = tested.image.queues
    try tested.restart(losingUnsynced: true)
    #expect(tested.image.queues == before)
    #expect(names.allSatisfy { name in before.contains { $0.hasPrefix("\(name) ") } })
  }

  @Test("on a full disk what is due waits for space, and the wait of a worker still ends in time")
  func dueOnAFullDisk() throws {
    let tested = try StoreUnderTest()
    let jobs = 4_000
    for job in 0..<jobs { try tested.submit(delay: 1_000 + Int64(job)) }
    var bytes: [UInt8] = []
    let waiting = tested.leasing(["empty"], wait: 12_000, into: &bytes)
    #expect(try tested.batch([waiting], bytes: bytes).isEmpty)
    tested.disk.capacityBytes = tested.disk.usedBytes
    try tested.pass(seconds: 8)
    #expect(tested.isDueHeld)
    bytes = []
    let refused = tested.submission([UInt8](repeating: 1, count: 400), into: &bytes)
    var refusals = try tested.batch([refused], bytes: bytes).map(\.answer.refusal)
    #expect(refusals == [.diskLow])
    for _ in 0..<3 {
      tested.clock.boot += 2 * StoreUnderTest.second
      refusals += try tested.batch([]).map(\.answer.refusal)
    }
    #expect(refusals == [.diskLow, nil])

    tested.disk.capacityBytes = .max
    try tested.batch([])
    #expect(!tested.isDueHeld)
    var leased = 0
    while try tested.lease() != nil { leased += 1 }
    #expect(leased == jobs)
  }

  @Test("on a full disk compaction leaves what is kept for running jobs: they can be ended, and end by themselves")
  func reserveOfRunning() throws {
    var limits = Limits()
    limits.retentionMilliseconds = 0
    let tested = try StoreUnderTest(limits: limits)
    // One of the oldest segments has grown beyond what all spares can take, and all of it lives.
    var bytes: [UInt8] = []
    let large = (0..<5).map { _ in tested.submission([UInt8](repeating: 1, count: 4_000), into: &bytes) }
    try tested.batch(large, bytes: bytes)
    for _ in 0..<50 {
      try tested.submit([UInt8](repeating: 1, count: 600), queue: "short")
      _ = try tested.finish(#require(try tested.lease(["short"])))
    }
    let running = try (0..<2).map { _ in
      try tested.submit(queue: "long")
      return try #require(try tested.lease(["long"]))
    }
    while try tested.provision() {}
    tested.disk.capacityBytes = tested.disk.usedBytes
    while try tested.submit() != nil {}
    for _ in 0..<200 {
      _ = try tested.compact()
      try tested.batch([])
      _ = try tested.provision()
    }
    let result = "\"" + String(repeating: "r", count: 4_000) + "\""
    #expect(try tested.finish(running[0], text: result).state == .acked)
    try tested.pass(seconds: 12)
    #expect(try tested.read(running[1].id)?.state != .running)
  }

  @Test("a submit that fits alone is not too large behind a small one")
  func largeBehindSmall() throws {
    let tested = try StoreUnderTest()
    var bytes: [UInt8] = []
    try tested.submit()
    let small = tested.submission([UInt8](repeating: 1, count: 3_000), into: &bytes)
    let large = tested.submission([UInt8](repeating: 1, count: 22_000), into: &bytes)
    let replies = try tested.batch([small, large], bytes: bytes)
    #expect(replies.count == 2)
    #expect(replies.allSatisfy { $0.answer.refusal == nil })
  }

  @Test("a recovery that stopped while it set a torn tail aside is repeated, not refused")
  func tornTailSetAsideTwice() throws {
    for call in 1...60 {
      let tested = try StoreUnderTest()
      let job = try #require(try tested.submit())
      tested.disk.damage(SegmentName.of(1)) { bytes in
        bytes.replaceSubrange(3_000..<3_100, with: repeatElement(0xEE, count: 100))
      }
      tested.disk.crash(losingUnsynced: false)
      tested.disk.stopMachine(atCall: call)
      // The last numbers lie behind the end of the recovery.
      try? tested.restartWithoutCrash()
      try tested.restart(losingUnsynced: false)
      #expect(try tested.read(job.id) != nil)
    }
  }

  @Test("a spare with another segment's header is set aside: what is answered later is found by the next start")
  func spareOfAnotherNumber() throws {
    let tested = try StoreUnderTest()
    while try tested.provision() {}
    let spares = tested.disk.names.filter { (SegmentName.number(of: $0) ?? 0) > 1 }
    #expect(spares.count >= 2)
    let header = try #require(tested.disk.contents(spares[1])).prefix(512)
    tested.disk.damage(spares[0]) { $0.replaceSubrange(..<512, with: header) }
    try tested.restart()
    var accepted: [JobID] = []
    for _ in 0..<20 { accepted += try tested.submit([UInt8](repeating: 1, count: 500)).map { [$0.id] } ?? [] }
    #expect(accepted.count == 20)
    try tested.restart(losingUnsynced: true)
    for id in accepted { #expect(try tested.read(id) != nil) }
    #expect(tested.disk.names.contains(SegmentName.torn(2)))
  }

  @Test("no bit of a job's history can change under a running daemon without its reader being told")
  func historyUnderADamagedPage() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    _ = try tested.finish(try #require(try tested.lease()), .released)
    _ = try tested.finish(try #require(try tested.lease()), .failed)
    let whole = try #require(try tested.history(job.id))
    #expect(whole.count == 2)
    let (segment, bytes) = try #require(try tested.historyPlace(job.id))
    var told = 0
    for byte in bytes {
      for bit in 0..<8 {
        tested.disk.flipBit(bit, ofByte: byte, in: SegmentName.of(segment))
        if let read = try tested.history(job.id) { #expect(read == whole) } else { told += 1 }
        tested.disk.flipBit(bit, ofByte: byte, in: SegmentName.of(segment))
      }
    }
    // Outcome, attempt, both times, lengths, checksum: 28 bytes.
    #expect(told >= 28 * 8)
  }

  @Test("segments are removed on the word of the device's HEAD, not of a page whose sync failed")
  func headThatWasNotSynced() throws {
    let tested = try StoreUnderTest()
    let kept = try #require(try tested.submit(queue: "kept"))
    while !tested.isTrimReady {
      _ = try tested.compact()
      try tested.submit([UInt8](repeating: 1, count: 300), retention: 0)
      _ = try tested.finish(try #require(try tested.lease()))
    }
    tested.disk.fail(.sync, errno: EIO, file: SegmentName.head)
    #expect(throws: LogError.self) { try tested.compact() }
    tested.disk.clearFailures()
    try tested.restart(losingUnsynced: false)
    try tested.restart(losingUnsynced: true)
    #expect(try tested.read(kept.id)?.state == .ready)
  }
}
