/// The log as far as it was durable at one moment, for readers on other threads. It keeps the files that it names
/// readable, also when they are trimmed meanwhile: hold one no longer than it is read.
package struct LogTail: Sendable {
  /// A live segment, and how far it is written.
  package struct Part: Sendable {
    let file: SegmentFile
    var usedBytes: Int
  }

  package let log: LogIdentity
  /// From the first to the current one, without gaps; never empty.
  private var parts: [Part]
  /// The sequence of the record that comes next.
  package private(set) var nextSequence: UInt64

  /// On the log's own thread.
  package init(_ log: any Journal) {
    self.log = log.identity
    parts = (log.firstSegment...log.currentSegment).map {
      Part(file: log.pin($0), usedBytes: log.segmentBytes($0))
    }
    nextSequence = log.nextSequence
  }

  package var segments: ClosedRange<UInt32> { parts[0].file.number...parts[parts.count - 1].file.number }

  /// Takes in what was committed since; the segments must be the same. On the log's own thread.
  package mutating func advance(to log: any Journal) {
    parts[parts.count - 1].usedBytes = log.segmentBytes(log.currentSegment)
    nextSequence = log.nextSequence
  }

  /// Nil for one that is not live.
  subscript(_ segment: UInt32) -> Part? {
    segments.contains(segment) ? parts[Int(segment - parts[0].file.number)] : nil
  }

  package var files: [SegmentFile] { parts.map(\.file) }
}

/// Reads frames in the order of the log, up to where it is durable, and goes on when more is.
package final class LogFollower {
  /// A whole frame. The bytes are valid until the next call.
  package struct Frame {
    package let firstSequence: UInt64
    /// Nanoseconds since 1970.
    package let wallTime: Int64
    package let records: FrameRecords
    package let bytes: Int
  }

  private let log: LogIdentity
  private let window: ReadWindow
  private var seeds: ChecksumSeeds
  private var segment: UInt32
  private var offset: Int
  private var isWindowSet = false

  /// Begins with what is written next.
  package convenience init(atEndOf tail: LogTail) {
    let last = tail.segments.upperBound
    self.init(tail.log, segment: last, offset: tail[last]!.usedBytes)
  }

  /// Begins with the frame that holds a record, or with the segment before it.
  ///
  /// - Parameter sequence: Of the record.
  /// - Returns: Nil where it was trimmed.
  package static func at(_ sequence: UInt64, in tail: LogTail) throws(LogError) -> LogFollower? {
    var (low, high) = (tail.segments.lowerBound, tail.segments.upperBound)
    guard try Self.firstSequence(of: low, in: tail) <= sequence else { return nil }
    while low < high {
      let middle = low + (high - low + 1) / 2
      if try Self.firstSequence(of: middle, in: tail) <= sequence { low = middle } else { high = middle - 1 }
    }
    return LogFollower(tail.log, segment: low, offset: LogFormat.segmentHeaderBytes)
  }

  private init(_ log: LogIdentity, segment: UInt32, offset: Int) {
    self.log = log
    self.segment = segment
    self.offset = offset
    seeds = ChecksumSeeds(log: log, segment: segment)
    window = ReadWindow()
  }

  /// The sequence of the oldest record that can be read.
  package static func oldestSequence(in tail: LogTail) throws(LogError) -> UInt64 {
    try firstSequence(of: tail.segments.lowerBound, in: tail)
  }

  private static func firstSequence(of segment: UInt32, in tail: LogTail) throws(LogError) -> UInt64 {
    let part = tail[segment]!
    guard part.usedBytes > LogFormat.segmentHeaderBytes else { return tail.nextSequence }
    return try part.file.firstFrame().firstSequence
  }

  /// The next frame.
  ///
  /// - Returns: Nil at the end of what is durable.
  /// - Throws: `corrupt` where a frame should stand and does not; also where its segment was trimmed (`isTrimmed`).
  package func next(_ tail: LogTail) throws(LogError) -> Frame? {
    while true {
      guard let part = tail[segment] else {
        throw .corrupt(SegmentName.of(segment), at: offset, expected: "a live segment", found: "one that was trimmed")
      }
      guard offset >= part.usedBytes else { return try frame(part) }
      guard segment < tail.segments.upperBound else { return nil }
      segment += 1
      offset = LogFormat.segmentHeaderBytes
      seeds = ChecksumSeeds(log: log, segment: segment)
      isWindowSet = false
    }
  }

  /// Whether what comes next is no longer there.
  package func isTrimmed(in tail: LogTail) -> Bool { segment < tail.segments.lowerBound }

  private func frame(_ part: LogTail.Part) throws(LogError) -> Frame {
    if !isWindowSet { window.look(at: part.file) }
    isWindowSet = true
    // What is not durable yet may be half written, and would be kept as it was.
    window.limit = part.usedBytes
    let head = try window.bytes(at: offset, count: FrameHeader.bytes)
    guard head.count == FrameHeader.bytes, FrameHeader.isMarked(head),
      head.field(4, as: UInt32.self) == FrameHeader.checksum(head, seed: seeds.at(offset))
    else { throw broken(part) }
    let header = FrameHeader(decoding: head)
    let whole = try window.bytes(at: offset, count: header.frameBytes)
    guard whole.count == header.frameBytes else { throw broken(part) }
    let covered = UnsafeRawBufferPointer(rebasing: whole[FrameHeader.bytes...])
    guard Checksum.of(covered, seed: seeds.at(offset + FrameHeader.bytes)) == header.recordsChecksum else {
      throw broken(part)
    }
    let start = RecordPosition(segment: segment, offset: UInt32(offset + FrameHeader.bytes))
    offset += header.frameBytes
    return Frame(
      firstSequence: header.firstSequence, wallTime: header.stamp.wallTime,
      records: FrameRecords(UnsafeRawBufferPointer(rebasing: covered[..<Int(header.recordBytes)]), start: start),
      bytes: header.frameBytes)
  }

  private func broken(_ part: LogTail.Part) -> LogError {
    .corrupt(part.file.name, at: offset, expected: "a frame, as it was written", found: "other bytes")
  }
}

extension SegmentFile {
  /// The header of a segment's first frame; there must be one.
  package func firstFrame() throws(LogError) -> FrameHeader {
    var failure: LogError?
    var header: FrameHeader?
    let at = RecordPosition(segment: number, offset: UInt32(LogFormat.segmentHeaderBytes))
    withUnsafeTemporaryAllocation(byteCount: FrameHeader.bytes, alignment: 8) { buffer in
      do throws(LogError) {
        try read(at, count: FrameHeader.bytes, into: buffer)
        let bytes = UnsafeRawBufferPointer(buffer)
        if FrameHeader.isMarked(bytes) { header = FrameHeader(decoding: bytes) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    guard let header else {
      throw .corrupt(name, at: LogFormat.segmentHeaderBytes, expected: "a frame", found: "other bytes")
    }
    return header
  }
}
