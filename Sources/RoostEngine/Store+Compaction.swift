import RoostCore
import RoostLog

/// Compaction: what lives in the oldest segment is copied to the end of the log, then the segment goes.
///
/// Copies are read ahead between batches and written with a later batch; where a job has changed in between, it is
/// read again. Order of a trim: copies durable, queues durable, `HEAD` durable, files removed (by the provisioner).
struct Compaction {
  /// Reads the oldest segment; nil when no trim is under way.
  var cursor: FrameCursor?
  /// What is left of the frame that the cursor read last: a frame may be many pieces long.
  var frame: FrameRecords?
  var segment: UInt32 = 0
  /// What the next batch writes; ranges point into `arena`.
  var prepared: [Command] = []
  var arena: [UInt8] = []
  /// Bases of jobs whose copies were stale.
  var stale: [(base: LogPosition, bytes: Int)] = []
  /// Sizes of the records that `prepared` copies, to read them again.
  var sizes: [Int] = []
  var isRead = false
  /// Queues were carried, their groups are next.
  var areQueuesCarried = false
  /// Queues and groups were carried with the last batch: the segment may go.
  var isCarried = false
  /// Compaction stopped before bytes that are damaged, or could not be read the last time.
  var damage: LogError?
  /// When bytes that could not be read are tried again, log time; nil: never.
  var nextTry: Int64?
  /// Segments trimmed since the start.
  var trims = 0
  /// Records copied since the start, and their bytes.
  var copies: UInt64 = 0
  var copiedBytes: UInt64 = 0

  /// Bytes of records of the last batch, copies not counted.
  var batchBytes = 0
  /// Whether the oldest segment is kept for those who follow the log, and until when that is so for sure (log time).
  var isKept = false
  var keptUntil = Int64.min
  /// Log time until which the log is kept for those who follow it.
  var followedUntil = Int64.min

  /// What a piece reads and what it copies at least. The next commit waits for it: some 6 µs for each live record, and
  /// where little lives, a piece bound by what it copies would be a whole segment.
  static let readBytes = 128 << 10
  static let pieceBytes = 64 << 10

  /// What was copied already is no longer needed: the next try begins with the segment.
  mutating func stopReading(_ error: LogError) {
    damage = error
    cursor = nil
    frame = nil
    areQueuesCarried = false
    prepared.removeAll()
    sizes.removeAll()
    stale.removeAll()
  }
}

extension Store {
  /// Finished trims since the start.
  package var trims: Int { compaction.trims }
  /// Bytes of records that were copied since the start.
  package var copiedBytes: UInt64 { compaction.copiedBytes }
  /// What stopped compaction, if bytes on disk were found damaged or could not be read.
  package var damage: LogError? { compaction.damage }
  /// Whether all copies of the oldest segment are durable, so that the next `compact` ends the trim.
  package var isTrimReady: Bool { compaction.isCarried }
  /// Whether a trim is under way.
  package var isCompacting: Bool { compaction.cursor != nil }

  /// Does a piece of compaction between two batches: reads copies ahead, or ends a trim.
  ///
  /// - Returns: Whether the next batch has something to write for it, or more work waits.
  package mutating func compact() throws(LogError) -> Bool {
    if compaction.damage != nil {
      guard let next = compaction.nextTry, machine.logTime >= next else { return false }
      (compaction.damage, compaction.nextTry) = (nil, nil)
    }
    if compaction.isCarried {
      try endTrim()
      return wantsTrim && !isKeptForEvents()
    }
    guard compaction.prepared.isEmpty else { return true }
    guard compaction.cursor != nil || wantsTrim, compaction.cursor != nil || !isKeptForEvents() else { return false }
    do throws(LogError) {
      try prepare()
    } catch {
      // Only reading was tried: what is written stays true, and the queue goes on over a log that grows.
      compaction.stopReading(error)
      if case .io = error { compaction.nextTry = machine.logTime + Self.nanosecondsToNextTry }
      return false
    }
    if machine.defects.contains(.trimBeforeCopies), compaction.isRead {
      try log.trim(before: compaction.segment + 1)
    }
    return true
  }

  /// The log has grown beyond its bound, and something would be gained. The bound of a small log is four segments, one
  /// of them for what is written while the trim is under way.
  package var wantsTrim: Bool {
    let total = Int(log.totalBytes)
    let live = machine.keptBytes
    guard log.currentSegment > log.firstSegment else { return false }
    // Where the disk is full, little that is gained lets the next jobs be leased.
    if diskLevel > 0 { return total > live + min(live / 10, log.segmentBytes) + log.segmentBytes }
    return total > max(3 * log.segmentBytes, 2 * live)
  }

  /// Somebody follows the log: what happens from here on is kept for as long as `eventsRetention` says.
  mutating func noteFollower() {
    let (end, overflow) = machine.logTime.addingReportingOverflow(eventsRetention.nanoseconds)
    compaction.followedUntil = overflow ? .max : end
  }

  /// Whether the oldest segment is kept for those who follow the log: somebody did lately, it holds what happened lately,
  /// the log has room for it, and the disk has much more. Looked at once a second.
  private mutating func isKeptForEvents() -> Bool {
    guard compaction.followedUntil > machine.logTime else { return false }
    guard machine.logTime >= compaction.keptUntil else { return compaction.isKept }
    compaction.keptUntil = machine.logTime + 1_000_000_000
    compaction.isKept =
      diskLevel == 0 && Int(log.totalBytes) - log.segmentBytes(log.firstSegment) <= eventsRetention.bytes
      && log.hasMuchSpace && (log.age(ofSegment: log.firstSegment).map { $0 < eventsRetention.nanoseconds } ?? false)
    return compaction.isKept
  }

  private static let nanosecondsToNextTry: Int64 = 5_000_000_000

  private mutating func prepare() throws(LogError) {
    if compaction.cursor == nil {
      compaction.segment = log.firstSegment
      compaction.isRead = false
      compaction.cursor = try FrameCursor(
        log.pin(log.firstSegment), log: log.identity, end: log.segmentBytes(log.firstSegment))
    }
    compaction.arena.removeAll(keepingCapacity: true)
    compaction.sizes.removeAll(keepingCapacity: true)
    let loader = RecordLoader((log.firstSegment...log.currentSegment).map { log.pin($0) })
    for (base, bytes) in compaction.stale {
      let record = try loader.record(at: base, bytes: UInt32(bytes))
      let failure = record.withUnsafeBytes { raw -> LogError? in
        do throws(LogError) {
          _ = try prepare(raw, at: base, loader)
          return nil
        } catch {
          return error
        }
      }
      if let failure { throw failure }
    }
    compaction.stale.removeAll(keepingCapacity: true)
    // Against the last batch, so that compaction keeps pace with large ones.
    var left = max(Compaction.readBytes, 2 * compaction.batchBytes)
    let most = max(Compaction.pieceBytes, compaction.batchBytes)
    while compaction.arena.count < most, left > 0, !compaction.isRead {
      if let record = compaction.frame?.next() {
        left -= record.content.count
        left -= try prepare(record.content, at: LogPosition(rawValue: record.position.rawValue), loader)
      } else if let frame = try compaction.cursor!.next() {
        compaction.frame = FrameRecords(frame.records, start: frame.start)
      } else {
        compaction.frame = nil
        compaction.isRead = true
      }
    }
    if compaction.isRead, compaction.prepared.isEmpty {
      let end = LogPosition(rawValue: UInt64(compaction.segment + 1) << 32)
      compaction.prepared =
        compaction.areQueuesCarried
        ? machine.groupCarries : machine.scheduleCarries(before: end) + machine.queueCarries
      compaction.sizes = compaction.prepared.map { _ in 0 }
      // What was said of the last groups ended meanwhile.
      compaction.isCarried = compaction.areQueuesCarried && compaction.prepared.isEmpty
    }
  }

  /// Reads what a record of the oldest segment needs, if it still lives.
  ///
  /// - Returns: Bytes that were read besides the record.
  private mutating func prepare(
    _ record: UnsafeRawBufferPointer, at position: LogPosition, _ loader: RecordLoader
  ) throws(LogError) -> Int {
    var readBytes = 0
    if let hash = machine.uniqueToCarry(record, at: position) {
      compaction.prepared.append(.carryUnique(Command.CarryUnique(hash: hash, base: position)))
      compaction.sizes.append(record.count)
    }
    switch machine.carryNeed(record, at: position) {
    case .none: return 0
    case .stub(let hash):
      compaction.prepared.append(
        .carryStub(
          Command.CarryStub(hash: hash, base: position, fields: appendToArena(StoredRecord(record).keyFields))))
    case .job(let job):
      let number = job.number
      let stored = StoredRecord(record)
      guard let body = stored.body, let layout = JobBodyLayout(body), layout.isSound(number) else {
        throw loader.damaged(position, expected: "the payload of job \(number), as its checksum says")
      }
      let entries = try loader.history(at: job.history, bytes: job.historyBytes, known: (position, record))
      readBytes += entries.reduce(0) { $0 + $1.count }
      guard let kept = HistoryEntry.kept(entries, number: number, checksum: { Checksum.of($0) }) else {
        throw loader.damaged(job.history, expected: "the history of job \(number), as its checksums say")
      }
      let bodyRange = appendToArena(body)
      let historyRange = kept.withUnsafeBytes { appendToArena($0) }
      var carry = Command.Carry(
        number: number, base: position, outcome: job.history, body: bodyRange, history: historyRange)
      carry.keyFields = appendToArena(stored.keyFields)
      carry.dependencies = appendToArena(stored.dependencies)
      carry.reportedAt = job.report
      if let report = try loader.report(of: number, at: job.report, bytes: job.reportBytes) {
        carry.progress = report.text.withUnsafeBytes { appendToArena($0) }
        carry.progressChecksum = report.checksum
        readBytes += report.text.count
      }
      compaction.prepared.append(.carry(carry))
    }
    compaction.sizes.append(record.count)
    return readBytes
  }

  private mutating func appendToArena(_ bytes: UnsafeRawBufferPointer) -> ByteRange {
    let range = ByteRange(offset: compaction.arena.count, count: bytes.count)
    compaction.arena.append(contentsOf: bytes)
    return range
  }

  /// Writes the copies that were read ahead into the batch, as many as fit.
  mutating func emitCarries() {
    compaction.batchBytes = step.records.count
    isCarryHeld = false
    guard !compaction.prepared.isEmpty else { return }
    // A copy can wait, for room on the disk and in the spares that nothing else is promised.
    let bound = carryBytes
    let room = min(log.frameLimitBytes - SegmentedLog.headroom, bound)
    let arena = step.arena
    var done = 0
    let before = (records: step.records.recordCount, bytes: step.records.count)
    compaction.arena.withUnsafeBytes { bytes in
      step.arena = bytes
      for command in compaction.prepared {
        let wanted = command.mostBytes
        guard step.records.count + wanted <= room else {
          isCarryHeld = step.records.count + wanted > bound
          break
        }
        machine.handle(command, ticket: 0, into: &step)
        if case .carried(let isFresh) = step.replies.removeLast().answer, !isFresh, case .carry(let carry) = command {
          compaction.stale.append((carry.base, compaction.sizes[done]))
        }
        done += 1
        guard command.isOfQueues, done == compaction.prepared.count else { continue }
        compaction.isCarried = compaction.areQueuesCarried || machine.groupCarries.isEmpty
        compaction.areQueuesCarried = true
      }
    }
    step.arena = arena
    compaction.copies += UInt64(step.records.recordCount - before.records)
    compaction.copiedBytes += UInt64(step.records.count - before.bytes)
    compaction.prepared.removeFirst(done)
    compaction.sizes.removeFirst(done)
  }

  /// The copies and queues are durable: the segment goes.
  private mutating func endTrim() throws(LogError) {
    // Before the trim: the file's blocks become free with its last reader, and that should not be this thread.
    compaction.cursor = nil
    compaction.frame = nil
    try log.trim(before: compaction.segment + 1)
    compaction.isCarried = false
    compaction.areQueuesCarried = false
    compaction.trims += 1
  }
}

extension Command {
  /// Queues and groups are copied last.
  fileprivate var isOfQueues: Bool {
    switch self {
    case .carryQueues, .carryGroups: true
    default: false
    }
  }
}
