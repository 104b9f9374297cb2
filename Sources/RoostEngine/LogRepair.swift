import RoostCore
import RoostLog

/// Makes of a damaged log one that opens, and says in jobs what is lost.
///
/// `plan` only looks; `write` writes what is whole as a new log, with an identity of its own, the epoch raised by 2²⁰
/// and job numbers by 2³⁰, so that nothing that the lost part gave out comes again.
package final class LogRepair {
  package let salvage: LogSalvage
  package private(set) var notes = SalvageNotes()
  /// Jobs that are left.
  package private(set) var stateCounts: [(state: JobState, jobs: Int)] = []
  /// Lost records of which nothing tells what they were: each may have been the submission of a job.
  package private(set) var untoldRecords: UInt64 = 0
  private var machine: StateMachine?

  /// Reads all that is left.
  ///
  /// - Parameters:
  ///   - disk: The damaged directory, best opened with `LinuxDisk(inspecting:)`.
  ///   - newSecret: For a log of which no record with its secret is left.
  /// - Throws: `io` where something cannot be read at all, `unknownVersion`, and `corrupt` if nothing is left that
  ///   says which log it is.
  package init(_ disk: any Disk, newSecret: SipKey) throws(LogError) {
    salvage = try LogSalvage(disk)
    var secret: SipKey?
    try salvage.walk { (frame) throws(LogError) in
      var records = FrameRecords(frame.records, start: frame.start)
      if secret == nil, let record = records.next() { secret = StateMachine.secret(in: record.content) }
    }
    var notes = SalvageNotes()
    notes.isSecretLost = secret == nil
    var machine = StateMachine(secret: secret ?? newSecret, limits: Limits())
    machine.beginSalvage(
      first: LogPosition(rawValue: UInt64(salvage.numbers.lowerBound) << 32), secret: secret ?? newSecret)
    var (next, told, untold): (UInt64?, UInt64, UInt64) = (salvage.firstSequence, 0, 0)
    try salvage.walk { (frame) throws(LogError) in
      if let expected = next, frame.firstSequence > expected {
        let lost = frame.firstSequence - expected
        untold += lost - min(lost, told)
      }
      (next, told) = (frame.firstSequence + UInt64(frame.recordCount), 0)
      var records = FrameRecords(frame.records, start: frame.start)
      while let record = records.next() {
        machine.salvage(
          record.content, at: LogPosition(rawValue: record.position.rawValue), logTime: frame.stamp.logTime,
          notes: &notes
        ) { $0.isSound($1) }
        // Numbers are given without gaps: from here on it is known how many jobs there were before.
        if untold > 0, StateMachine.tellsNumber(record.content) { untold = 0 }
      }
    } remains: { record in
      guard machine.salvageRemains(record, notes: &notes) else { return false }
      told += 1
      return true
    }
    untoldRecords = untold + salvage.lostAtEnd - min(salvage.lostAtEnd, told)
    machine.endSalvage()
    self.notes = notes
    stateCounts = machine.stateCounts
    self.machine = consume machine
  }

  /// Jobs that are left.
  package var jobs: Int { stateCounts.reduce(0) { $0 + $1.jobs } }

  /// Lost records that were no submissions: each may have changed a job that now stands as it was before, or be the
  /// copy of one that is now missing.
  package var lostChanges: UInt64 {
    salvage.lostRecords > notes.lostSubmissions ? salvage.lostRecords - notes.lostSubmissions : 0
  }

  /// Writes what is left. May be called once.
  ///
  /// - Parameters:
  ///   - target: A directory without a log, which may be the old one after its files were set aside.
  ///   - identity: The UUID of the new log.
  /// - Returns: How many jobs have lost the older part of their history.
  package func write(to target: any Disk, identity: (UInt64, UInt64)) throws(LogError) -> Int {
    var machine = self.machine.take()!
    // The record that began an epoch may be lost; frames and HEAD name theirs.
    machine.beginGeneration(
      1, after: max(salvage.last?.stamp.epoch ?? 0, salvage.head?.stamp.epoch ?? 0))
    var options = LogOptions(newLogIdentity: identity, segmentBytes: max(1_024, salvage.segmentBytes))
    options.firstSegment = salvage.numbers.upperBound + 1
    options.ignoresHold = true
    let stamp = salvage.last?.stamp ?? FrameStamp(epoch: 0, logTime: 0, bootTime: 0, wallTime: 0)
    var rewrite = try LogRewrite(of: machine, on: target, options: options, stamp: stamp)
    try salvage.walk { (frame) throws(LogError) in
      var records = FrameRecords(frame.records, start: frame.start)
      while let record = records.next() {
        try rewrite.add(record.content, at: LogPosition(rawValue: record.position.rawValue)) {
          (position, bytes) throws(LogError) in
          try history(at: position, bytes: bytes)
        } report: { (job) throws(LogError) in
          let place = RecordPosition(rawValue: job.report.rawValue)
          guard job.report != .none, let file = salvage.file(holding: place, bytes: Int(job.reportBytes)) else {
            return nil
          }
          let record = try RecordLoader([file]).record(at: job.report, bytes: job.reportBytes)
          return StoredReport(record, of: job.number)
        }
      }
    }
    let shortened = rewrite.shortenedHistories
    try LogRewrite.check(target, says: try rewrite.finish())
    return shortened
  }

  /// As far back as records stand in whole frames.
  private func history(
    at position: LogPosition, bytes: UInt32
  ) throws(LogError) -> (entries: [[UInt8]], isWhole: Bool) {
    var found: [[UInt8]] = []
    var next = (position, bytes)
    while next.0 != .none, found.count < HistoryEntry.keptEntries {
      let place = RecordPosition(rawValue: next.0.rawValue)
      guard let file = salvage.file(holding: place, bytes: Int(next.1)) else { return (found, false) }
      let record = try RecordLoader([file]).record(at: next.0, bytes: next.1)
      let part = record.withUnsafeBytes { bytes in
        StoredRecord(bytes).history.map { ([UInt8]($0.entries), $0.previous, $0.previousBytes) }
      }
      guard let part else { return (found, false) }
      found.append(part.0)
      next = (part.1, part.2)
    }
    return (found, true)
  }
}
