import Glibc
import RoostLog
import RoostSimulation
import Testing

@Suite struct RoundTripTests {
  @Test("a new log is new, and what is appended comes back in order")
  func roundTrip() throws {
    let disk = SimulatedDisk(seed: 1)
    var written: [Entry] = []
    do {
      let (log, entries) = try open(disk)
      #expect(log.isNew && entries.isEmpty && log.lastStamp == nil && !log.wasCleanlyStopped)
      for number in 0..<50 {
        let records = (0..<(number % 4)).map { record(number + $0, bytes: number * 3 + $0) }
        written.append(Entry(sequence: log.nextSequence, records: records))
        try log.append(records, stamp: stamp(Int64(number)))
      }
    }
    let (log, entries) = try open(disk)
    #expect(entries == written)
    #expect(!log.isNew)
    #expect(log.lastStamp == stamp(49))
    #expect(log.nextSequence == UInt64(written.reduce(0) { $0 + $1.records.count }))
    #expect(log.currentSegment > 1)
    #expect(log.totalBytes == (1...log.currentSegment).reduce(0) { $0 + UInt64(log.segmentBytes($1)) })
  }

  @Test("the first frame of every segment is announced as such, with the place of its records")
  func startsSegment() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    var seen: Set<UInt32> = []
    for number in 0..<40 {
      let start = try log.append([record(number, bytes: 500)])
      #expect(start.startsSegment == seen.insert(start.position.segment).inserted)
      let position = RecordPosition(rawValue: start.position.rawValue + 4)
      let file = log.pin(position.segment)
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 500, alignment: 8)
      defer { buffer.deallocate() }
      try file.read(position, count: 500, into: buffer)
      #expect(Array(buffer) == record(number, bytes: 500))
      #expect(file.readIfCached(position, count: 500, into: buffer))
    }
    #expect(seen.count >= 5)
  }

  @Test("a clean stop is known at the next start, and only until something is appended")
  func cleanStop() throws {
    let disk = SimulatedDisk(seed: 1)
    do {
      let (log, _) = try open(disk)
      try log.append([record(1)], stamp: stamp(10))
      try log.stop(stamp(20))
      #expect(throws: LogError.self) { try log.append([record(2)]) }
    }
    do {
      let (log, _) = try open(disk)
      #expect(log.wasCleanlyStopped)
      #expect(log.lastStamp == stamp(20))
      try log.append([record(2)], stamp: stamp(30))
    }
    let (log, entries) = try open(disk)
    #expect(!log.wasCleanlyStopped)
    #expect(log.lastStamp == stamp(30))
    #expect(entries.count == 2)
  }

  @Test("a frame larger than a segment extends it, and the next one begins a new segment")
  func outgrows() throws {
    let disk = SimulatedDisk(seed: 1)
    do {
      let (log, _) = try open(disk)
      try log.append([record(1)])
      let start = try log.append([record(2, bytes: 20_000)])
      #expect(start.startsSegment && start.position.segment == 2)
      #expect(log.segmentBytes(2) > 20_000)
      #expect(try log.append([record(3)]).position.segment == 3)
    }
    #expect(try open(disk).1.map { $0.records[0].count } == [100, 20_000, 100])
  }

  @Test("a frame above the limit is refused and leaves the log usable")
  func tooLarge() throws {
    let (log, _) = try open(SimulatedDisk(seed: 1))
    #expect(throws: LogError.frameTooLarge(bytes: LogFormatProbe.frame(2 << 20), limit: 1 << 20)) {
      try log.append([record(1, bytes: 2 << 20)])
    }
    try log.append([record(1)])
  }

  @Test("an older epoch is fenced, and the log goes on for the newer one")
  func fenced() throws {
    let (log, _) = try open(SimulatedDisk(seed: 1))
    try log.append([record(1)], stamp: stamp(1, epoch: 5))
    #expect(throws: LogError.fenced(epoch: 4, by: 5)) { try log.append([record(2)], stamp: stamp(2, epoch: 4)) }
    #expect(throws: LogError.fenced(epoch: 4, by: 5)) { try log.stop(stamp(2, epoch: 4)) }
    try log.append([record(2)], stamp: stamp(2, epoch: 5))
  }

  @Test("a pinned segment stays readable after it was trimmed")
  func pinned() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    let start = try log.append([record(1)])
    let pin = log.pin(1)
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    try log.trim(before: 3)
    #expect(log.firstSegment == 3)
    #expect(disk.names.contains(SegmentName.of(1)) && log.space.trimmedSegments == 2)
    while try log.provision() {}
    // The pinned one waits for its reader.
    #expect(!disk.names.contains(SegmentName.of(1)) && log.space.trimmedSegments == 1)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 8)
    defer { buffer.deallocate() }
    try pin.read(RecordPosition(rawValue: start.position.rawValue + 4), count: 100, into: buffer)
    #expect(Array(buffer) == record(1))
  }

  @Test("the blocks of a trimmed segment become free piece by piece, once nobody reads it")
  func shrinking() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    try log.append([record(1)])
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    while try log.provision() {}
    var pin: SegmentFile? = log.pin(1)
    try log.trim(before: 2)
    while try log.provision() {}
    let pinned = disk.usedBytes
    #expect(pin?.number == 1 && log.space.trimmedSegments == 1)
    pin = nil
    var sizes: [Int] = []
    while try log.provision() { sizes.append(pinned - disk.usedBytes) }
    #expect(sizes == [1024, 2048, 3072, 4096] && log.space.trimmedSegments == 0)
  }

  @Test(
    "a trimmed segment that a backup links, or another process has open, is not shortened", arguments: [true, false])
  func readElsewhere(isLinked: Bool) throws {
    let (directory, backup) = (TemporaryDirectory(), TemporaryDirectory())
    let (log, _) = try open(LinuxDisk(directory: directory.path, create: false))
    try log.append([record(1)])
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    let name = SegmentName.of(1)
    let (own, target) = (
      try LinuxDisk(inspecting: directory.path), try LinuxDisk(directory: backup.path, create: false)
    )
    if isLinked { #expect(target.link(name, from: own)) }
    let reader = isLinked ? nil : try own.open(name, create: false)
    try log.trim(before: 2)
    while try log.provision() {}
    #expect(try !own.list().contains(name))
    #expect(log.space.trimmedSegments == 0)
    let kept = try reader ?? target.open(name, create: false)
    defer { own.close(kept) }
    #expect(try own.size(kept) == 4096)
  }

  @Test("a trimmed log replays from its first segment, and files before it are removed after replay")
  func trimmed() throws {
    let disk = SimulatedDisk(seed: 1)
    let first: [UInt8]?
    do {
      let (log, _) = try open(disk)
      while log.currentSegment < 4 { try log.append([record(2, bytes: 900)]) }
      first = disk.contents(SegmentName.of(1))
      try log.trim(before: 3)
    }
    disk.place(SegmentName.of(1), first ?? [])
    let (log, entries) = try open(disk)
    #expect(log.firstSegment == 3)
    #expect(entries.first?.sequence == 6)
    #expect(!disk.names.contains(SegmentName.of(1)))
  }

  @Test("spares are made piece by piece, taken in order and counted as the reserve")
  func spares() throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk, smallOptions(spares: 2))
    #expect(log.space == SpaceState(spareBytes: 0, targetBytes: 3 * 4096, lastProvisionFailedForSpace: false))
    var pieces = 0
    while try log.provision() { pieces += 1 }
    #expect(pieces == 6)
    #expect(log.space.spareBytes == 3 * 4096)
    log.provisioner.setRunningReserve(bytes: 4097)
    while try log.provision() {}
    #expect(log.space.spareBytes == 5 * 4096)
    log.provisioner.setRunningReserve(bytes: 0)
    while try log.provision() {}
    #expect(log.space.spareBytes == 4 * 4096)
    let calls = disk.callCount
    while log.currentSegment == 1 { try log.append([record(2, bytes: 900)]) }
    #expect(log.space.spareBytes == 3 * 4096)
    // Four appends of a write and a sync, and for the roll a size and HEAD's write and sync: nothing was made.
    #expect(disk.callCount - calls == 4 * 2 + 3)
  }

  @Test(
    "segments double while they fill within moments, up to the bound; slow ones, and those of a disk with little room, stay small",
    arguments: ["fast", "slow", "no room"])
  func growth(_ pace: String) throws {
    let disk = SimulatedDisk(seed: 1)
    var options = smallOptions(segmentBytes: 16 << 10, spares: 2)
    options.firstSegmentBytes = 4_096
    let (log, _) = try open(disk, options)
    while try log.provision() {}
    if pace == "no room" { disk.capacityBytes = disk.usedBytes + 11 * 4_096 }
    var moment: Int64 = 1
    while log.currentSegment < 12 {
      moment += pace == "slow" ? 3_000_000_000 : 1
      try log.append([record(2, bytes: 900)], stamp: stamp(moment))
      while try log.provision() {}
      if log.currentSegment > 2 { try log.trim(before: log.currentSegment - 1) }
    }
    let last = try #require(disk.contents(SegmentName.of(log.currentSegment))).count
    #expect(last == (pace == "fast" ? 16 << 10 : 4_096))
    #expect(log.segmentBytes == last && log.space.spareBytes == 3 * last)
    try log.stop(stamp(moment))
    let (again, _) = try open(disk, options)
    while try again.provision() {}
    #expect(again.segmentBytes == last && again.space.spareBytes == 3 * last)
  }

  @Test("spares found at a start are used again; a dirty one is set aside")
  func dirtySpare() throws {
    let disk = SimulatedDisk(seed: 1)
    do {
      let (log, _) = try open(disk, smallOptions(spares: 1))
      try log.append([record(1)])
      while try log.provision() {}
    }
    disk.damage(SegmentName.of(2)) { $0[3000] = 1 }
    let (log, _) = try open(disk, smallOptions(spares: 1))
    while log.currentSegment < 3 { try log.append([record(2, bytes: 900)]) }
    #expect(disk.names.contains(SegmentName.torn(2)))
    #expect(disk.contents(SegmentName.of(2))?[3000...].count == 1096)
  }
}

/// Frame sizes as the format document gives them.
enum LogFormatProbe {
  /// Bytes of a frame with one record of this size.
  static func frame(_ record: Int) -> Int { (72 + 4 + record + 7) / 8 * 8 }
}
