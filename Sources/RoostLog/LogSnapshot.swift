import Glibc

/// A log as it is at one moment, without its lock and without changing a byte; also beside a running daemon.
///
/// All segments are held open, which is what pins them: a trim may take their names away meanwhile, but not their
/// bytes. What was answered before the snapshot was taken stands in it.
package final class LogSnapshot {
  /// What `HEAD` said when the segments were opened: a lower bound.
  package var head: HeadRecord { reading.record }
  private let reading: HeadReading
  /// From the first to the last, without gaps.
  package let segments: [SegmentFile]
  /// Who held the directory.
  package let holder: LockHolder?
  /// Segments behind the last one, and the bytes of all files.
  package let spareCount: Int
  package let fileBytes: Int
  private let disk: any Disk
  /// Where the first walk ended; later ones go no further.
  private(set) var end: End?
  private let ignoresStamp: Bool
  /// What stands in `HEAD` although it cannot follow the frame that `HEAD` knows, and that frame; known after a walk, and
  /// only where stamps are ignored.
  package private(set) var wrongStamp: (corruption: Corruption, frame: FrameHeader)?

  /// How far a log reaches.
  package struct End: Sendable, Hashable {
    package var segment: UInt32
    /// Behind the last whole frame.
    package var offset: Int
    /// The last frame; nil in a log without any.
    package var last: FrameHeader?
    /// Bytes of header and frames in all segments.
    package var usedBytes: Int
    /// What follows the last frame and was never answered.
    package var tornTail: TornTail?

    /// The sequence that the next record would get.
    package var nextSequence: UInt64 { last?.nextSequence ?? 0 }
  }

  /// Opens every segment.
  ///
  /// - Parameters:
  ///   - disk: Best one opened with `LinuxDisk(inspecting:)`.
  ///   - ignoresStamp: What `HEAD` says of epoch and times is not compared with the frames: for mending it by them.
  /// - Throws: `corrupt` where `HEAD` or a segment is missing or damaged, `unknownVersion`, `io`.
  package init(_ disk: any Disk, ignoresStamp: Bool = false) throws(LogError) {
    self.disk = disk
    self.ignoresStamp = ignoresStamp
    holder = disk.lockHolder(SegmentName.lock)
    var attempts = 0
    while true {
      attempts += 1
      let reading = try LogSnapshot.readHead(disk)
      do throws(LogError) {
        let found = try LogSnapshot.open(reading, on: disk)
        (self.reading, segments, spareCount, fileBytes) = (reading, found.live, found.spares, found.bytes)
        return
      } catch {
        // A trim took a segment away between the two: HEAD said so before.
        guard attempts < 1_000, try LogSnapshot.readHead(disk).record.firstSegment > reading.record.firstSegment
        else { throw error }
      }
    }
  }

  /// Hands over every frame in order, checked like at a start. A second walk gives the same frames as the first.
  ///
  /// - Throws: `corrupt`, `io`, and whatever `body` throws.
  @discardableResult
  package func walk(_ body: (borrowing ReplayedFrame) throws(LogError) -> Void) throws(LogError) -> End {
    var walk = LogWalk(head: reading, window: ReadWindow(), isBeingWritten: true, ignoresStamp: ignoresStamp)
    let limit = end?.nextFrame
    for (index, file) in segments.enumerated() {
      try walk.walk(file, isLast: index == segments.count - 1) { (frame) throws(LogError) in
        if let limit, frame.start >= limit { return }
        try body(frame)
      }
    }
    if let end { return end }
    let last = walk.segments[walk.segments.count - 1]
    let found = End(
      segment: last.file.number, offset: last.usedBytes, last: walk.chain.last,
      usedBytes: walk.segments.reduce(0) { $0 + $1.usedBytes }, tornTail: walk.torn)
    end = found
    if let frame = walk.known, let corruption = reading.contradiction(with: frame) { wrongStamp = (corruption, frame) }
    return found
  }

  /// What `HEAD` would say of just this: the log up to the end of the first walk.
  func headRecord(_ end: End) -> HeadRecord {
    guard let last = end.last else { return head }
    let isStop =
      head.cleanlyStopped && head.syncedSegment == end.segment && Int(head.syncedEnd) == end.offset
    return HeadRecord(
      log: head.log, generation: 1, firstSegment: head.firstSegment, lastSegment: end.segment,
      syncedSegment: end.segment, syncedEnd: UInt32(end.offset), syncedChecksum: last.checksum,
      nextSequence: last.nextSequence, cleanlyStopped: isStop, stamp: isStop ? head.stamp : last.stamp)
  }

  // MARK: Opening

  private static func readHead(_ disk: any Disk) throws(LogError) -> HeadReading {
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    guard names.contains(SegmentName.head) else {
      throw .corrupt(SegmentName.head, at: 0, expected: "HEAD", found: "no such file")
    }
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    defer { disk.close(file) }
    var reading = try HeadReading(HeadFile.slots(of: file, on: disk))
    // A slot that a daemon is just writing is whole at another look.
    for _ in 0..<3 where !reading.isWhole { reading = try HeadReading(HeadFile.slots(of: file, on: disk)) }
    return reading
  }

  private static func open(
    _ reading: HeadReading, on disk: any Disk
  ) throws(LogError) -> (live: [SegmentFile], spares: Int, bytes: Int) {
    let head = reading.record
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    let numbers = names.compactMap(SegmentName.number(of:)).filter { $0 >= head.firstSegment }
    var found: [UInt32: SegmentFile] = [:]
    var last = head.lastSegment
    var bytes = 0
    let window = ReadWindow()
    for number in numbers {
      let opened: DiskFile
      do throws(DiskError) {
        opened = try disk.open(SegmentName.of(number), create: false)
      } catch {
        // A spare may be given back at any time.
        if number > head.lastSegment, error.errno == ENOENT { continue }
        throw LogError(error)
      }
      let file = SegmentFile(number: number, file: opened, disk: disk)
      bytes += try onDisk { () throws(DiskError) in try disk.size(opened) }
      found[number] = file
      guard number > last else { continue }
      if try reading.isInUse(SegmentReader(file, log: head.log, window: window)) { last = number }
    }
    var live: [SegmentFile] = []
    for number in head.firstSegment...max(head.firstSegment, last) {
      guard let file = found[number] else {
        throw .corrupt(
          SegmentName.of(number), at: 0,
          expected: "a segment, as the log runs from \(head.firstSegment) to \(last)", found: "no such file")
      }
      _ = try SegmentHeader.checked(file.file, on: disk, log: head.log, segment: number)
      live.append(file)
    }
    return (live, found.count - live.count, bytes)
  }
}

extension LogSnapshot.End {
  /// Where the records of a frame behind this end would begin.
  var nextFrame: RecordPosition { RecordPosition(segment: segment, offset: UInt32(offset + FrameHeader.bytes)) }
}
