import RoostCore
import RoostLog

/// Makes a data directory of a backup: the same jobs, keys and queues, in a log with an identity of its own.
///
/// The directory's secret stays, so old job ids and idempotency keys stay valid. The epoch is raised by 2²⁰ and job
/// numbers by 2³⁰ for each generation: what the old directory gave out after the backup never comes again.
package struct LogRestore {
  /// What stands in the new directory.
  package struct Outcome: Sendable {
    package var jobs: Int
    package var stateCounts: [(state: JobState, jobs: Int)]
    package var epoch: UInt64
    /// Wall time of the backup's last frame, nanoseconds since 1970: what came later is not in it.
    package var wallTime: Int64?
    package var queueCount: Int
  }

  private let source: any Disk
  private let target: any Disk
  private let identity: (UInt64, UInt64)
  private let generations: UInt64

  /// - Parameters:
  ///   - source: A backup, or the directory of a stopped daemon; best opened with `LinuxDisk(inspecting:)`.
  ///   - target: An empty directory.
  ///   - identity: The UUID of the new log.
  ///   - generations: 1, and one more for each time that this backup was restored before.
  package init(from source: any Disk, to target: any Disk, identity: (UInt64, UInt64), generations: UInt64 = 1) {
    self.source = source
    self.target = target
    self.identity = identity
    self.generations = generations
  }

  /// Checks the whole backup, writes the new log, reads it back and compares. `HOLD` stands in the directory until
  /// `LogHold.lift`, which is the caller's last step.
  ///
  /// - Throws: `corrupt` if the backup is damaged, before anything is written; `locked` if a daemon holds the source.
  package func run() throws(LogError) -> Outcome {
    if let holder = source.lockHolder(SegmentName.lock) { throw .locked(by: holder.process) }
    if let hold = try LogHold.find(on: source), hold != .backup { throw .onHold(hold) }
    let loaded = try LoadedLog(source)
    try LogHold.restore.put(on: target)
    var machine = loaded.takeMachine()
    // A log without a frame has no secret yet either: the new directory begins like any other.
    guard let last = loaded.end.last else {
      return Outcome(
        jobs: 0, stateCounts: machine.stateCounts, epoch: 0, wallTime: nil, queueCount: 0)
    }
    machine.beginGeneration(generations)
    // The largest of a log that has grown: it may be long.
    var segmentBytes = 0
    for segment in loaded.snapshot.segments { segmentBytes = max(segmentBytes, Int(try segment.header().bytes)) }
    var options = LogOptions(newLogIdentity: identity, segmentBytes: segmentBytes)
    options.firstSegment = loaded.end.segment + 1
    options.ignoresHold = true
    let loader = RecordLoader(loaded.snapshot.segments)
    var rewrite = try LogRewrite(of: machine, on: target, options: options, stamp: last.stamp)
    try loaded.snapshot.walk { (frame) throws(LogError) in
      var records = FrameRecords(frame.records, start: frame.start)
      while let record = records.next() {
        try rewrite.add(record.content, at: LogPosition(rawValue: record.position.rawValue)) {
          (position, bytes) throws(LogError) in
          (try loader.history(at: position, bytes: bytes), true)
        } report: { (job) throws(LogError) in
          try loader.report(of: job.number, at: job.report, bytes: job.reportBytes)
        }
      }
    }
    guard rewrite.shortenedHistories == 0 else {
      throw .corrupt(
        SegmentName.of(loaded.end.segment), at: 0, expected: "histories that match their checksums",
        found: "\(rewrite.shortenedHistories) that do not")
    }
    let written = try rewrite.finish()
    try LogRewrite.check(target, says: written)
    return Outcome(
      jobs: written.jobCount, stateCounts: written.stateCounts, epoch: written.epoch, wallTime: last.stamp.wallTime,
      queueCount: written.queueCount)
  }
}

extension LogRewrite {
  /// Reads a log that was just written, and compares it with what was to be written.
  static func check(_ disk: any Disk, says written: borrowing StateMachine) throws(LogError) {
    let again = try LoadedLog(disk)
    let machine = again.takeMachine()
    guard machine.jobCount == written.jobCount, machine.fingerprint == written.fingerprint,
      machine.epoch == written.epoch
    else {
      throw .corrupt(
        Corruption(
          file: SegmentName.of(again.end.segment), offset: 0,
          expected: "\(written.jobCount) jobs, as they were written", found: "\(machine.jobCount), or others"))
    }
  }
}
