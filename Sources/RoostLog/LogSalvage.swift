/// Reads of a damaged log what is whole, and says exactly what is not. Changes nothing.
///
/// A frame counts when its own checksums hold, at its place, in this log, and it does not belong to another past: its
/// sequence and epoch must not lie before those of the frame read last. What lies between two such frames is a cut; the
/// sequences on either side say how many records it took.
package final class LogSalvage {
  package let identity: LogIdentity
  /// What of `HEAD` could be read; nil when nothing could.
  package var head: HeadRecord? { reading?.record }
  private let reading: HeadReading?
  /// The epoch that `HEAD` names; nil where a frame says that it cannot be. Known after a walk.
  package var headEpoch: UInt64? { isStampWrong ? nil : head?.stamp.epoch }
  private var isStampWrong = false
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
    var reading: HeadReading?
    if names.contains(SegmentName.head) {
      let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
      defer { disk.close(file) }
      do throws(LogError) {
        reading = try HeadReading(HeadFile.slots(of: file, on: disk))
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
    let head = reading?.record
    guard let identity = head?.log ?? common else {
      throw .corrupt(
        SegmentName.head, at: 0, expected: "HEAD or a segment that says which log it is", found: "none")
    }
    self.identity = identity
    self.reading = reading
    self.files = files
    // A header may say anything; no daemon makes larger ones.
    segmentBytes = headers.filter { $0.log == identity && $0.bytes <= 1 << 30 }.map { Int($0.bytes) }.max() ?? 64 << 20
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

  /// The sequence of the log's first record, where that is known.
  package var firstSequence: UInt64? { head?.firstSegment == 1 ? 0 : nil }

  /// Hands over every whole frame, in order. The first walk fills in what is lost; later ones give the same frames.
  ///
  /// - Parameter remains: Called with each record that can be told apart in a frame that is not whole, in the order of the
  ///   log; returns false where what it got makes no sense. Nothing vouches for these bytes: they help to say what is
  ///   lost, and are not to be kept.
  package func walk(
    _ body: (borrowing ReplayedFrame) throws(LogError) -> Void,
    remains: (UnsafeRawBufferPointer) -> Bool = { _ in false }
  ) throws(LogError) {
    let isFirst = frames == 0 && whole.isEmpty
    var pass = Pass(next: firstSequence)
    let missing = numbers.stretches(missingIn: Array(files.keys))
    var parts = files.keys.filter(numbers.contains).map { $0...$0 } + missing
    parts.sort { $0.lowerBound < $1.lowerBound }
    for part in parts {
      if let file = files[part.lowerBound] {
        try walk(file, &pass, body, remains)
        continue
      }
      let more = part.count > 1 ? ", and so are all up to \(SegmentName.of(part.upperBound))" : ""
      pass.open(Cut(file: SegmentName.of(part.lowerBound), offset: 0, bytes: 0, reason: "the file is missing\(more)"))
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
    /// The sequence behind the last frame of which at least the header is whole.
    var stated: UInt64?
    /// That frame is the log's last: nothing stands behind its end.
    var isEndStated = false
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
        if let records { lost &+= records } else { isExact = false }
        for index in openCuts..<cuts.count { cuts[index].records = records }
      }
      openCuts = cuts.count
    }

    /// No whole frame follows; the log is known to have reached this sequence at least.
    mutating func closeEnd(at sequence: UInt64) {
      let before = lost
      close(at: max(sequence, next ?? 0))
      lostAtEnd = lost - before
    }
  }

  private func walk(
    _ file: SegmentFile, _ pass: inout Pass, _ body: (borrowing ReplayedFrame) throws(LogError) -> Void,
    _ remains: (UnsafeRawBufferPointer) -> Bool
  ) throws(LogError) {
    let reader = try SegmentReader(file, log: identity, window: ReadWindow())
    do throws(LogError) {
      _ = try SegmentHeader.checked(file.file, on: file.disk, log: identity, segment: file.number)
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
        try lookAtRemains(at: offset, reader, &pass, remains)
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
        pass.stated = nil
        pass.next = header.nextSequence
        pass.last = header
        pass.frames += 1
        pass.records += Int(header.recordCount)
        if reading?.contradiction(with: header) != nil { isStampWrong = true }
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

  /// Records are looked at within this, bytes: more than any frame that a daemon writes.
  private static let mostRemains = 32 << 20

  /// A frame that is not whole may still say how many records it had, and which.
  private func lookAtRemains(
    at offset: Int, _ reader: SegmentReader, _ pass: inout Pass, _ remains: (UnsafeRawBufferPointer) -> Bool
  ) throws(LogError) {
    let header = try reader.header(at: offset)
    if let header {
      guard otherPast(header, pass) == nil else { return }
      pass.stated = header.nextSequence
    }
    let start = offset + FrameHeader.bytes
    let bytes = try reader.unchecked(
      at: start, count: min(header.map { Int($0.recordBytes) } ?? .max, Self.mostRemains))
    guard !bytes.isEmpty else { return }
    var records = FrameRecords(bytes, start: RecordPosition(segment: reader.number, offset: UInt32(start)))
    var left = header?.recordCount ?? .max
    while left > 0, let record = records.next(), !record.content.isEmpty, remains(record.content) { left -= 1 }
  }

  /// `HEAD` knows one frame by its end, checksum and sequence. Where another stands, whole as it is, the log went on
  /// from another past, and nobody can tell what is missing.
  private func compareWithHead(_ header: FrameHeader, end: Int, _ pass: inout Pass) {
    guard let head, header.segment == head.syncedSegment, header.offset < head.syncedEnd, end >= Int(head.syncedEnd)
    else { return }
    guard !head.names(header) else { return }
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
      if isLast, let end = try reader.statedEnd(at: offset), used <= end { pass.isEndStated = true }
      var isTorn = false
      if isLast, let reading { isTorn = try reading.isTornTail(at: offset, in: reader) }
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
    let known = max(head?.nextSequence ?? 0, pass.stated ?? 0)
    guard let head else {
      pass.isExact = false
      if pass.stated != nil { pass.closeEnd(at: known) }
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
    guard pass.openCuts < pass.cuts.count || (pass.next ?? 0) < known else { return }
    pass.closeEnd(at: known)
    // HEAD is a lower bound, unless nothing was written after it; the header of the last frame knows more.
    if !(head.cleanlyStopped && reading?.isWhole == true), !pass.isEndStated { pass.isExact = false }
  }
}
