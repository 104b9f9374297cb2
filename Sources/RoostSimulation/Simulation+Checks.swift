import RoostCore
import RoostEngine
import RoostLog

/// The looks at the whole: memory against itself, memory against the log, bytes against what was submitted.
extension Simulation {
  func checkMemory() throws {
    let found = daemon.store.machine.inconsistencies()
    try model.expect(found.isEmpty, "inconsistent: \(found.prefix(3))")
    daemon.noteChanges()
    try model.verify(board: Dictionary(daemon.board.values.map { ($0.name, $0.image) }, uniquingKeysWith: { $1 }))
  }

  /// After each trim, a replay of a copy of the disk gives what is in memory.
  func checkTrim() throws {
    try checkMemory()
    let rebuilt = try Rebuilt(copyOf: disk, setting: setting)
    try compare(rebuilt.machine.image, image, "rebuilt after a trim")
  }

  func compare(_ rebuilt: StateMachine.Image, _ live: StateMachine.Image, _ when: String) throws {
    guard rebuilt != live else { return }
    throw ReferenceModel.Violation(message: "\(when): \(rebuilt.differences(from: live))")
  }

  /// What of some job is in the log comes back byte for byte, as a reader would get it.
  func checkBytes() throws {
    workload.random = random.split()
    guard let job = workload.known(model) else { return }
    try model.expect(try checkBytes(of: job), "the bytes of job \(job.id.number.rawValue) are damaged")
  }

  /// Reads a job as the engine does. Answers false where the reader would be told of damage.
  ///
  /// - Throws: When it would get other bytes than were written.
  func checkBytes(of job: ReferenceModel.Job) throws -> Bool {
    guard let image = seen(job.id) else { return true }
    report.requests[.history, default: 0] += 1
    let number = job.id.number.rawValue
    let log = daemon.store.log
    let loader = RecordLoader((log.firstSegment...log.currentSegment).map { log.pin($0) })
    do {
      let record = try loader.record(at: image.base, bytes: image.recordBytes)
      let isRight = record.withUnsafeBytes { record -> Bool? in
        guard let body = StoredRecord(record).body, let layout = JobBodyLayout(body), layout.isSound(number) else {
          return nil
        }
        return job.wanted.matches(layout)
      }
      guard let isRight else { return false }
      try model.expect(isRight, "the payload of job \(number) is another")
      let report = try loader.report(of: number, at: image.report, bytes: image.reportBytes)
      try model.expect(report?.text ?? [] == job.progress, "the progress of job \(number) is another")
      return try checkHistory(job, loader.history(at: image.history, bytes: image.historyBytes))
    } catch LogError.corrupt {
      return false
    } catch LogError.io where !disk.isStopped {
      // The reader is told; the store is not concerned.
      return true
    }
  }

  /// At least the last 20 entries, the newest whole, the others at least their first KiB. Answers false for damage.
  private func checkHistory(_ job: ReferenceModel.Job, _ stored: [[UInt8]]) throws -> Bool {
    let number = job.id.number.rawValue
    var at = 0
    for part in stored {
      let isSound = try part.withUnsafeBytes { bytes in
        var reader = RecordReader(bytes)
        while !reader.isAtEnd {
          guard let entry = HistoryEntry(&reader), entry.isSound(number, checksum: { Checksum.of($0) }) else {
            return false
          }
          try model.expect(at < job.history.count, "job \(number) has a history that did not happen")
          let wanted = job.history[at]
          let isWhole = entry.text.elementsEqual(wanted.text)
          let isCut = at > 0 && entry.text.elementsEqual(wanted.text.prefix(HistoryEntry.keptTextBytes))
          try model.expect(
            entry.outcome == wanted.outcome && Int(entry.attempt) == wanted.attempt && (isWhole || isCut),
            "history \(at) of job \(number): \(entry.outcome) \(entry.text.count), not \(wanted.outcome) "
              + "\(wanted.text.count)")
          at += 1
        }
        return true
      }
      guard isSound else { return false }
    }
    try model.expect(
      at >= min(job.history.count, HistoryEntry.keptEntries), "job \(number) has lost history: \(at) entries")
    return true
  }

  // MARK: The reserve

  /// Whether every acknowledgement has its room. Not so in the smallest segments: on a full disk a batch counts as two
  /// small results until it is decided, which is nothing to the daemon's segments and all of these.
  var isReserveWhole: Bool {
    let space = daemon.store.log.space
    return space.spareBytes >= space.targetBytes
      && daemon.store.log.segmentBytes >= 8 * setting.limits.smallResultBytes
  }

  /// A full disk that had its reserve takes the end of every attempt; and some extensions of every lease, as long as
  /// nothing has used up what is kept for ends.
  func expectRoom(_ request: Request, _ ticket: UInt64, _ replies: Range<Int>) throws {
    guard hasReserve else { return }
    let isRefused = daemon.store.step.replies[replies].first { $0.ticket == ticket }?.answer.refusal == .diskLow
    switch request {
    case .finish(let finish):
      guard finish.text.count <= setting.limits.smallResultBytes,
        model.jobs[finish.job.number.rawValue]?.state == .running
      else { return }
      try model.expect(!isRefused, "a full disk refused the end of an attempt")
    case .extend(let id, _, _, let lease, _, let progress):
      guard model.now.conditions.diskLevel <= 2, progress.isEmpty, let job = model.jobs[id.number.rawValue],
        job.state == .running, job.lease == lease
      else { return }
      let count = extensions[lease, default: 0]
      try model.expect(
        !isRefused || count >= Store.keptExtensions, "a full disk refused extension \(count + 1) of a lease")
      extensions[lease] = count + 1
    default: return
    }
  }

  // MARK: The end

  /// Faults stop; every job must come to its end.
  func drain() throws {
    begin(.crash)
    note("faults stop")
    emptyDisk()
    disk.clearFailures()
    disk.interrupt(withChance: 0, shortenWritesWithChance: 0)
    if faults.areRandom { disk.unplan() }
    disk.stopMachine()
    candidates = [Candidate(model: model, image: image)]
    daemon = nil
    disk.crash(losingUnsynced: true)
    try restart()
    clock.setRight()
    var all = QueueSettingsChange()
    for setting in QueueSetting.allCases { all.set(setting, nil) }
    try batch(model.setups.keys.sorted().flatMap { [.configure($0, all), .resume($0)] })
    try batch(
      model.schedules.keys.sorted { "\($0)" < "\($1)" }.map { .removeSchedule($0) } + [.readSchedules])
    var own = QueueSettingsChange()
    for setting in QueueSetting.ofOneGroup { own.set(setting, nil) }
    let groups = model.groups.filter { $0.value.isTold }.keys.sorted { "\($0)" < "\($1)" }
    try batch(groups.flatMap { [.configureGroup($0, own), .resumeGroup($0)] })
    for _ in 0..<2_000 {
      turn += 1
      clock.pass(60_000_000_000)
      // What was meant for a wall clock that was years off is not waited for.
      let far = sorted { $0.isWall && $0.deadline > clock.reading.wall }
      try batch(far.map { .runNow($0.id, .all, onlyDead: false) })
      let blocked = sorted { $0.state == .blocked }
      if !blocked.isEmpty { try batch(blocked.map { .unblock($0.id, .all) }) }
      try batch((0..<12).map { _ in .lease(workload.takeAll()) } + [.leaseDeliveries(workload.deliverAll())])
      try batch(sorted { $0.state == .running }.map { ack($0) })
      while try daemon.store.log.provision() {}
      for _ in 0..<4 where try daemon.store.compact() { try batch([]) }
      if model.jobs.values.allSatisfy(\.state.isFinished) { return try checkMemory() }
    }
    let left = model.jobs.values.filter { !$0.state.isFinished }.map { "\($0.id.number.rawValue) \($0.state.name)" }
    throw ReferenceModel.Violation(message: "the queues do not drain: \(left)")
  }

  func sorted(_ isWanted: (ReferenceModel.Job) -> Bool) -> [ReferenceModel.Job] {
    model.jobs.values.filter(isWanted).sorted { $0.id.number < $1.id.number }
  }

  func ack(_ job: ReferenceModel.Job, text: [UInt8] = []) -> Request {
    .finish(
      Request.Finish(
        job: job.id, viewer: .all, lease: job.lease, key: "", outcome: .acked, isRetryable: true,
        delayMilliseconds: 0, text: text))
  }
}

extension Submission {
  /// Whether this is what was submitted.
  fileprivate func matches(_ stored: JobBodyLayout) -> Bool {
    stored.payload.elementsEqual(payload) && stored.metadata.elementsEqual(metadata) && stored.tags.elementsEqual(tags)
      && stored.queue.elementsEqual(queue.utf8) && stored.type.elementsEqual(type.utf8)
      && stored.owner.elementsEqual(owner.utf8) && stored.schedule.elementsEqual(schedule)
      && stored.traceparent.elementsEqual(traceparent.utf8)
      && hasOptions(stored.options)
  }
}

/// A second machine, rebuilt from a copy of the disk.
private final class Rebuilt {
  var machine: StateMachine

  init(copyOf disk: SimulatedDisk, setting: Store.Setting) throws(LogError) {
    machine = StateMachine(secret: setting.newSecret, limits: setting.limits, defects: setting.defects)
    var hasBegun = false
    _ = try SegmentedLog.open(disk: SimulatedDisk(copying: disk), options: setting.options) {
      (frame: borrowing ReplayedFrame) throws(LogError) in
      if !hasBegun {
        hasBegun = true
        machine.beginReplay(first: LogPosition(rawValue: UInt64(frame.start.segment) << 32))
      }
      do throws(ReplayError) {
        try machine.replay(
          frame.records, at: LogPosition(rawValue: frame.start.rawValue), logTime: frame.stamp.logTime,
          epoch: frame.stamp.epoch, startsSegment: frame.startsSegment)
      } catch {
        throw .corrupt(error.corruption)
      }
    }
    guard hasBegun else { return }
    do throws(ReplayError) { try machine.endReplay() } catch { throw .corrupt(error.corruption) }
  }
}
