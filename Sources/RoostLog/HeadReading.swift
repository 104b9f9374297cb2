/// What a reading of `HEAD` tells of a log's end, and with it the one rule by which a tail that was never answered is told
/// from damage: starts, inspections, backups and repairs all go by it.
struct HeadReading {
  let record: HeadRecord
  /// Where in the file it stands.
  private let slotOffset: Int
  /// Whether both slots were read. A slot lies within a sector, so that no crash damages one: the one that is lost may
  /// have known more than this.
  let isWhole: Bool
  /// A slot with another format's version under a wrong checksum. No torn write leaves that: it is not written over by a
  /// start.
  let isNotUnderstood: Corruption?
  private let defects: Set<LogDefect>

  /// - Throws: `unknownVersion` if a slot is of a newer format, `corrupt` if neither is whole.
  init(_ slots: [HeadSlot], defects: Set<LogDefect> = []) throws(LogError) {
    let newest = try HeadFile.newest(of: slots)
    record = newest.record
    slotOffset = newest.slot * HeadFile.slotSpacing
    isWhole = slots.allSatisfy { if case .success = $0 { true } else { false } }
    isNotUnderstood =
      slots.lazy.compactMap { slot in
        guard case .failure(.corrupt(let corruption)) = slot,
          corruption.offset % HeadFile.slotSpacing == HeadRecord.versionOffset
        else { return nil }
        return corruption
      }.first
    self.defects = defects
  }

  /// Why the stamp in `HEAD` cannot be right, if this is the frame that `HEAD` knows; nil for any other.
  func contradiction(with frame: FrameHeader) -> Corruption? {
    guard record.names(frame), !defects.contains(.headNotCompared) else { return nil }
    return record.contradiction(with: frame, slotOffset: slotOffset)
  }

  /// Whether a segment behind the last that is named here belongs to the log. `HEAD` names a segment before any frame is
  /// begun in it: if a slot is lost, whatever stands there is a trace of one.
  func isInUse(_ reader: SegmentReader) throws(LogError) -> Bool {
    guard isWhole else { return try reader.lastUsedByte(from: LogFormat.segmentHeaderBytes) != nil }
    if case .frame = try reader.finding(at: LogFormat.segmentHeaderBytes) { return true }
    return false
  }

  /// Whether what stands at an offset of the last segment, and is no frame, was never answered; everything else was, or
  /// may have been.
  func isTornTail(at offset: Int, in reader: SegmentReader) throws(LogError) -> Bool {
    let isCovered =
      record.syncedSegment == reader.number && Int(record.syncedEnd) > offset && !defects.contains(.headNotCompared)
    guard isWhole, !isCovered, try reader.nextHeader(after: offset) == nil else { return false }
    // A frame is written when the one before it is durable: what stands behind a frame's end says that it was whole.
    guard let end = try reader.statedEnd(at: offset) else { return true }
    return try reader.lastUsedByte(from: end) == nil
  }
}
