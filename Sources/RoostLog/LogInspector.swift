/// Walks a log directory without the lock and without changing a byte: what `roost wal verify` and `dump` show.
///
/// Where opening would stop at the first damage, this goes on behind it and reports all it finds. Beside a running
/// daemon the last frame may be one that is just being written; the report says who holds the directory.
package struct LogInspector {
  private let disk: any Disk

  /// - Parameter disk: Best one opened with `LinuxDisk(inspecting:)`.
  package init(disk: any Disk) {
    self.disk = disk
  }

  /// Reads everything.
  ///
  /// - Parameters:
  ///   - frame: Called for each whole frame, in order.
  ///   - record: Called for each of its records with the content's place.
  /// - Throws: `io` where the directory or a file cannot be read at all, and `unknownVersion`.
  package func inspect(
    frame: (InspectedFrame) -> Void = { _ in },
    record: (RecordPosition, UnsafeRawBufferPointer) -> Void = { _, _ in }
  ) throws(LogError) -> LogInspection {
    let names = try onDisk { () throws(DiskError) in try disk.list() }.sorted()
    var inspection = LogInspection(holder: disk.lockHolder(SegmentName.lock))
    inspection.otherFiles = names.filter {
      SegmentName.number(of: $0) == nil && ![SegmentName.head, SegmentName.lock, SegmentName.hold].contains($0)
    }
    inspection.hold = try LogHold.find(on: disk)
    try inspectHead(names, &inspection)
    let numbers = names.compactMap(SegmentName.number(of:))
    inspection.reportMissing(numbers)
    let window = ReadWindow()
    var chain = FrameChain()
    for number in numbers {
      var segment = try inspectSegment(number, window, &chain, &inspection, frame: frame, record: record)
      let isTrace = segment.tail != nil && inspection.reading?.isWhole == false
      let isLive = number <= (inspection.head?.lastSegment ?? .max) || segment.frameCount > 0 || isTrace
      segment.role = number < (inspection.head?.firstSegment ?? 0) ? .trimmed : isLive ? .live : .spare
      inspection.segments.append(segment)
    }
    inspection.compareWithHead()
    return inspection
  }

  private func inspectHead(_ names: [String], _ inspection: inout LogInspection) throws(LogError) {
    guard names.contains(SegmentName.head) else {
      inspection.problems.append(
        Corruption(file: SegmentName.head, offset: 0, expected: "HEAD", found: "no such file"))
      return
    }
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    defer { disk.close(file) }
    let slots = try HeadFile.slots(of: file, on: disk)
    inspection.headSlots = slots
    for case .failure(.corrupt(let corruption)) in slots { inspection.problems.append(corruption) }
    if slots.contains(where: { if case .success = $0 { true } else { false } }) {
      let reading = try HeadReading(slots)
      (inspection.reading, inspection.head) = (reading, reading.record)
    }
  }

  private func inspectSegment(
    _ number: UInt32, _ window: ReadWindow, _ chain: inout FrameChain, _ inspection: inout LogInspection,
    frame: (InspectedFrame) -> Void, record: (RecordPosition, UnsafeRawBufferPointer) -> Void
  ) throws(LogError) -> InspectedSegment {
    let opened = try onDisk { () throws(DiskError) in try disk.open(SegmentName.of(number), create: false) }
    let file = SegmentFile(number: number, file: opened, disk: disk)
    var segment = InspectedSegment(number: number, file: file.name)
    var log = inspection.head?.log
    do throws(LogError) {
      let header = try SegmentHeader.read(opened, on: disk)
      _ = try SegmentHeader.checked(opened, on: disk, log: log ?? header.log, segment: number)
      log = log ?? header.log
    } catch LogError.corrupt(let corruption) {
      inspection.problems.append(corruption)
    }
    guard let log else { return segment }
    let reader = try SegmentReader(file, log: log, window: window)
    segment.fileBytes = reader.fileBytes
    var offset = LogFormat.segmentHeaderBytes
    while true {
      switch try reader.finding(at: offset) {
      case .end:
        segment.usedBytes = offset
        return segment
      case .invalid(let corruption):
        guard let next = try reader.nextHeader(after: offset) else {
          segment.usedBytes = offset
          segment.tail = TornTail(
            segment: number, offset: offset, bytes: (try reader.lastUsedByte(from: offset) ?? offset) - offset,
            reason: corruption)
          segment.isTailTorn = try inspection.reading?.isTornTail(at: offset, in: reader) ?? false
          return segment
        }
        inspection.problems.append(corruption)
        chain.restart()
        offset = next
      case .frame(let header, let records):
        if let corruption = chain.accept(header, file: file.name) {
          inspection.problems.append(corruption)
          chain.restart()
          _ = chain.accept(header, file: file.name)
        }
        if let corruption = inspection.reading?.contradiction(with: header) { inspection.problems.append(corruption) }
        segment.frameCount += 1
        segment.recordCount += Int(header.recordCount)
        frame(InspectedFrame(header: header))
        let start = RecordPosition(segment: number, offset: UInt32(offset + FrameHeader.bytes))
        var walk = FrameRecords(records, start: start)
        while let (position, content) = walk.next() { record(position, content) }
        if !walk.isWhole {
          inspection.problems.append(
            Corruption(
              file: file.name, offset: offset, expected: "records that fill the frame", found: "other lengths"))
        }
        offset += header.frameBytes
      }
    }
  }
}

/// What an inspection found.
package struct LogInspection: Sendable {
  /// Who holds the directory right now; nil when nobody does.
  package var holder: LockHolder?
  /// Why no daemon may serve the directory, whatever its log is like.
  package var hold: LogHold?
  package fileprivate(set) var head: HeadRecord?
  fileprivate var reading: HeadReading?
  package var headSlots: [HeadSlot] = []
  package var segments: [InspectedSegment] = []
  /// Everything that opening would refuse, in the order found.
  package var problems: [Corruption] = []
  /// Unfinished files, torn tails set aside, and files that are not the log's.
  package var otherFiles: [String] = []

  init(holder: LockHolder?) {
    self.holder = holder
  }

  /// The unanswered tail that the next start sets aside; nil when the log ends cleanly.
  package var tornTail: TornTail? { segments.last { $0.role == .live }.flatMap { $0.isTailTorn ? $0.tail : nil } }

  mutating func reportMissing(_ numbers: [UInt32]) {
    guard let head else { return }
    for stretch in (head.firstSegment...head.lastSegment).stretches(missingIn: numbers) {
      let more = stretch.count > 1 ? ", nor any up to \(SegmentName.of(stretch.upperBound))" : ""
      problems.append(
        Corruption(
          file: SegmentName.of(stretch.lowerBound), offset: 0,
          expected: "a segment, as HEAD names \(head.firstSegment) to \(head.lastSegment)",
          found: "no such file\(more)"))
    }
  }

  /// A tail is torn only in the last live segment and beyond what `HEAD` knows; elsewhere it is damage.
  mutating func compareWithHead() {
    let last = segments.last { $0.role == .live }?.number
    for segment in segments where segment.role == .live {
      let covered = head.map { $0.syncedSegment == segment.number ? Int($0.syncedEnd) : 0 } ?? 0
      if let tail = segment.tail, segment.number != last || !segment.isTailTorn {
        problems.append(tail.reason)
      } else if segment.usedBytes < covered {
        problems.append(
          Corruption(
            file: segment.file, offset: segment.usedBytes,
            expected: "frames up to byte \(covered), which HEAD knows to be durable", found: "the end of the log"))
      }
    }
  }
}

/// A segment as it was found.
package struct InspectedSegment: Sendable, Hashable {
  package enum Role: String, Sendable {
    case live, spare
    /// Before the first one that `HEAD` names; the next start removes it.
    case trimmed
  }

  package var number: UInt32
  package var file: String
  package var role = Role.live
  package var fileBytes = 0
  /// Header and frames.
  package var usedBytes = 0
  package var frameCount = 0
  package var recordCount = 0
  /// What stands behind the last frame, if not zeros.
  package var tail: TornTail?
  /// Whether that was never answered, should this be the last segment.
  var isTailTorn = false

  init(number: UInt32, file: String) {
    self.number = number
    self.file = file
  }
}

/// A whole frame as it was found.
package struct InspectedFrame: Sendable, Hashable {
  package var header: FrameHeader
}
