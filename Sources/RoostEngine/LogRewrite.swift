import RoostCore
import RoostLog

/// Writes a whole state as a log of its own: `ground`, every job, key and queue by the records that compaction writes.
///
/// The new log has an identity of its own, so that no block of the old one passes for one of it, and its segments are
/// numbered behind the old one's, so that no position means two things.
package struct LogRewrite: ~Copyable {
  private var machine: StateMachine
  private let log: SegmentedLog
  private let stamp: FrameStamp
  private var step = Step(headroom: SegmentedLog.headroom)
  private var prepared: [Command] = []
  private var arena: [UInt8] = []
  /// Jobs of whose history a part could not be read.
  package private(set) var shortenedHistories = 0

  /// What is read ahead before a frame is written.
  private let pieceBytes: Int

  /// Makes the new log.
  ///
  /// - Parameters:
  ///   - machine: After `endReplay`; its records still stand in the old log.
  ///   - stamp: The old log's last: from its wall time the next start counts its downtime.
  package init(
    of machine: consuming StateMachine, on disk: any Disk, options: LogOptions, stamp: FrameStamp
  ) throws(LogError) {
    self.machine = machine
    pieceBytes = min(2 << 20, options.segmentBytes / 4)
    self.stamp = FrameStamp(
      epoch: self.machine.epoch,
      logTime: min(max(stamp.logTime, self.machine.logTime), StateMachine.latestLogTime), bootTime: stamp.bootTime,
      wallTime: stamp.wallTime)
    var options = options
    // Nobody waits for a commit here: zeros need not be synced in small pieces.
    options.zeroFillPieceBytes = 2 << 20
    log = try SegmentedLog.open(disk: disk, options: options) { (_) throws(LogError) in
      throw .unusable(since: "a log stands where a new one was to be written")
    }
  }

  /// Copies what a record of the old log is still needed for.
  ///
  /// - Parameters:
  ///   - history: A job's history from a position on, as far as it can be read, and whether that is all of it.
  ///   - report: What a job's worker said of its progress; nil where that cannot be read.
  package mutating func add(
    _ record: UnsafeRawBufferPointer, at position: LogPosition,
    history read: (LogPosition, UInt32) throws(LogError) -> (entries: [[UInt8]], isWhole: Bool),
    report: (StateMachine.CarryNeed.Job) throws(LogError) -> StoredReport?
  ) throws(LogError) {
    if let hash = machine.uniqueToCarry(record, at: position) {
      prepared.append(.carryUnique(Command.CarryUnique(hash: hash, base: position)))
    }
    switch machine.carryNeed(record, at: position) {
    case .none: return
    case .stub(let hash):
      prepared.append(
        .carryStub(
          Command.CarryStub(hash: hash, base: position, fields: append(StoredRecord(record).keyFields))))
    case .job(let job):
      let number = job.number
      let stored = StoredRecord(record)
      guard let body = stored.body, let layout = JobBodyLayout(body), layout.isSound(number) else {
        throw RecordLoader([]).damaged(position, expected: "the payload of job \(number), as its checksum says")
      }
      var (entries, isWhole) = job.history == .none ? ([], true) : try read(job.history, job.historyBytes)
      var kept = HistoryEntry.kept(entries, number: number, checksum: { Checksum.of($0) })
      while kept == nil {
        entries.removeLast()
        isWhole = false
        kept = HistoryEntry.kept(entries, number: number, checksum: { Checksum.of($0) })
      }
      if !isWhole { shortenedHistories += 1 }
      let bodyRange = append(body)
      let historyRange = (kept ?? []).withUnsafeBytes { append($0) }
      var carry = Command.Carry(
        number: number, base: position, outcome: job.history, body: bodyRange, history: historyRange)
      carry.keyFields = append(stored.keyFields)
      carry.dependencies = append(stored.dependencies)
      carry.reportedAt = job.report
      if let report = try report(job) {
        carry.progress = report.text.withUnsafeBytes { append($0) }
        carry.progressChecksum = report.checksum
      }
      prepared.append(.carry(carry))
    }
    if arena.count + prepared.count * 512 >= pieceBytes { try flush() }
  }

  /// Writes the rest, marks a clean stop, and gives the state back as the new log has it.
  package consuming func finish() throws(LogError) -> StateMachine {
    try flush()
    try write(machine.scheduleCarries(before: .end))
    try write(machine.queueCarries + machine.groupCarries)
    try log.stop(stamp)
    return machine
  }

  /// Writes carries in frames of about `pieceBytes`: one may hold the job of a schedule, or settings of many queues.
  private mutating func write(_ carries: [Command]) throws(LogError) {
    var bytes = 0
    for carry in carries {
      prepared.append(carry)
      bytes += carry.mostBytes
      guard bytes >= pieceBytes else { continue }
      try flush()
      bytes = 0
    }
    try flush()
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) -> ByteRange {
    let range = ByteRange(offset: arena.count, count: bytes.count)
    arena.append(contentsOf: bytes)
    return range
  }

  private mutating func flush() throws(LogError) {
    guard !prepared.isEmpty else { return }
    let extra = prepared.reduce(0) { sum, command in
      // Those of jobs and stubs are counted with their bytes.
      switch command {
      case .carryQueues, .carryGroups, .carryOperations, .carryQuotas, .carrySchedule, .carryBatch:
        sum + command.mostBytes
      default: sum + 512
      }
    }
    let start = try log.prepareFrame(expectedBytes: arena.count + extra)
    step.begin(
      at: LogPosition(rawValue: start.position.rawValue), arena: UnsafeRawBufferPointer(start: nil, count: 0))
    if start.startsSegment { machine.writeGround(into: &step) }
    arena.withUnsafeBytes { bytes in
      step.arena = bytes
      for command in prepared { machine.handle(command, ticket: 0, into: &step) }
      step.arena = UnsafeRawBufferPointer(start: nil, count: 0)
    }
    if step.records.recordCount > 0 {
      try log.commit(
        step.records.frame, recordBytes: step.records.count, recordCount: step.records.recordCount, stamp: stamp)
    }
    prepared.removeAll(keepingCapacity: true)
    arena.removeAll(keepingCapacity: true)
  }
}
