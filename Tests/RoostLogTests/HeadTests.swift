import RoostLog
import RoostSimulation
import Testing

/// What `HEAD` and the headers of segments say when their checksums are right, and when a bit of them is not.
@Suite struct HeadTests {
  /// A log of three segments with a spare, stopped in good order.
  private func stopped() throws -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    for number in 0..<12 {
      try log.append([record(number, bytes: 900)])
      while try log.provision() {}
    }
    try log.stop(stamp(9))
    return disk
  }

  /// Changes both slots and puts their checksums right again.
  private func rewrite(_ disk: SimulatedDisk, _ change: (inout [UInt8]) -> Void) {
    disk.damage(SegmentName.head) { bytes in
      for slot in [0, 4096] {
        var record = Array(bytes[slot..<(slot + 108)])
        change(&record)
        let seed = withUnsafeBytes(of: UInt32(slot).littleEndian) { Checksum.of($0) }
        let sum = record[..<104].withUnsafeBytes { Checksum.of($0, seed: seed) }
        put(sum, at: 104, in: &record)
        bytes.replaceSubrange(slot..<(slot + 108), with: record)
      }
    }
  }

  private func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int, in bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<(offset + $0.count), with: $0) }
  }

  @Test("fault 17: a newer major format under a right checksum is refused, in HEAD and in a segment")
  func newer() throws {
    let disk = try stopped()
    rewrite(disk) { $0[8] = 2 }
    #expect(refusal(disk) == .unknownVersion(file: SegmentName.head, major: 2, minor: 0))
    #expect(throws: LogError.self) { try LogSalvage(disk) }

    let other = try stopped()
    other.damage(SegmentName.of(2)) { bytes in
      bytes[8] = 2
      put(bytes[..<60].withUnsafeBytes { Checksum.of($0) }, at: 60, in: &bytes)
    }
    #expect(refusal(other) == .unknownVersion(file: SegmentName.of(2), major: 2, minor: 0))
  }

  @Test(
    "fault 3: a bit flipped in a version is damage, and no newer format: a repair mends one slot of HEAD by the other")
  func versionBit() throws {
    for slot in [0, 4096] {
      let disk = try stopped()
      disk.flipBit(4, ofByte: slot + 8, in: SegmentName.head)
      let inspection = try LogInspector(disk: disk).inspect()
      #expect(inspection.problems.map(\.file) == [SegmentName.head] && inspection.head != nil)
      // No torn write leaves that: a start does not write over what it does not understand.
      let found = try #require(corruption(disk))
      #expect(
        found == Corruption(file: SegmentName.head, offset: slot + 8, expected: found.expected, found: found.found))
      #expect(try HeadMending.find(on: disk) == found)
      try HeadMending.mend(on: disk)
      #expect(try HeadMending.find(on: disk) == nil && LogInspector(disk: disk).inspect().problems.isEmpty)
      #expect(try open(disk).1.count == 12)
    }
    let disk = try stopped()
    for slot in [0, 4096] { disk.flipBit(4, ofByte: slot + 8, in: SegmentName.head) }
    #expect(corruption(disk)?.file == SegmentName.head)
    disk.delete(SegmentName.of(1))
    #expect(try LogSalvage(disk).head == nil)

    let segment = try stopped()
    segment.flipBit(4, ofByte: 8, in: SegmentName.of(2))
    #expect(corruption(segment)?.file == SegmentName.of(2))
    let salvage = try LogSalvage(segment)
    var frames = 0
    try salvage.walk { (_) throws(LogError) in frames += 1 }
    #expect(frames == 12, "what stands behind the header is whole")
  }

  @Test(
    "values in HEAD that no daemon writes are refused, named and bounded, though its checksums are right",
    arguments: [
      ("generation", 32, 8, UInt64.max), ("generation", 32, 8, UInt64.max - 1), ("epoch", 72, 8, UInt64.max),
      ("epoch", 72, 8, 1 << 62), ("sequence", 64, 8, UInt64.max), ("log time", 80, 8, UInt64(Int64.max)),
      ("log time", 80, 8, UInt64.max), ("last segment", 44, 4, UInt64(UInt32.max)),
      ("last segment", 44, 4, 1 << 31 - 1), ("last segment", 44, 4, 0), ("first segment", 40, 4, 0),
      ("first segment", 40, 4, 99), ("synced segment", 48, 4, 99), ("synced segment", 48, 4, 0),
      ("synced end", 52, 4, 0), ("synced end", 52, 4, 511),
    ] as [(String, Int, Int, UInt64)])
  func impossible(what: String, offset: Int, bytes: Int, value: UInt64) throws {
    let disk = try stopped()
    rewrite(disk) { record in
      if bytes == 8 { put(value, at: offset, in: &record) } else { put(UInt32(value), at: offset, in: &record) }
    }
    let found = try #require(corruption(disk))
    #expect(found.file == SegmentName.head && found.offset == offset && found.expected.contains(what), "\(found)")
    let inspection = try LogInspector(disk: disk).inspect()
    #expect(inspection.problems.count == 2 && inspection.head == nil, "two slots")
    #expect(try LogSalvage(disk).numbers.count < 9)
  }

  @Test(
    "an epoch or a log time in HEAD that cannot follow the frame it knows is refused by all, and mended by that frame",
    arguments: [
      ("epoch", 72, 1 << 43), ("epoch", 72, 0), ("log time", 80, 1 << 62 - 1), ("log time", 80, 0),
    ] as [(String, Int, UInt64)])
  func contradicted(what: String, offset: Int, value: UInt64) throws {
    let disk = try stopped()
    rewrite(disk) { put(value, at: offset, in: &$0) }
    let found = try #require(corruption(disk))
    #expect(found.file == SegmentName.head && found.offset % 4096 == offset, "\(found)")
    #expect(found.expected.contains(what), "\(found)")
    #expect(try LogInspector(disk: disk).inspect().problems == [found])
    #expect(throws: LogError.corrupt(found)) { try LogSnapshot(disk).walk { (_) throws(LogError) in } }
    let salvage = try LogSalvage(disk)
    try salvage.walk { (_) throws(LogError) in }
    #expect(salvage.headEpoch == nil && salvage.cuts.isEmpty, "a repair of something else does not go by it")

    try HeadMending.mend(on: disk)
    #expect(try LogInspector(disk: disk).inspect().problems.isEmpty)
    disk.flipBit(0, ofByte: found.offset < 4096 ? 4096 : 0, in: SegmentName.head)
    let (log, entries) = try open(disk)
    #expect(entries.count == 12 && log.lastStamp == stamp(1) && !log.wasCleanlyStopped, "by either slot")
    try log.append([record(1)], stamp: stamp(2))
  }

  @Test("HEAD of a log with frames that covers none of them is damaged")
  func coversNothing() throws {
    let disk = try stopped()
    rewrite(disk) { put(UInt32(512), at: 52, in: &$0) }
    let found = try #require(corruption(disk))
    #expect(found.file == SegmentName.head && found.offset == 56 && found.expected.contains("no frame"), "\(found)")
  }

  @Test("what HEAD says of epochs in a log without a frame fences nobody off")
  func noFrames() throws {
    let disk = SimulatedDisk(seed: 1)
    try open(disk).0.stop(stamp(9))
    rewrite(disk) { put(UInt64(1) << 43, at: 72, in: &$0) }
    #expect(try LogInspector(disk: disk).inspect().problems.isEmpty)
    let (log, _) = try open(disk)
    #expect(log.lastStamp == nil)
    try log.append([record(1)])
  }

  @Test("two billion segments that HEAD names and nobody has are one finding, and one cut")
  func manyMissing() throws {
    let disk = try stopped()
    rewrite(disk) { put(UInt32(2_000_000_000), at: 44, in: &$0) }
    #expect(corruption(disk)?.found == "no such file")
    let problems = try LogInspector(disk: disk).inspect().problems
    #expect(problems.count == 1 && problems[0].found.contains(SegmentName.of(2_000_000_000)))
    let salvage = try LogSalvage(disk)
    try salvage.walk { (_) throws(LogError) in }
    #expect(salvage.cuts.count == 2 && salvage.records == 12, "the spare, and all that should follow it")
  }

  @Test("a file with a number that no segment has is not the log's")
  func hugeNumber() throws {
    let disk = try stopped()
    for number: UInt32 in [.max, 1 << 31 - 1] { disk.place(SegmentName.of(number), disk.contents(SegmentName.of(3))!) }
    #expect(try open(disk).1.count == 12)
    #expect(try LogInspector(disk: disk).inspect().otherFiles.count == 2)
  }

  @Test("a frame that is not whole says how many records it held where its header is")
  func heldRecords() throws {
    let disk = SimulatedDisk(seed: 1)
    do {
      let (log, _) = try open(disk, smallOptions(segmentBytes: 64 << 10))
      try log.append([record(1)])
      try log.append((0..<108).map { record($0) })
      try log.stop(stamp(9))
    }
    disk.flipBit(0, ofByte: 3_000, in: SegmentName.of(1))
    let salvage = try LogSalvage(disk)
    var remains: [[UInt8]] = []
    try salvage.walk { (_) throws(LogError) in
    } remains: { record in
      remains.append(Array(record))
      return true
    }
    #expect(salvage.lostRecords == 108 && salvage.lostAtEnd == 108 && salvage.isCountExact)
    #expect(salvage.cuts.map(\.records) == [108])
    #expect(remains.count == 108 && remains.last == record(107))
  }
}
