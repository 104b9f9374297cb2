/// Reads one segment of a running log frame by frame, for compaction; every frame is checked again.
package final class FrameCursor {
  private let reader: SegmentReader
  private let file: String
  private let end: Int
  private var offset = LogFormat.segmentHeaderBytes

  /// - Parameters:
  ///   - segment: A pinned segment that is not written any more.
  ///   - end: Where its last frame ends; `SegmentedLog.segmentBytes`.
  package init(_ segment: SegmentFile, log: LogIdentity, end: Int) throws(LogError) {
    reader = try SegmentReader(segment, log: log, window: ReadWindow())
    file = segment.name
    self.end = end
  }

  /// The next frame: the place of its first length prefix, and its records, valid until the next call.
  ///
  /// - Returns: Nil at the end.
  /// - Throws: `corrupt` where a frame should stand and does not.
  package func next() throws(LogError) -> (start: RecordPosition, records: UnsafeRawBufferPointer)? {
    guard offset < end else { return nil }
    switch try reader.finding(at: offset) {
    case .frame(let header, let records):
      let start = RecordPosition(segment: reader.number, offset: UInt32(offset + FrameHeader.bytes))
      offset += header.frameBytes
      return (start, records)
    case .end:
      throw .corrupt(file, at: offset, expected: "a frame, as the segment ends at byte \(end)", found: "zeros")
    case .invalid(let corruption):
      throw .corrupt(corruption)
    }
  }
}
