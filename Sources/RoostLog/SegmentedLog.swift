import Glibc

/// The log in a directory: segments of frames, one frame per group commit, `HEAD` beside them.
///
/// One thread owns it. What other threads need stands in objects of their own: `SegmentFile` to read records,
/// `SegmentProvisioner` to make segments ahead. After a failed write or sync every call throws: neither memory nor page
/// cache can be trusted then, and opening again is the way back.
package final class SegmentedLog: Journal {
  /// Bytes that the caller leaves free before the records in its buffer, for the frame's header.
  package static let headroom = FrameHeader.bytes
  /// Bytes that it leaves free behind them, for padding.
  package static let tailroom = LogFormat.alignment

  package let identity: LogIdentity
  package let options: LogOptions
  package let provisioner: SegmentProvisioner
  /// Whether nothing was ever committed when the log was opened.
  package let isNew: Bool
  /// Whether the last run stopped in good order, and nothing was written since.
  package let wasCleanlyStopped: Bool
  /// What opening set aside of the last segment, if its tail was torn.
  package let tornTail: TornTail?

  let disk: any Disk
  /// Nil once the log was stopped: the next one may open the directory.
  private var lockFile: DiskFile?
  private var head: HeadFile
  /// From the first segment to the current one, without gaps.
  private var segments: [OpenSegment]
  private var seeds: ChecksumSeeds
  /// Checksum of the last frame's header.
  private var checksum: UInt32
  /// The end of the last durable frame.
  private var synced: (segment: UInt32, end: Int)
  /// Of what was given back for frames, what they have not used, bytes.
  private var slack = 0
  private var isPrepared = false
  /// Log time at which the current segment was begun, if that was in this run.
  private var currentSince: Int64?
  private var failure: LogError?

  package private(set) var nextSequence: UInt64
  /// Of the last frame, or of the clean stop; nil in a log without frames.
  package private(set) var lastStamp: FrameStamp?

  /// A live segment and what of it is in use.
  struct OpenSegment {
    var file: SegmentFile
    var usedBytes: Int
    /// Without what a large frame may add.
    var fileBytes: Int
  }

  /// What opening found and the log goes on from.
  struct Beginning {
    var identity: LogIdentity
    var lockFile: DiskFile
    var head: HeadFile
    var segments: [OpenSegment]
    var last: FrameHeader?
    var spares: [SegmentFile]
    var tornTail: TornTail?
    var wasCleanlyStopped: Bool
    /// The size that the last segment was made in.
    var lastSegmentBytes: Int
  }

  init(_ beginning: Beginning, disk: any Disk, options: LogOptions) {
    self.disk = disk
    self.options = options
    identity = beginning.identity
    lockFile = beginning.lockFile
    head = beginning.head
    segments = beginning.segments
    tornTail = beginning.tornTail
    wasCleanlyStopped = beginning.wasCleanlyStopped
    isNew = beginning.last == nil
    // Without a frame there is nothing that a stamp in `HEAD` was held against.
    lastStamp = beginning.last.map { beginning.wasCleanlyStopped ? beginning.head.current.stamp : $0.stamp }
    nextSequence = beginning.last?.nextSequence ?? 0
    checksum = beginning.last?.checksum ?? 0
    let current = beginning.segments[beginning.segments.count - 1].file.number
    synced =
      beginning.last.map { ($0.segment, Int($0.offset) + $0.frameBytes) } ?? (current, LogFormat.segmentHeaderBytes)
    seeds = ChecksumSeeds(log: beginning.identity, segment: current)
    provisioner = SegmentProvisioner(
      disk: disk, log: beginning.identity, options: options, current: current,
      currentBytes: beginning.lastSegmentBytes, found: beginning.spares)
  }

  deinit {
    disk.close(head.file)
    if let lockFile { disk.close(lockFile) }
  }

  // MARK: Appending

  package var frameLimitBytes: Int { options.frameLimitBytes }

  /// Decides where the next frame will stand; rolls to a new segment when the current one would not hold it.
  ///
  /// - Parameter expectedBytes: Of records; an estimate is enough, as a frame that outgrows its segment extends it.
  /// - Throws: `outOfSpace` when a segment is needed and can be neither taken nor made; the log stays usable then.
  package func prepareFrame(expectedBytes: Int) throws(LogError) -> FrameStart {
    try checkUsable()
    let expected = LogFormat.frameBytes(records: max(0, expectedBytes))
    if !current.isEmpty, current.usedBytes + expected > current.fileBytes { try rollIfPossible() }
    isPrepared = true
    let start = current.usedBytes + FrameHeader.bytes
    return FrameStart(
      position: RecordPosition(segment: currentSegment, offset: UInt32(start)), startsSegment: current.isEmpty,
      capacity: max(0, current.fileBytes - start))
  }

  /// Appends the prepared frame: header and checksums in place, one write, one sync. On return it is durable.
  ///
  /// - Parameters:
  ///   - frame: `headroom` bytes, the records, and at least `tailroom` bytes more.
  ///   - recordBytes: May be 0.
  ///   - stamp: Its epoch must not lie before the log's.
  /// - Throws: `frameTooLarge` and `fenced` leave the log as it was; everything else makes it unusable.
  package func commit(
    _ frame: UnsafeMutableRawBufferPointer, recordBytes: Int, recordCount: Int, stamp: FrameStamp
  ) throws(LogError) {
    try checkUsable()
    precondition(isPrepared, "a frame is prepared before it is committed")
    let frameBytes = LogFormat.frameBytes(records: recordBytes)
    precondition(frame.count >= frameBytes, "the buffer has room for the frame's header and padding")
    guard frameBytes <= options.frameLimitBytes else {
      throw .frameTooLarge(bytes: frameBytes, limit: options.frameLimitBytes)
    }
    if let epoch = lastStamp?.epoch, stamp.epoch < epoch { throw .fenced(epoch: stamp.epoch, by: epoch) }

    let offset = current.usedBytes
    let whole = UnsafeMutableRawBufferPointer(rebasing: frame[..<frameBytes])
    let records = UnsafeMutableRawBufferPointer(rebasing: whole[FrameHeader.bytes...])
    UnsafeMutableRawBufferPointer(rebasing: records[recordBytes...]).initializeMemory(as: UInt8.self, repeating: 0)
    var header = FrameHeader(
      recordBytes: UInt32(recordBytes),
      recordsChecksum: Checksum.of(UnsafeRawBufferPointer(records), seed: seeds.at(offset + FrameHeader.bytes)),
      segment: currentSegment, offset: UInt32(offset), previousChecksum: checksum, recordCount: UInt32(recordCount),
      stamp: stamp, firstSequence: nextSequence)
    header.encode(into: whole, seed: seeds.at(offset))

    try orBecomeUnusable { () throws(LogError) in
      try write(UnsafeRawBufferPointer(whole), at: offset)
      try checkIsFound()
    }
    isPrepared = false
    checksum = header.checksum
    nextSequence = header.nextSequence
    lastStamp = stamp
    slack = max(0, slack - max(0, offset + frameBytes - current.fileBytes))
    current.usedBytes = offset + frameBytes
    current.fileBytes = max(current.fileBytes, current.usedBytes)
    synced = (currentSegment, current.usedBytes)
  }

  /// A frame that extends its segment may meet a full disk: then what was trimmed goes at once, or the reserve
  /// gives a spare back, which is its purpose.
  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(LogError) {
    let (disk, file) = (self.disk, current.file.file)
    while true {
      do throws(LogError) {
        try onDisk { () throws(DiskError) in
          try disk.write(file, bytes, at: offset)
          try sync(file)
        }
        return
      } catch LogError.outOfSpace(let name) {
        let before = provisioner.space.spareBytes
        guard try provisioner.releaseSpace() else { throw .outOfSpace(file: name) }
        slack += max(0, before - provisioner.space.spareBytes)
      }
    }
  }

  /// What no name leads to is lost with this process, however durable it is: it must not be answered.
  private func checkIsFound() throws(LogError) {
    guard !options.defects.contains(.vanishedNotNoticed) else { return }
    guard disk.isInPlace() else { throw .vanished("the data directory") }
    for file in [current.file.file, head.file] {
      guard disk.isNamed(file) else { throw .vanished(file.name) }
    }
  }

  private func sync(_ file: DiskFile) throws(DiskError) {
    guard !options.defects.contains(.skipSync) else { return }
    do throws(DiskError) {
      try disk.sync(file)
    } catch {
      guard options.defects.contains(.syncTriedAgain) else { throw error }
      try disk.sync(file)
    }
  }

  /// Without a file descriptor for the next segment the current one grows, as long as positions can name its bytes.
  private func rollIfPossible() throws(LogError) {
    do throws(LogError) {
      try roll()
    } catch {
      guard failure == nil, error.isPassing, !error.isOutOfSpace else { throw error }
      guard current.usedBytes + options.frameLimitBytes <= Int(UInt32.max) else {
        throw .outOfSpace(file: current.file.name)
      }
    }
  }

  /// `HEAD` names the new segment durably before any frame stands in it: a lost segment is then missed, not overlooked.
  private func roll() throws(LogError) {
    guard currentSegment < LogFormat.mostSegments else {
      let reason = LogError.unusable(since: "its segments have used up their numbers")
      failure = reason
      throw reason
    }
    let mayGrow = needsLargerSegments && provisioner.isStocked
    let next = try provisioner.take(currentSegment + 1)
    let bytes = try orBecomeUnusable { () throws(LogError) in
      try onDisk { () throws(DiskError) in try next.disk.size(next.file) }
    }
    if !options.defects.contains(.useWithoutHead) { try writeHead { $0.lastSegment = next.number } }
    segments.append(OpenSegment(file: next, usedBytes: LogFormat.segmentHeaderBytes, fileBytes: bytes))
    if mayGrow { provisioner.grow(behind: bytes) }
    currentSince = lastStamp?.logTime
    seeds = ChecksumSeeds(log: identity, segment: next.number)
  }

  /// Segments should last some seconds, for each roll and each trim takes syncs of `HEAD`; and be few, for each takes a
  /// descriptor.
  private var needsLargerSegments: Bool {
    if totalBytes > UInt64(Self.mostSegmentsOfASize * provisioner.segmentBytes) { return true }
    guard let since = currentSince, let now = lastStamp?.logTime else { return false }
    // Stamps are what the caller says.
    let (passed, isFar) = now.subtractingReportingOverflow(since)
    return !isFar && passed < Self.shortestSegmentNanoseconds
  }

  private static let mostSegmentsOfASize = 8
  private static let shortestSegmentNanoseconds: Int64 = 2_000_000_000

  // MARK: Trimming

  /// Gives up everything before a segment: on return `HEAD` says durably, in both slots, that the log begins with it. The
  /// provisioner removes the files behind that.
  ///
  /// - Parameter segment: Live, and with a frame in it.
  package func trim(before segment: UInt32) throws(LogError) {
    try checkUsable()
    guard segment > firstSegment else { return }
    precondition(segment <= synced.segment, "a log is trimmed before a segment that has a durable frame")
    let count = Int(segment - firstSegment)
    if options.defects.contains(.unlinkBeforeHead) { try discard(count) }
    // In both: the older slot must not name segments that are gone, should the newer one be damaged.
    try writeHead { $0.firstSegment = segment }
    try writeHead { $0.firstSegment = segment }
    if !options.defects.contains(.unlinkBeforeHead) { provisioner.discard(segments[..<count].map(\.file)) }
    segments.removeFirst(count)
  }

  /// A defect under test: the files go at once.
  private func discard(_ count: Int) throws(LogError) {
    provisioner.discard(segments[..<count].map(\.file))
    try orBecomeUnusable { () throws(LogError) in _ = try provisioner.removeDiscarded() }
  }

  // MARK: Provisioning and stopping

  /// One piece of background work; see `SegmentProvisioner.provision`.
  package func provision() throws(LogError) -> Bool {
    try checkUsable()
    return try provisioner.provision()
  }

  /// Marks a clean stop in `HEAD`. The log takes nothing more.
  ///
  /// - Parameter stamp: The moment of the stop, from which the next start counts its downtime: of the last frame's epoch, and
  ///   not before it, or the next start refuses it.
  /// - Throws: `fenced` leaves the log as it was; everything else makes it unusable.
  package func stop(_ stamp: FrameStamp) throws(LogError) {
    try checkUsable()
    if let epoch = lastStamp?.epoch, stamp.epoch < epoch { throw .fenced(epoch: stamp.epoch, by: epoch) }
    try orBecomeUnusable { () throws(LogError) in _ = try provisioner.removeDiscarded() }
    try writeHead {
      $0.cleanlyStopped = true
      $0.stamp = stamp
    }
    failure = .unusable(since: "it was stopped")
    if let lockFile { disk.close(lockFile) }
    lockFile = nil
  }

  // MARK: Queries

  package var firstSegment: UInt32 { segments[0].file.number }
  package var currentSegment: UInt32 { current.file.number }

  /// Bytes of a live segment that hold header and frames; 0 for one that is not live.
  package func segmentBytes(_ number: UInt32) -> Int {
    guard number >= firstSegment, number <= currentSegment else { return 0 }
    return segments[Int(number - firstSegment)].usedBytes
  }

  /// The same over all live segments.
  package var totalBytes: UInt64 { segments.reduce(0) { $0 + UInt64($1.usedBytes) } }

  /// The size in which segments are made now: it grows with the log, up to `LogOptions.segmentBytes`.
  package var segmentBytes: Int { provisioner.segmentBytes }

  package var space: SpaceState { provisioner.space }

  /// Whether the reserve cannot be made whole: an attempt met a full disk, or the disk says that it would. The second
  /// does not wait for the provisioner, whom a busy writer may outrun.
  package var isShortOfSpace: Bool {
    let space = provisioner.space
    if space.lastProvisionFailedForSpace { return true }
    let missing = space.targetBytes - space.spareBytes
    guard missing > 0, let free = try? disk.freeBytes() else { return false }
    return free < missing
  }

  /// Whether the disk has room for many segments more, so that the log may be larger than it must.
  package var hasMuchSpace: Bool { ((try? disk.freeBytes()) ?? 0) > Self.muchSpaceSegments * segmentBytes }

  private static let muchSpaceSegments = 8

  /// Bytes by which a frame may outgrow its segment: what spares give up, and where that is little what the disk has.
  package func roomToGrow() throws(LogError) -> Int {
    let space = provisioner.space
    if !space.lastProvisionFailedForSpace { slack = 0 }
    let spare = space.spareBytes
    guard spare < options.frameLimitBytes else { return spare }
    let disk = self.disk
    do throws(LogError) {
      let free = try onDisk { () throws(DiskError) in try disk.freeBytes() }
      // What was too little for a segment although the disk says otherwise is a quota: what was given back is known.
      if space.lastProvisionFailedForSpace, free >= segmentBytes { return spare + slack }
      return spare + min(max(0, free), options.frameLimitBytes)
    } catch {
      if !error.isPassing { failure = .unusable(since: "\(error)") }
      throw error
    }
  }

  /// A live segment's file, readable while the result lives, whatever is trimmed.
  package func pin(_ segment: UInt32) -> SegmentFile {
    precondition(segment >= firstSegment && segment <= currentSegment, "only a live segment can be pinned")
    return segments[Int(segment - firstSegment)].file
  }

  // MARK: Inside

  private var current: OpenSegment {
    _read { yield segments[segments.count - 1] }
    _modify { yield &segments[segments.count - 1] }
  }

  private func writeHead(_ change: (inout HeadRecord) -> Void) throws(LogError) {
    var record = head.current
    record.syncedSegment = synced.segment
    record.syncedEnd = UInt32(synced.end)
    record.syncedChecksum = checksum
    record.nextSequence = nextSequence
    record.cleanlyStopped = false
    if let lastStamp { record.stamp = lastStamp }
    change(&record)
    try orBecomeUnusable { () throws(LogError) in
      do throws(LogError) {
        try head.write(record)
      } catch LogError.outOfSpace(let file) {
        // `HEAD` has its blocks; a device that finds none for them fails, and nobody should wait for space.
        throw .io(operation: DiskOperation.write.rawValue, file: file, errno: ENOSPC)
      }
    }
  }

  private func checkUsable() throws(LogError) {
    if let failure { throw failure }
    if let failure = provisioner.failure { throw .unusable(since: failure.description) }
  }

  private func orBecomeUnusable<Result>(_ body: () throws(LogError) -> Result) throws(LogError) -> Result {
    do {
      return try body()
    } catch {
      failure = .unusable(since: "\(error)")
      throw error
    }
  }
}

extension SegmentedLog.OpenSegment {
  var isEmpty: Bool { usedBytes == LogFormat.segmentHeaderBytes }
}
