/// What `HEAD` says: which segments the log has, and up to where it was once known to be durable.
///
/// A lower bound: frames may stand beyond it, never short of it.
package struct HeadRecord: Hashable, Sendable {
  package var log: LogIdentity
  /// Of two valid slots the one with the higher generation counts.
  package var generation: UInt64 = 0
  package var firstSegment: UInt32 = 1
  package var lastSegment: UInt32 = 1
  /// The end of the last frame known to be durable.
  package var syncedSegment: UInt32 = 1
  package var syncedEnd: UInt32 = UInt32(LogFormat.segmentHeaderBytes)
  /// Header checksum of that frame, and the sequence after it.
  package var syncedChecksum: UInt32 = 0
  package var nextSequence: UInt64 = 0
  /// The daemon stopped in good order, with nothing behind the synced end.
  package var cleanlyStopped = false
  /// Of the last frame, or of the clean stop.
  package var stamp = FrameStamp(epoch: 0, logTime: 0, bootTime: 0, wallTime: 0)

  /// "ROOSTHED" as the bytes stand.
  package static let magic: UInt64 = 0x4445_4854_534F_4F52
  package static let bytes = 108
  static let versionOffset = 8
  private static let epochOffset = 72
  private static let logTimeOffset = 80
  private static let checksumOffset = 104

  /// Writes the record with a checksum that is seeded with the slot's offset in the file.
  func encode(into bytes: UnsafeMutableRawBufferPointer, slotOffset: Int) {
    bytes.setField(0, HeadRecord.magic)
    bytes.setField(8, LogFormat.major)
    bytes.setField(10, LogFormat.minor)
    bytes.setField(12, UInt32(cleanlyStopped ? 1 : 0))
    bytes.setField(16, log.low)
    bytes.setField(24, log.high)
    bytes.setField(32, generation)
    bytes.setField(40, firstSegment)
    bytes.setField(44, lastSegment)
    bytes.setField(48, syncedSegment)
    bytes.setField(52, syncedEnd)
    bytes.setField(56, syncedChecksum)
    bytes.setField(60, UInt32(0))
    bytes.setField(64, nextSequence)
    bytes.setField(72, stamp.epoch)
    bytes.setField(80, stamp.logTime)
    bytes.setField(88, stamp.bootTime)
    bytes.setField(96, stamp.wallTime)
    bytes.setField(
      HeadRecord.checksumOffset, HeadRecord.checksum(UnsafeRawBufferPointer(bytes), slotOffset: slotOffset))
  }

  /// Reads and checks a slot.
  init(decoding bytes: UnsafeRawBufferPointer, slotOffset: Int) throws(LogError) {
    guard bytes.count >= HeadRecord.bytes else {
      throw .corrupt(
        SegmentName.head, at: slotOffset, expected: "a slot of \(HeadRecord.bytes) bytes", found: "the file's end")
    }
    let magic = bytes.field(0, as: UInt64.self)
    guard magic == HeadRecord.magic else {
      throw .corrupt(
        SegmentName.head, at: slotOffset, expected: "the magic ROOSTHED",
        found: "bytes \(hexadecimal(magic.byteSwapped))")
    }
    let stored = bytes.field(HeadRecord.checksumOffset, as: UInt32.self)
    let actual = HeadRecord.checksum(bytes, slotOffset: slotOffset)
    // Before the version, as every format has it in this place: a flipped bit is no newer release.
    let major = bytes.field(8, as: UInt16.self)
    guard stored == actual else {
      guard major == LogFormat.major else {
        throw .corrupt(
          SegmentName.head, at: slotOffset + HeadRecord.versionOffset,
          expected: "format \(LogFormat.major), or another under a right checksum",
          found: "format \(major) and checksum \(hexadecimal(stored))")
      }
      throw .corrupt(
        SegmentName.head, at: slotOffset + HeadRecord.checksumOffset,
        expected: "slot checksum \(hexadecimal(actual))", found: hexadecimal(stored))
    }
    guard major == LogFormat.major else {
      throw .unknownVersion(file: SegmentName.head, major: major, minor: bytes.field(10))
    }
    self.init(
      log: LogIdentity(bytes.field(16), bytes.field(24)), generation: bytes.field(32),
      firstSegment: bytes.field(40), lastSegment: bytes.field(44), syncedSegment: bytes.field(48),
      syncedEnd: bytes.field(52), syncedChecksum: bytes.field(56), nextSequence: bytes.field(64),
      cleanlyStopped: bytes.field(12, as: UInt32.self) & 1 == 1,
      stamp: FrameStamp(
        epoch: bytes.field(72), logTime: bytes.field(80), bootTime: bytes.field(88), wallTime: bytes.field(96)))
    try checkFields(slotOffset: slotOffset)
  }

  /// Whether a daemon can have written this: what is counted on from here must not overflow, nor lead to files that no log
  /// has.
  private func checkFields(slotOffset: Int) throws(LogError) {
    func require<Value: BinaryInteger>(
      _ value: Value, in range: ClosedRange<Value>, _ what: String, at offset: Int
    ) throws(LogError) {
      guard !range.contains(value) else { return }
      throw .corrupt(
        SegmentName.head, at: slotOffset + offset, expected: "\(what) from \(range.lowerBound) to \(range.upperBound)",
        found: "\(value)")
    }
    try require(generation, in: 0...LogFormat.mostCounted, "a generation", at: 32)
    try require(lastSegment, in: 1...LogFormat.mostSegments, "a last segment", at: 44)
    try require(firstSegment, in: 1...lastSegment, "a first segment", at: 40)
    try require(syncedSegment, in: firstSegment...lastSegment, "a synced segment", at: 48)
    let header = UInt32(LogFormat.segmentHeaderBytes)
    try require(syncedEnd, in: header...(.max), "a synced end", at: 52)
    if syncedEnd == header {
      // Only a log without a frame: with one, this would cover nothing.
      try require(syncedChecksum, in: 0...0, "a checksum of no frame", at: 56)
      try require(nextSequence, in: 0...0, "a sequence without a frame", at: 64)
    }
    try require(nextSequence, in: 0...LogFormat.mostCounted, "a sequence", at: 64)
    try require(stamp.epoch, in: 0...LogFormat.mostCounted, "an epoch", at: HeadRecord.epochOffset)
    try require(stamp.logTime, in: 0...(.max / 2), "a log time", at: HeadRecord.logTimeOffset)
  }

  /// Whether this is the frame that is known to be durable.
  func names(_ frame: FrameHeader) -> Bool {
    frame.segment == syncedSegment && Int(frame.offset) + frame.frameBytes == Int(syncedEnd)
      && frame.checksum == syncedChecksum && frame.nextSequence == nextSequence
  }

  /// Why the stamp cannot follow the frame that is known; nil where it can.
  ///
  /// The stamp is that frame's, or a clean stop's behind it: of the same life of the daemon, and not earlier. An epoch
  /// from nowhere would fence off every daemon, a log time from nowhere would be gone on from.
  func contradiction(with frame: FrameHeader, slotOffset: Int) -> Corruption? {
    guard stamp.epoch == frame.stamp.epoch else {
      return Corruption(
        file: SegmentName.head, offset: slotOffset + HeadRecord.epochOffset,
        expected: "epoch \(frame.stamp.epoch), as in the last frame that HEAD knows", found: "\(stamp.epoch)")
    }
    // A frame beyond the latest time is told of as such.
    let latest = max(LogFormat.latestLogTime, frame.stamp.logTime)
    guard (frame.stamp.logTime...latest).contains(stamp.logTime) else {
      return Corruption(
        file: SegmentName.head, offset: slotOffset + HeadRecord.logTimeOffset,
        expected: "a log time from \(frame.stamp.logTime), that of the last frame that HEAD knows, to \(latest)",
        found: "\(stamp.logTime)")
    }
    return nil
  }

  package init(
    log: LogIdentity, generation: UInt64 = 0, firstSegment: UInt32 = 1, lastSegment: UInt32 = 1,
    syncedSegment: UInt32 = 1, syncedEnd: UInt32 = UInt32(LogFormat.segmentHeaderBytes), syncedChecksum: UInt32 = 0,
    nextSequence: UInt64 = 0, cleanlyStopped: Bool = false,
    stamp: FrameStamp = FrameStamp(epoch: 0, logTime: 0, bootTime: 0, wallTime: 0)
  ) {
    self.log = log
    self.generation = generation
    self.firstSegment = firstSegment
    self.lastSegment = lastSegment
    self.syncedSegment = syncedSegment
    self.syncedEnd = syncedEnd
    self.syncedChecksum = syncedChecksum
    self.nextSequence = nextSequence
    self.cleanlyStopped = cleanlyStopped
    self.stamp = stamp
  }

  private static func checksum(_ bytes: UnsafeRawBufferPointer, slotOffset: Int) -> UInt32 {
    let seed = withUnsafeBytes(of: UInt32(slotOffset).littleEndian) { Checksum.of($0) }
    return Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<checksumOffset]), seed: seed)
  }
}

/// What a slot turned out to hold: the record, or why there is none.
package typealias HeadSlot = Result<HeadRecord, LogError>

/// The two slots of `HEAD`, in different 4 KiB blocks and written in turn, so that one always survives a torn write.
struct HeadFile {
  static let slotSpacing = 4096
  static let fileBytes = 2 * slotSpacing

  let file: DiskFile
  let disk: any Disk
  /// What counts now.
  private(set) var current: HeadRecord
  private var nextSlot: Int

  /// Makes `HEAD` with both slots alike: under another name first, so that it is whole once it has its own.
  static func create(_ record: HeadRecord, on disk: any Disk) throws(LogError) -> HeadFile {
    let unfinished = SegmentName.head + SegmentName.unfinishedSuffix
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: fileBytes, alignment: 8)
    defer { bytes.deallocate() }
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    for slot in [0, slotSpacing] {
      record.encode(into: UnsafeMutableRawBufferPointer(rebasing: bytes[slot...]), slotOffset: slot)
    }
    let file = try onDisk { () throws(DiskError) in
      let file = try disk.open(unfinished, create: true)
      do throws(DiskError) {
        try disk.write(file, UnsafeRawBufferPointer(bytes), at: 0)
        try disk.sync(file)
        try disk.rename(unfinished, to: SegmentName.head)
        try disk.syncDirectory()
      } catch {
        disk.close(file)
        throw error
      }
      return DiskFile(descriptor: file.descriptor, name: SegmentName.head)
    }
    return HeadFile(file: file, disk: disk, current: record, nextSlot: 0)
  }

  /// Reads both slots as they are.
  static func slots(of file: DiskFile, on disk: any Disk) throws(LogError) -> [HeadSlot] {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: fileBytes, alignment: 8)
    defer { bytes.deallocate() }
    let filled = try fill(bytes, from: file, at: 0, on: disk)
    var slots: [HeadSlot] = []
    for offset in [0, slotSpacing] {
      let slot = UnsafeRawBufferPointer(
        rebasing: bytes[min(offset, filled)..<min(offset + HeadRecord.bytes, filled)])
      do throws(LogError) {
        slots.append(.success(try HeadRecord(decoding: slot, slotOffset: offset)))
      } catch {
        slots.append(.failure(error))
      }
    }
    return slots
  }

  /// The record that counts.
  ///
  /// - Throws: `unknownVersion` if a slot is of a newer format, `corrupt` if neither slot is whole.
  static func newest(of slots: [HeadSlot]) throws(LogError) -> (record: HeadRecord, slot: Int) {
    var best: (record: HeadRecord, slot: Int)?
    for (index, slot) in slots.enumerated() {
      switch slot {
      case .success(let record):
        if best.map({ record.generation > $0.record.generation }) ?? true { best = (record, index) }
      case .failure(.unknownVersion(let file, let major, let minor)):
        throw .unknownVersion(file: file, major: major, minor: minor)
      case .failure: continue
      }
    }
    if let best { return best }
    if case .failure(let reason) = slots[0] { throw reason }
    preconditionFailure("two slots, neither whole nor damaged")
  }

  /// Takes over an existing file; the next write goes to the slot that does not count.
  static func adopt(_ file: DiskFile, slots: [HeadSlot], on disk: any Disk) throws(LogError) -> HeadFile {
    let (record, slot) = try newest(of: slots)
    return HeadFile(file: file, disk: disk, current: record, nextSlot: 1 - slot)
  }

  /// Durably replaces the older slot. On return the record counts.
  mutating func write(_ record: HeadRecord) throws(LogError) {
    var next = record
    next.generation = current.generation + 1
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: HeadRecord.bytes, alignment: 8)
    defer { bytes.deallocate() }
    let offset = nextSlot * HeadFile.slotSpacing
    next.encode(into: bytes, slotOffset: offset)
    let disk = self.disk
    let file = self.file
    try onDisk { () throws(DiskError) in
      try disk.write(file, UnsafeRawBufferPointer(bytes), at: offset)
      try disk.sync(file)
    }
    current = next
    nextSlot = 1 - nextSlot
  }
}
