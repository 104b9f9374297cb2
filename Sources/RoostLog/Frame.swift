/// What every frame says about its moment. Times are nanoseconds.
package struct FrameStamp: Hashable, Sendable {
  /// Which life of the daemon wrote it; never falls along the log.
  package var epoch: UInt64
  package var logTime: Int64
  /// `CLOCK_BOOTTIME`.
  package var bootTime: Int64
  /// Since 1970.
  package var wallTime: Int64

  package init(epoch: UInt64, logTime: Int64, bootTime: Int64, wallTime: Int64) {
    self.epoch = epoch
    self.logTime = logTime
    self.bootTime = bootTime
    self.wallTime = wallTime
  }
}

/// Where the next frame's records will stand; known before the first of them is decided.
package struct FrameStart: Hashable, Sendable {
  /// Of the first byte behind the frame's header: the first record's length.
  package var position: RecordPosition
  /// The frame opens a segment, so its first record must be the one that every segment opens with.
  package var startsSegment: Bool
  /// Bytes of records that the segment still holds. A frame may be larger; it then extends the segment.
  package var capacity: Int

  package init(position: RecordPosition, startsSegment: Bool, capacity: Int) {
    self.position = position
    self.startsSegment = startsSegment
    self.capacity = capacity
  }
}

/// A frame as replay hands it over, checked. The bytes are valid during the call only.
package struct ReplayedFrame {
  package var stamp: FrameStamp
  package var firstSequence: UInt64
  package var recordCount: Int
  package var startsSegment: Bool
  /// Of the first record's length.
  package var start: RecordPosition
  /// Records as the caller wrote them: each `UInt32` length, little endian, and that many bytes.
  package var records: UnsafeRawBufferPointer
}

/// The 72 bytes before a frame's records.
///
/// `checksum` covers all that follows it in the header, the records' checksum and the previous frame's among it: the
/// chain over header checksums vouches for every byte of the log.
package struct FrameHeader: Hashable, Sendable {
  package static let bytes = 72
  /// "RFRM" as the bytes stand.
  package static let magic: UInt32 = 0x4D52_4652

  /// CRC32C of bytes 8…71, seeded with the header's place.
  package var checksum: UInt32 = 0
  package var recordBytes: UInt32
  /// CRC32C of records and padding, seeded with the place of the first record.
  package var recordsChecksum: UInt32
  package var segment: UInt32
  package var offset: UInt32
  /// `checksum` of the frame before, in whatever segment; 0 in a log's first.
  package var previousChecksum: UInt32
  package var recordCount: UInt32
  package var stamp: FrameStamp
  /// Of the first record; an empty frame has the next record's.
  package var firstSequence: UInt64

  /// Length of the frame with its padding.
  package var frameBytes: Int { LogFormat.frameBytes(records: Int(recordBytes)) }
  package var nextSequence: UInt64 { firstSequence &+ UInt64(recordCount) }
}

extension FrameHeader {
  static func isMarked(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.field(0, as: UInt32.self) == magic
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
    Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[8..<FrameHeader.bytes]), seed: seed)
  }

  /// Writes the header with its checksum, which it also keeps.
  mutating func encode(into bytes: UnsafeMutableRawBufferPointer, seed: UInt32) {
    bytes.setField(0, FrameHeader.magic)
    bytes.setField(8, recordBytes)
    bytes.setField(12, recordsChecksum)
    bytes.setField(16, segment)
    bytes.setField(20, offset)
    bytes.setField(24, previousChecksum)
    bytes.setField(28, recordCount)
    bytes.setField(32, stamp.epoch)
    bytes.setField(40, firstSequence)
    bytes.setField(48, stamp.logTime)
    bytes.setField(56, stamp.bootTime)
    bytes.setField(64, stamp.wallTime)
    checksum = FrameHeader.checksum(UnsafeRawBufferPointer(bytes), seed: seed)
    bytes.setField(4, checksum)
  }

  /// Reads the fields, believing nothing: the caller compares `checksum` first.
  package init(decoding bytes: UnsafeRawBufferPointer) {
    self.init(
      checksum: bytes.field(4), recordBytes: bytes.field(8), recordsChecksum: bytes.field(12),
      segment: bytes.field(16), offset: bytes.field(20), previousChecksum: bytes.field(24),
      recordCount: bytes.field(28),
      stamp: FrameStamp(
        epoch: bytes.field(32), logTime: bytes.field(48), bootTime: bytes.field(56), wallTime: bytes.field(64)),
      firstSequence: bytes.field(40))
  }
}

/// Walks the records of a frame, checking each length against what is left.
package struct FrameRecords: Sequence, IteratorProtocol {
  private let bytes: UnsafeRawBufferPointer
  private let start: RecordPosition
  private var offset = 0

  package init(_ records: UnsafeRawBufferPointer, start: RecordPosition) {
    bytes = records
    self.start = start
  }

  /// Whether the lengths added up: false after `next` ended before the last byte.
  package var isWhole: Bool { offset == bytes.count }

  /// The next record's place and content; nil at the end or where a length does not fit.
  package mutating func next() -> (position: RecordPosition, content: UnsafeRawBufferPointer)? {
    let content = offset + LogFormat.recordLengthBytes
    guard content <= bytes.count else { return nil }
    let length = Int(bytes.field(offset, as: UInt32.self))
    guard length <= bytes.count - content else { return nil }
    offset = content + length
    return (
      RecordPosition(rawValue: start.rawValue + UInt64(content)),
      UnsafeRawBufferPointer(rebasing: bytes[content..<offset])
    )
  }
}
