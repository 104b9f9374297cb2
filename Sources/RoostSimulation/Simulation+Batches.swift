import RoostCore
import RoostEngine
import RoostLog

/// Batches of requests through store and model, which must agree on every answer, and what is counted of them.
extension Simulation {
  /// A request that the store took into its batch, and what it answered so far.
  private struct Asked {
    var request: Request
    var ticket: UInt64
    /// Its own answer, then those of waiting workers that it served.
    var replies: Range<Int>
    /// The places of its records in the batch.
    var records: Range<Int>
    /// Its record might not have found room on a full disk.
    var isTight: Bool
  }

  /// A step decides two things at least where it decides any, and no history has so many due at once.
  private static let mostSteps = 20_000

  /// Sends requests through the store, in one batch or as many as they take; without any it is what is due. Each answer,
  /// and the state after it, goes past the model.
  func batch(_ wanted: [Request]) throws {
    let requests = wanted.map { readAhead($0) }
    var encoder = RequestEncoder(secret: daemon.store.machine.secret)
    let commands = requests.map { encoder.command($0) }
    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, encoder.arena.count), alignment: 8)
    defer { arena.deallocate() }
    arena.copyBytes(from: encoder.arena)
    var next = 0
    var hasMore = false
    var steps = 0
    repeat {
      steps += 1
      try model.expect(steps < Self.mostSteps, "due work comes to no end: \(daemon.store.machine.leftToDo)")
      if isArmed { keepCandidate() }
      let before = model
      try daemon.store.begin(
        reading: clock.reading, arena: UnsafeRawBufferPointer(arena),
        expectedBytes: encoder.arena.count + 256 * requests.count)
      try model.begin(at: instant, boot: clock.reading.boot, wall: clock.reading.wall)
      report.diskLevels[daemon.store.isReadOnly ? 4 : model.now.conditions.diskLevel] += 1
      model.stepGrants = []
      var asked: [Asked] = []
      while next < requests.count {
        let first = daemon.store.step.replies.count
        let firstRecord = daemon.store.step.records.recordCount
        let planned = daemon.store.planned(commands[next]).command
        let isTight = daemon.store.mightNotFit(planned)
        guard daemon.store.handle(commands[next], ticket: nextTicket) else { break }
        let replies = first..<daemon.store.step.replies.count
        let isTooLarge = daemon.store.step.replies[replies].first?.answer.refusal == .tooLarge
        asked.append(
          Asked(
            request: requests[next], ticket: nextTicket, replies: replies,
            records: firstRecord..<daemon.store.step.records.recordCount, isTight: isTight && !isTooLarge))
        nextTicket += 1
        next += 1
      }
      // The daemon's frames are smaller than its segments: one more than the reserve counts with does not outgrow it.
      if daemon.store.step.records.count > daemon.store.log.segmentBytes { hasReserve = false }
      let decided = daemon.store.step.replies.count
      let askedRecords = daemon.store.step.records.recordCount
      var failure: LogError?
      do throws(LogError) {
        hasMore = try daemon.store.commit()
      } catch {
        failure = error
      }
      model.stepGrants = daemon.store.step.grants
      model.stepAccepted = daemon.store.step.accepted
      model.stepBatches = daemon.store.step.batches
      noteBatches(from: askedRecords)
      let beforeFires = daemon.store.recordsBeforeFires
      model.forgotten = names(in: .queueForgotten, ..<beforeFires)[...]
      noteSchedules(from: askedRecords)
      model.resumed = names(in: .queueResumed, 0...)[...]
      model.dropped = cancelledJobs(.queueFull, 0...)[...]
      let tooOld = cancelledJobs(.tooOld, askedRecords...)
      model.bulk = bulkChanges(from: askedRecords)
      model.resumedGroups = resumedGroups(from: askedRecords)[...]
      // After a failed commit this is what the log may say or not; nothing was answered.
      for asked in asked {
        model.late = lateJobs(in: asked.records)
        try judge(asked)
      }
      model.late = lateJobs(in: askedRecords..<daemon.store.step.records.recordCount)
      try model.decidedDue(
        daemon.store.step.replies[decided...], secret: daemon.store.machine.secret,
        hasMore: hasMore || daemon.store.isDueHeld || failure != nil,
        isShort: daemon.store.isShortOfSpace || disk.capacityBytes < .max,
        forgottenForFires: names(in: .queueForgotten, beforeFires...)[...], tooOld: Set(tooOld),
        count: daemon.store.machine.jobCount, seen)
      if let failure {
        candidates = [Candidate(model: before, image: candidates.last?.image), Candidate(model: model, image: image)]
        throw failure
      }
      try model.expect(
        !disk.isMovedAway || daemon.store.step.records.recordCount == 0, "answered from a directory that is gone")
      for asked in asked { countAnswers(asked) }
      count(daemon.store.step.records)
      if daemon.store.step.records.recordCount > 0 { beforeLastFrame = before }
      candidates = []
    } while next < requests.count || hasMore
  }

  /// What a job carries is read before it is written anew; what cannot be read stays as it is.
  private func readAhead(_ request: Request) -> Request {
    guard case .change(var wanted) = request, wanted.rewrites else { return request }
    wanted.stored = stored(wanted)
    if wanted.stored == nil { (wanted.group, wanted.tags, wanted.payload) = (nil, nil, nil) }
    return .change(wanted)
  }

  private func stored(_ wanted: Request.Change) -> Request.Change.Stored? {
    guard let image = seen(wanted.job), image.state.isWaiting else { return nil }
    let (number, log) = (wanted.job.number.rawValue, daemon.store.log)
    let loader = RecordLoader((log.firstSegment...log.currentSegment).map { log.pin($0) })
    guard let record = try? loader.record(at: image.base, bytes: image.recordBytes),
      let parts = try? loader.history(at: image.history, bytes: image.historyBytes),
      let history = HistoryEntry.kept(parts, number: number, checksum: { Checksum.of($0) })
    else { return nil }
    return record.withUnsafeBytes { bytes in
      let stored = StoredRecord(bytes)
      guard let body = stored.body, let layout = JobBodyLayout(body), layout.isSound(number) else { return nil }
      return Request.Change.Stored(
        base: image.base, outcome: image.history,
        body: layout.encoded(
          group: wanted.group.map { Array($0.utf8) }, tags: wanted.tags, payload: wanted.payload, sealedFor: number,
          checksum: { Checksum.of($0) }), history: history, keyFields: [UInt8](stored.keyFields),
        dependencies: [UInt8](stored.dependencies))
    }
  }

  private func judge(_ asked: Asked) throws {
    let isShort = disk.capacityBytes < .max || daemon.store.isShortOfSpace || daemon.store.isReadOnly
    try model.expect(!asked.isTight || isShort, "refused for space that there is: \(asked.request)")
    var page: [JobImage] = []
    var queue: QueueImage?
    var operations: [OperationImage] = []
    var groups: [ReferenceModel.SeenGroup] = []
    var schedules: [ReferenceModel.SeenSchedule] = []
    for reply in daemon.store.step.replies[asked.replies] where reply.ticket == asked.ticket {
      if case .page(let first, let count, _, _) = reply.answer {
        page = Array(daemon.store.step.jobs[Int(first)..<Int(first + count)])
      } else if case .queues(let first, let count) = reply.answer {
        queue = daemon.store.step.queues[Int(first)..<Int(first + count)].first
      } else if case .operations(let first, let count) = reply.answer {
        operations = Array(daemon.store.step.operations[Int(first)..<Int(first + count)])
      } else if case .groups(let first, let count, _) = reply.answer {
        groups = daemon.store.step.groups[Int(first)..<Int(first + count)].map {
          ReferenceModel.SeenGroup(
            image: $0, name: text($0.name), owner: Array(text($0.owner).utf8), reason: text($0.pauseReason))
        }
      } else if case .schedules(let first, let count, _, _) = reply.answer {
        schedules = daemon.store.step.schedules[Int(first)..<Int(first + count)].map {
          ReferenceModel.SeenSchedule(
            image: $0, key: ReferenceModel.ScheduleKey(owner: Array(text($0.owner).utf8), name: text($0.name)))
        }
      }
    }
    try expectRoom(asked.request, asked.ticket, asked.replies)
    do throws(ReferenceModel.Violation) {
      try model.leftTooOld(cancelledJobs(.tooOld, asked.records), asked.request)
      try model.answered(
        asked.request, ticket: asked.ticket, Array(daemon.store.step.replies[asked.replies]), page: page, queue: queue,
        operations: operations, groups: groups, schedules: schedules, isTight: asked.isTight)
    } catch {
      if isVerbose { note("\(asked.request) failed") }
      throw error
    }
  }

  private func text(_ range: ByteRange) -> String {
    String(decoding: daemon.store.step.text[Int(range.offset)..<Int(range.offset) + Int(range.count)], as: UTF8.self)
  }

  // MARK: Counting

  private func countAnswers(_ asked: Asked) {
    report.operations += 1
    report.requests[asked.request.kind, default: 0] += 1
    for reply in daemon.store.step.replies[asked.replies] {
      if let refusal = reply.answer.refusal {
        report.refusals[refusal, default: 0] += 1
      } else {
        report.answers[reply.answer.name, default: 0] += 1
      }
      if isVerbose, reply.ticket == asked.ticket { note("\(asked.request) → \(reply.answer)") }
    }
  }

  /// Counts the kinds of the records that were just written.
  func count(_ records: borrowing RecordBuffer) {
    forEach(records) { report.events[RecordKind(rawValue: $0[0])!, default: 0] += 1 }
  }
}

extension Answer {
  fileprivate var name: String {
    switch self {
    case .refused(let refusal): "\(refusal)"
    case .submitted(let accepted): accepted.isIdempotent ? "submitted before" : "submitted"
    case .leased: "leased"
    case .leasedMany: "leased many"
    case .nothing: "nothing"
    case .conflict: "key of another job"
    case .notUnique: "not unique"
    case .ended: "ended before"
    case .changed: "changed"
    case .job: "job"
    case .page: "page"
    case .queues: "queues"
    case .carried: "carried"
    case .operations: "operations"
    case .groups: "groups"
    case .schedules: "schedules"
    case .figures: "figures"
    case .workers: "workers"
    case .counted: "counted"
    case .owner: "owner"
    case .graph: "graph"
    case .batches: "batches"
    case .graphRefused(_, let refusal): "\(refusal)"
    case .graphConflict: "key of another job"
    case .graphView: "graph view"
    }
  }
}
