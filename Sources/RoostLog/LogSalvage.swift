/// Reads of a damaged log what is whole, and says exactly what is not. Changes nothing.
///
/// A frame counts when its own checksums hold, at its place, in this log, and it does not belong to another past: its
/// sequence and epoch must not lie before those of the frame read last. What lies between two such frames is a cut; the
/// sequences on either side say how many records it took.
package final class LogSalvage {
  package let identity: LogIdentity
  /// What of `HEAD` could be read; nil when nothing could.
  package let head: HeadRecord?
  /// From the first to the last segment that the log has or had.
  package let numbers: ClosedRange<UInt32>
  /// The largest length that segments were made with, bytes.
  package let segmentBytes: Int
  package private(set) var cuts: [Cut] = []
  /// Frames and records that are whole.
  package private(set) var frames = 0
  package private(set) var records = 0
  /// Records that are not, as far as sequences tell.
  package private(set) var lostRecords: UInt64 = 0
  /// Those of them that stood behind the last whole frame: what they were, nothing tells.
  package private(set) var lostAtEnd: UInt64 = 0
  /// Whether `lostRecords` is all that was lost, and not only what is known.
  package private(set) var isCountExact = true
  /// The last frame that is whole.
  package private(set) var last: FrameHeader?

  private let files: [UInt32: SegmentFile]
  /// Where whole frames stand, segment by segment, in order.
  private var whole: [UInt32: [Range<Int>]] = [:]

  /// A part of the log that cannot be read.
  package struct Cut: Sendable, Hashable {
    package var file: String
    package var offset: Int
    /// 0 for a file that is missing.
    package var bytes: Int
    package var reason: String
    /// Records that stood there and in the cuts right before, from the sequences around; nil when nothing tells.
    package var records: UInt64?
    /// Never answered: as at any start after a crash, nothing is lost by it.
    package var isTornTail = false
  }

  /// Opens all that is there.
  ///
  /// - Throws: `unknownVersion`, `io`, and `corrupt` where nothing says any more which log it is.
  package init(_ disk: any Disk) throws(LogError) {
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    var head: HeadRecord?
    if names.contains(SegmentName.head) {
      let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
      defer { disk.close(file) }
      do throws(LogError) {
        head = try HeadFile.newest(of: try HeadFile.slots(of: file, on: disk)).record
      } catch LogError.corrupt(let corruption) {
        cuts.append(Cut(file: SegmentName.head, offset: corruption.offset, bytes: 0, reason: corruption.finding))
      }
    } else {
      cuts.append(Cut(file: SegmentName.head, offset: 0, bytes: 0, reason: "HEAD is missing"))
    }
    var files: [UInt32: SegmentFile] = [:]
    var headers: [SegmentHeader] = []
    for number in names.compactMap(SegmentName.number(of:)).sorted() {
      let opened = try onDisk { () throws(DiskError) in try disk.open(SegmentName.of(number), create: false) }
      files[number] = SegmentFile(number: number, file: opened, disk: disk)
      do throws(LogError) {
        headers.append(try SegmentHeader.read(opened, on: disk))
      } catch LogError.corrupt {}
    }
    let counts = Dictionary(grouping: headers, by: \.log).mapValues(\.count)
    let common = counts.max { ($0.value, $0.key.low) < ($1.value, $1.key.low) }?.key
    guard let identity = head?.log ?? common else {
      throw .corrupt(
        SegmentName.head, at: 0, expected: "HEAD or a segment that says which log it is", found: "none")
    }
    self.identity = identity
    self.head = head
    self.files = files
    segmentBytes = headers.filter { $0.log == identity }.map { Int($0.bytes) }.max() ?? 64 << 20
    let window = ReadWindow()
    var lastUsed: UInt32 = 0
    for (number, file) in files where number > head?.lastSegment ?? 0 {
      let reader = try SegmentReader(file, log: identity, window: window)
      // Not only at its beginning: that may be what is damaged.
      if case .frame = try reader.finding(at: LogFormat.segmentHeaderBytes) {
        lastUsed = max(lastUsed, number)
      } else if try reader.nextHeader(after: LogFormat.segmentHeaderBytes) != nil {
        lastUsed = max(lastUsed, number)
      }
    }
    let first = head?.firstSegment ?? files.keys.min() ?? 1
    numbers = first...max(first, head?.lastSegment ?? 0, lastUsed)
  }

  /// Hands over every whole frame, in order. The first walk fills in what is lost; later ones give the same frames.
  package func walk(_ body: (borrowing ReplayedFrame) throws(LogError) -> Void) throws(LogError) {
    let isFirst = frames == 0 && whole.isEmpty
    var pass = Pass(next: head?.firstSegment == 1 ? 0 : nil)
    for number in numbers {
      guard let file = files[number] else {
        pass.open(Cut(file: SegmentName.of(number), offset: 0, bytes: 0, reason: "the file is missing"))
        continue
      }
      try walk(file, &pass, body)
    }
    finish(&pass)
    guard isFirst else { return }
    cuts += pass.cuts
    (frames, records, last) = (pass.frames, pass.records, pass.last)
    (lostRecords, lostAtEnd, isCountExact) = (pass.lost, pass.lostAtEnd, pass.isExact)
    whole = pass.whole
  }

  /// A part of the log that stands in whole frames, for records that others point to; nil when it does not.
  package func file(holding position: RecordPosition, bytes: Int) -> SegmentFile? {
    let (start, ranges) = (Int(position.offset), whole[position.segment] ?? [])
    guard ranges.contains(where: { $0.contains(start) && start + bytes <= $0.upperBound }) else { return nil }
    return files[position.segment]
  }

  // MARK: One walk

  private struct Pass {
    /// The sequence that the next frame should begin with; nil when nothing tells.
    var next: UInt64?
    var last: FrameHeader?
    var cuts: [Cut] = []
    /// Where the cuts begin that no frame has followed yet.
    var openCuts = 0
    var (frames, records) = (0, 0)
    var (lost, lostAtEnd): (UInt64, UInt64) = (0, 0)
    var isExact = true
    var whole: [UInt32: [Range<Int>]] = [:]

    init(next: UInt64?) { self.next = next }

    mutating func open(_ cut: Cut) { cuts.append(cut) }

    /// A whole frame follows, or the end: what the open cuts took is the difference of the sequences.
    mutating func close(at sequence: UInt64?) {
      let records = sequence.flatMap { sequence in next.map { sequence &- $0 } }
      if openCuts < cuts.count || records ?? 0 > 0 {
        if openCuts == cuts.count, let last {
          cuts.append(
            Cut(
              file: SegmentName.of(last.segment), offset: Int(last.offset) + last.frameBytes, bytes: 0,
              reason: "the frames that followed are gone without a trace"))
        }
        if let records { lost += records } else { isExact = false }
        for index in openCuts..<cuts.count { cuts[index].records = records }
      }
      openCuts = cuts.count
    }
  }

  private func walk(
    _ file: SegmentFile, _ pass: inout Pass, _ body: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) {
    let reader = try SegmentReader(file, log: identity, window: ReadWindow())
    do throws(LogError) {
      try SegmentHeader.check(file.file, on: file.disk, log: identity, segment: file.number)
    } catch LogError.corrupt(let corruption) {
      pass.open(Cut(file: file.name, offset: corruption.offset, bytes: 0, reason: corruption.finding))
    }
    var offset = LogFormat.segmentHeaderBytes
    while true {
      switch try reader.finding(at: offset) {
      case .end:
        try endSegment(file.number, at: offset, reader, &pass)
        return
      case .invalid(let corruption):
        guard let next = try reader.nextHeader(after: offset) else {
          try endSegment(file.number, at: offset, reader, &pass, corruption)
          return
        }
        pass.open(Cut(file: file.name, offset: offset, bytes: next - offset, reason: corruption.finding))
        offset = next
      case .frame(let header, let records):
        defer { offset += header.frameBytes }
        if let reason = otherPast(header, pass) {
          pass.open(Cut(file: file.name, offset: offset, bytes: header.frameBytes, reason: reason))
          continue
        }
        pass.close(at: header.firstSequence)
        pass.next = header.nextSequence
        pass.last = header
        pass.frames += 1
        pass.records += Int(header.recordCount)
        compareWithHead(header, end: offset + header.frameBytes, &pass)
        note(offset..<(offset + header.frameBytes), in: file.number, &pass)
        try body(
          ReplayedFrame(
            stamp: header.stamp, firstSequence: header.firstSequence, recordCount: Int(header.recordCount),
            startsSegment: offset == LogFormat.segmentHeaderBytes,
            start: RecordPosition(segment: file.number, offset: UInt32(offset + FrameHeader.bytes)),
            records: records))
      }
    }
  }

  /// `HEAD` knows one frame by its end, checksum and sequence. Where another stands, whole as it is, the log went on
  /// from another past, and nobody can tell what is missing.
  private func compareWithHead(_ header: FrameHeader, end: Int, _ pass: inout Pass) {
    guard let head, header.segment == head.syncedSegment, header.offset < head.syncedEnd, end >= Int(head.syncedEnd)
    else { return }
    guard
      end != Int(head.syncedEnd) || header.checksum != head.syncedChecksum || header.nextSequence != head.nextSequence
    else { return }
    pass.isExact = false
    pass.cuts.append(
      Cut(
        file: SegmentName.of(header.segment), offset: Int(header.offset), bytes: 0,
        reason: "HEAD knows another frame here, which is gone; this one is kept"))
    pass.openCuts = pass.cuts.count
  }

  private func otherPast(_ header: FrameHeader, _ pass: Pass) -> String? {
    if let next = pass.next, header.firstSequence < next {
      return "a frame of another past: sequence \(header.firstSequence), where \(next) or more should follow"
    }
    if let last = pass.last, header.stamp.epoch < last.stamp.epoch {
      return "a frame of another past: epoch \(header.stamp.epoch) behind epoch \(last.stamp.epoch)"
    }
    return nil
  }

  private func note(_ range: Range<Int>, in segment: UInt32, _ pass: inout Pass) {
    let count = pass.whole[segment]?.count ?? 0
    if count > 0, pass.whole[segment]![count - 1].upperBound == range.lowerBound {
      pass.whole[segment]![count - 1] = pass.whole[segment]![count - 1].lowerBound..<range.upperBound
    } else {
      pass.whole[segment, default: []].append(range)
    }
  }

  /// Nothing whole follows in this segment.
  private func endSegment(
    _ number: UInt32, at offset: Int, _ reader: SegmentReader, _ pass: inout Pass, _ corruption: Corruption? = nil
  ) throws(LogError) {
    let used = try reader.lastUsedByte(from: offset)
    let isLast = number == numbers.upperBound
    let covered = head.map { $0.syncedSegment == number ? Int($0.syncedEnd) : 0 } ?? 0
    // Frames at the end of a file that was cut short leave no trace at all.
    let length = try wholeLength(number)
    if isLast, reader.fileBytes < length {
      pass.open(
        Cut(
          file: SegmentName.of(number), offset: reader.fileBytes, bytes: 0,
          reason: "the file ends here, and was made with \(length) bytes"))
    }
    if let corruption, let used {
      let isTorn = isLast && head != nil && covered <= offset
      pass.open(
        Cut(
          file: SegmentName.of(number), offset: offset, bytes: used - offset, reason: corruption.finding,
          isTornTail: isTorn))
    } else if covered > offset {
      pass.open(
        Cut(
          file: SegmentName.of(number), offset: offset, bytes: covered - offset,
          reason: "the log ends here, and HEAD knows of frames up to byte \(covered)"))
    } else if !isLast, offset == LogFormat.segmentHeaderBytes {
      pass.open(
        Cut(
          file: SegmentName.of(number), offset: offset, bytes: 0,
          reason: "the segment holds no frame, and later ones follow"))
    }
  }

  /// With how many bytes the segment was made; 0 when its header does not say.
  private func wholeLength(_ number: UInt32) throws(LogError) -> Int {
    do throws(LogError) {
      return Int(try files[number]?.header().bytes ?? 0)
    } catch LogError.corrupt {
      return segmentBytes
    }
  }

  /// The end of the log: only `HEAD` can tell what stood behind the last whole frame.
  private func finish(_ pass: inout Pass) {
    guard let head else {
      pass.isExact = false
      pass.openCuts = pass.cuts.count
      return
    }
    if pass.cuts.count == pass.openCuts + 1, pass.cuts[pass.openCuts].isTornTail,
      (pass.next ?? 0) >= head.nextSequence
    {
      pass.cuts[pass.openCuts].records = 0
      pass.openCuts = pass.cuts.count
      return
    }
    guard pass.openCuts < pass.cuts.count || (pass.next ?? 0) < head.nextSequence else { return }
    let before = pass.lost
    pass.close(at: max(head.nextSequence, pass.next ?? 0))
    pass.lostAtEnd = pass.lost - before
    // HEAD is a lower bound, unless nothing was written after it.
    if !head.cleanlyStopped { pass.isExact = false }
  }
}
