/// Reads the live segments in order, hands every frame over and judges the end.
struct LogWalk {
  private let head: HeadReading
  private let window: ReadWindow
  /// A daemon may be appending to the last segment right now.
  private let isBeingWritten: Bool
  private let ignoresStamp: Bool
  private let defects: Set<LogDefect>
  private(set) var chain: FrameChain
  private(set) var segments: [SegmentedLog.OpenSegment] = []
  private(set) var torn: TornTail?
  /// The last frame that `HEAD` knows.
  private(set) var known: FrameHeader?

  /// - Parameter ignoresStamp: What `HEAD` says of epoch and times is not compared.
  init(
    head: HeadReading, window: ReadWindow, isBeingWritten: Bool = false, ignoresStamp: Bool = false,
    defects: Set<LogDefect> = []
  ) {
    self.head = head
    self.window = window
    self.isBeingWritten = isBeingWritten
    self.ignoresStamp = ignoresStamp
    self.defects = defects
    chain = FrameChain(defects: defects)
  }

  private var record: HeadRecord { head.record }

  /// Whether the last frame is the one that `HEAD` knows.
  var endsWhereHeadSays: Bool {
    guard let last = chain.last else { return record.nextSequence == 0 }
    return last.segment == record.syncedSegment && last.offset + UInt32(last.frameBytes) == record.syncedEnd
  }

  mutating func walk(
    _ file: SegmentFile, isLast: Bool, replay: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) {
    let reader = try SegmentReader(file, log: record.log, window: window, defects: defects)
    var offset = LogFormat.segmentHeaderBytes
    scan: while true {
      switch try reader.finding(at: offset) {
      case .end: break scan
      case .invalid(let corruption):
        if isLast, try head.isTornTail(at: offset, in: reader) {
          try noteTail(corruption, at: offset, in: reader)
          break scan
        }
        // What follows it was written after it was whole: looked at again, a frame that was just being written is.
        guard isBeingWritten, isLast, try reader.isWholeNow(at: offset) else { throw .corrupt(corruption) }
      case .frame(let header, let records):
        if let corruption = chain.accept(header, file: file.name) { throw .corrupt(corruption) }
        try replay(
          ReplayedFrame(
            stamp: header.stamp, firstSequence: header.firstSequence, recordCount: Int(header.recordCount),
            startsSegment: offset == LogFormat.segmentHeaderBytes,
            start: RecordPosition(segment: file.number, offset: UInt32(offset + FrameHeader.bytes)),
            records: records))
        offset += header.frameBytes
        try compareWithHead(header, end: offset, file: file)
      }
    }
    try checkEnd(offset, of: file, isLast: isLast)
    segments.append(.init(file: file, usedBytes: offset, fileBytes: reader.fileBytes))
  }

  private mutating func noteTail(
    _ corruption: Corruption, at offset: Int, in reader: SegmentReader
  ) throws(LogError) {
    guard let end = try reader.lastUsedByte(from: offset) else { return }
    torn = TornTail(segment: reader.number, offset: offset, bytes: end - offset, reason: corruption)
  }

  /// `HEAD` knows the end, the sequence and the checksum of one frame; the log must have that very frame, and `HEAD` a
  /// stamp that can follow it.
  private mutating func compareWithHead(_ header: FrameHeader, end: Int, file: SegmentFile) throws(LogError) {
    guard file.number == record.syncedSegment, Int(header.offset) < Int(record.syncedEnd),
      !defects.contains(.headNotCompared)
    else { return }
    guard end >= Int(record.syncedEnd) else { return }
    guard record.names(header) else {
      throw .corrupt(
        file.name, at: Int(header.offset),
        expected: "the frame that HEAD knows: end \(record.syncedEnd), checksum \(hexadecimal(record.syncedChecksum)), "
          + "next sequence \(record.nextSequence)",
        found: "end \(end), checksum \(hexadecimal(header.checksum)), next sequence \(header.nextSequence)")
    }
    known = header
    if !ignoresStamp, let corruption = head.contradiction(with: header) { throw .corrupt(corruption) }
  }

  private func checkEnd(_ end: Int, of file: SegmentFile, isLast: Bool) throws(LogError) {
    if file.number == record.syncedSegment, end < Int(record.syncedEnd), !defects.contains(.headNotCompared) {
      throw .corrupt(
        file.name, at: end, expected: "frames up to byte \(record.syncedEnd), which HEAD knows to be durable",
        found: "the end of the log")
    }
    if !isLast, end == LogFormat.segmentHeaderBytes {
      throw .corrupt(file.name, at: end, expected: "a frame, as later segments follow", found: "none")
    }
  }
}
