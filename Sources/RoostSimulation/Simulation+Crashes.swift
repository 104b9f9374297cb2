import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// How a process ends and the next begins.
extension Simulation {
  /// A call of the store threw: the machine stopped, or the disk failed and the daemon ends itself.
  func stopped(by error: LogError) throws {
    // A start failed, and nothing serves.
    guard daemon != nil else { throw error }
    let (wasTrimReady, hasTrimmed) = (daemon.store.isTrimReady, daemon.store.log.space.trimmedSegments > 0)
    try expectUnusable(error)
    if candidates.isEmpty { candidates = [Candidate(model: model, image: image)] }
    if disk.isStopped {
      note("the machine stopped: \(error)", point(of: error, wasTrimReady: wasTrimReady, hasTrimmed: hasTrimmed))
      daemon = nil
      // The machine, or the process alone.
      disk.crash(losingUnsynced: !faults.areRandom || random.chance(0.75))
    } else if case .vanished = error {
      note("\(error)", .vanished)
      daemon = nil
      // Whoever moved it puts it back.
      disk.isMovedAway = false
      disk.crash(losingUnsynced: random.chance(0.5))
    } else if case .io = error {
      note("the disk failed: \(error)", .syncFailed)
      daemon = nil
      disk.clearFailures()
      disk.crash(losingUnsynced: random.chance(0.5))
    } else if case .outOfSpace = error {
      note("no room even for the reserve: \(error)")
      // What it decides must find room, unless space vanished behind its back.
      try model.expect(
        disk.struck[.noSpace, default: 0] > noSpaceBefore,
        "a full disk ended the daemon: \(daemon.store.step.records.count) bytes of records, safe are "
          + "\(daemon.store.safeBytes), \(daemon.store.log.space), short \(daemon.store.isShortOfSpace): \(error)")
      daemon = nil
      emptyDisk()
      disk.crash(losingUnsynced: random.chance(0.5))
    } else {
      throw error
    }
    if hasTrimmed || wasTrimReady, isTrimmedOnDisk { note("trimmed, not unlinked", .headBeforeUnlink) }
    try restart()
  }

  /// After a failure the store takes nothing more: memory and page cache cannot be trusted.
  private func expectUnusable(_ error: LogError) throws {
    guard case .io = error, !disk.isStopped else { return }
    do throws(LogError) {
      try daemon.store.begin(
        reading: clock.reading, arena: UnsafeRawBufferPointer(start: nil, count: 0), expectedBytes: 0)
    } catch {
      return
    }
    throw ReferenceModel.Violation(message: "the store goes on after \(error)")
  }

  private func point(of error: LogError, wasTrimReady: Bool, hasTrimmed: Bool) -> CrashPoint {
    guard case .io(let operation, let file, _) = error else { return .powerCut }
    if hasTrimmed, operation == "remove" || operation == "list" { return .headBeforeUnlink }
    if wasTrimReady, file == SegmentName.head { return .copiesBeforeHead }
    if file.hasSuffix(SegmentName.unfinishedSuffix) || operation == "query of free space" { return .segmentMaking }
    if file == SegmentName.head { return .segmentTaking }
    switch operation {
    case "write": return .frameWrite
    case "sync": return .frameSync
    case "rename", "sync of the directory": return .segmentMaking
    default: return daemon.store.isCompacting ? .carrying : .segmentTaking
    }
  }

  /// A segment is cut off in a durable `HEAD` and still a file.
  private var isTrimmedOnDisk: Bool {
    let inspection = try? LogInspector(disk: SimulatedDisk(copying: disk)).inspect()
    let first = inspection?.head?.firstSegment ?? 0
    return disk.names.contains { SegmentName.number(of: $0).map { $0 < first } ?? false }
  }

  /// The process ends between two calls: killed, with the machine, or in good order.
  func endProcess() throws {
    candidates = [Candidate(model: model, image: image)]
    if daemon.store.isTrimReady { note("copies are durable, HEAD is not", .copiesBeforeHead) }
    switch random.below(4) {
    case 0:
      do {
        try answerWaiters()
      } catch let error as LogError {
        return try stopped(by: error)
      }
      try stopInOrder()
    case 1:
      note("power cut", .powerCut)
      daemon = nil
      disk.crash()
    default: killed()
    }
    try restart()
  }

  func killed() {
    candidates = [Candidate(model: model, image: image)]
    note("killed", .killed)
    daemon = nil
    disk.crash(losingUnsynced: false)
  }

  func stopInOrder() throws {
    candidates = [Candidate(model: model, image: image)]
    if faults.areRandom, random.chance(0.3) { disk.stopMachine(atCall: 1 + random.below(2)) }
    do {
      try daemon.store.stop(reading: clock.reading)
      note("stopped in order", .cleanStop)
    } catch {
      guard disk.isStopped || isArmed else { throw error }
      note("the clean stop failed: \(error)", disk.isStopped ? .cleanStopping : .syncFailed)
    }
    let isPowerOff = disk.isStopped || random.chance(0.5)
    daemon = nil
    disk.crash(losingUnsynced: isPowerOff)
  }

  /// Who waits is told to go; what comes after that is still answered, and waits for nothing.
  func answerWaiters() throws {
    guard !isArmed || !faults.areRandom else { return }
    try batch([.drainWaiters])
    guard faults.areRandom, random.chance(0.5) else { return }
    workload.random = random.split()
    try batch((0..<3).flatMap { _ in workload.group(model) })
  }

  // MARK: The next start

  /// Opens the store, through crashes of the recovery itself, and compares what it found with what was answered.
  func restart() throws {
    disk.clearFailures()
    if faults.areRandom { disk.unplan() }
    report.crashes += 1
    isArmed = disk.isFaultPlanned
    var expected = candidates
    candidates = []
    if faults.areRandom, random.chance(0.1) { reconfigure() }
    var damage = faults.areRandom && expected.count == 1 && random.chance(0.3) ? try rot() : nil
    hasReserve = false
    let (death, kernel) = (clock.boot, clock.bootID)
    var starts: Int64 = 0
    var walls: [Int64] = []
    while true {
      starts += 1
      clock.restart(&random)
      walls.append(clock.reading.wall / 1_000_000)
      if faults.areRandom { armRecovery() }
      setting.reading = clock.reading
      setting.bootID = clock.bootID
      setting.entropy = random.next()
      let wasPlanned = disk.isFaultPlanned
      let before = damage == nil ? [:] : contents
      do throws(LogError) {
        daemon = Daemon(try Store.open(disk: disk, setting: setting))
        break
      } catch LogError.outOfSpace, LogError.noRoom {
        emptyDisk()
        disk.crash(losingUnsynced: disk.isStopped)
      } catch {
        if let found = damage, !disk.isStopped, error.isDamage {
          try refused(found, error, before)
          damage = nil
          continue
        }
        let isPlanned = wasPlanned && !disk.isFaultPlanned
        guard disk.isStopped || isPlanned else { throw error }
        note("the machine stopped in recovery: \(error)", .recovery)
        disk.crash(losingUnsynced: disk.isStopped || random.chance(0.5))
      }
    }
    if faults.areRandom {
      disk.disarm()
      disk.unplan()
    }
    count(daemon.store.step.records)
    if daemon.store.log.tornTail != nil { note("a torn tail was set aside", .tornTail) }
    if damage?.mayLoseLastFrame == true { expected.insert(Candidate(model: beforeLastFrame!, image: nil), at: 0) }
    // While the kernel is the same its clock tells how long the process was away at least, if the log still says when.
    let isKnown =
      damage == nil && kernel != 0 && clock.bootID == kernel && expected.allSatisfy { $0.model.epoch > 0 }
    let least = isKnown ? clock.boot - death : 0
    let adopted = try adopt(
      expected, downtime: min(least, LogClock.mostDowntime)...starts * LogClock.mostDowntime, walls)
    if damage != nil {
      report.faults[adopted < expected.count - 1 ? .tailLost : .damageWithoutEffect, default: 0] += 1
    }
    beforeLastFrame = nil
  }

  /// The operator changes settings: what they decided before stands in the log.
  private func reconfigure() {
    let configuration = Configuration(&random)
    setting.limits = configuration.limits
    setting.options.segmentBytes = configuration.segmentBytes
    setting.options.firstSegmentBytes = configuration.firstSegmentBytes
    for name in configuration.names { report.settings[name, default: 0] += 1 }
    note("other settings: \(configuration.names.joined(separator: " "))")
  }

  /// Recovery, too, is stopped, or has one of its calls fail.
  private func armRecovery() {
    disk.unplan()
    let call = disk.callCount + 1 + random.below(60)
    switch random.below(20) {
    case 0..<7: disk.stopMachine(atCall: call - disk.callCount)
    case 7: disk.plan(.fail(errno: EIO), atCall: call)
    case 8: disk.plan(.fail(errno: ENOSPC), atCall: call)
    default: break
    }
  }

  /// The log says which of the possible pasts happened; it must be exactly one of them, and this is its index.
  ///
  /// - Parameter walls: By the wall clock, milliseconds: when each of the starts began that this one ended.
  private func adopt(
    _ expected: [Candidate], downtime: ClosedRange<Int64>, _ walls: [Int64]
  ) throws -> Int {
    var reasons: [String] = []
    let found = image
    for (index, candidate) in expected.enumerated().reversed() {
      do {
        if let image = candidate.image { try compare(found.withoutBoot, image.withoutBoot, "rebuilt after a crash") }
        var model = candidate.model
        try model.booted(
          epoch: daemon.store.machine.epoch, credited: Int64(bitPattern: found.counters[4]), downtime: downtime,
          at: instant,
          clocks: ReferenceModel.Clocks(
            boot: clock.reading.boot, wall: clock.reading.wall, known: daemon.store.start.known,
            isSameKernel: daemon.store.start.isSameKernel),
          limits: setting.limits)
        // A start that was stopped may be durable. At the same log time the next one raises no lease again, and its end
        // is told by the wall clock of the one that did.
        for row in found.rows where row.state == JobState.running.rawValue {
          guard let job = model.jobs[row.number], job.deadline == row.deadline else { continue }
          let grace = min(job.leaseDuration, 60_000_000_000)
          guard job.deadline == daemon.store.machine.logTime + grace, walls.contains(row.foreseen - grace / 1_000_000)
          else { continue }
          model.jobs[row.number]!.foreseen = row.foreseen
        }
        try model.verify(count: daemon.store.machine.jobCount, seen)
        // To the nanosecond: two pasts may differ by that alone.
        for row in found.rows where row.state == JobState.running.rawValue {
          let job = model.jobs[row.number]!
          try model.expect(job.deadline == row.deadline, "the lease of job \(row.number)")
          try model.expect(job.attemptEnds == row.attemptEnds, "the end of job \(row.number)'s attempt")
        }
        self.model = model
        try checkMemory()
        return index
      } catch let violation as ReferenceModel.Violation {
        reasons.append(violation.message)
      }
    }
    throw ReferenceModel.Violation(message: reasons.joined(separator: "; or "))
  }
}

extension LogError {
  /// Whether it says that bytes are not what was written.
  fileprivate var isDamage: Bool {
    switch self {
    case .corrupt, .unknownVersion, .unknownRecord: true
    default: false
    }
  }
}

extension StateMachine.Image {
  /// Without what a start changes: epoch, downtime, boot id, the grace of open leases.
  var withoutBoot: Self {
    var image = self
    for index in [0, 4, 6] { image.counters[index] = 0 }
    for index in image.rows.indices where image.rows[index].state == JobState.running.rawValue {
      image.rows[index].deadline = 0
      image.rows[index].foreseen = 0
      image.rows[index].attemptEnds = min(image.rows[index].attemptEnds, 1)
    }
    return image
  }
}
