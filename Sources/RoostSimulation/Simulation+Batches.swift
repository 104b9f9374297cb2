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
    repeat {
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
        daemon.store.step.replies[decided...], hasMore: hasMore || daemon.store.isDueHeld || failure != nil,
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
          checksum: { Checksum.of($0) }), history: history, keyFields: [UInt8](stored.keyFields))
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

  /// The queues that the step's records of a kind name, in their order: it holds nothing but the name.
  private func names(in kind: RecordKind, _ places: some RangeExpression<Int>) -> [String] {
    var (names, place) = ([String](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard record[0] == kind.rawValue, places.contains(place) else { return }
      names.append(String(decoding: record.dropFirst(), as: UTF8.self))
    }
    return names
  }

  /// The groups that are not paused by the records that stand behind those of the requests, in their order.
  private func resumedGroups(from first: Int) -> [ReferenceModel.GroupKey] {
    var (groups, place) = ([ReferenceModel.GroupKey](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard place >= first, record[0] == RecordKind.groupSet.rawValue, record[49] == 0 else { return }
      let mask = UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 53, as: UInt64.self))
      let owner = 61 + 8 * mask.nonzeroBitCount + Int(record[50])
      let group = owner + Int(record[51])
      let queue = group + Int(record[52])
      groups.append(
        ReferenceModel.GroupKey(
          queue: String(decoding: record[queue...], as: UTF8.self), owner: Array(record[owner..<group]),
          name: String(decoding: record[group..<queue], as: UTF8.self)))
    }
    return groups
  }

  /// What the step's records say of schedules: who they are, and what they did behind the requests.
  private func noteSchedules(from first: Int) {
    var (changes, place) = ([ReferenceModel.ScheduleChange](), 0)
    var stopped: Set<UInt64> = []
    let secret = daemon.store.machine.secret
    var submittedDeadline: Int64 = 0
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      func number(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      func instant(_ offset: Int) -> Int64? {
        let seconds = Int64(bitPattern: number(offset))
        return seconds == .min ? nil : seconds
      }
      switch RecordKind(of: record) {
      case .scheduleSet?:
        let name = 148 + Int(record[142])
        scheduleNames[number(1)] = ReferenceModel.ScheduleKey(
          owner: Array(record[148..<name]),
          name: String(decoding: record[name..<name + Int(record[143])], as: UTF8.self))
      case .scheduleFired? where place >= first:
        guard let key = scheduleNames[number(1)], let kind = ScheduleRun.Kind(rawValue: record[41]) else { return }
        let job = JobID(
          number: JobNumber(rawValue: number(33)), createdMilliseconds: clock.reading.wall / 1_000_000, key: secret)
        changes.append(
          .fired(
            key, kind, instant: instant(17)!, next: instant(25), number: number(33), deadline: submittedDeadline,
            id: job))
      case .submitted?: submittedDeadline = Int64(bitPattern: number(25))
      case .scheduleMissed? where place >= first:
        guard let key = scheduleNames[number(1)] else { return }
        changes.append(
          .missed(
            key, first: instant(17)!, last: instant(25)!, next: instant(33), count: number(41),
            ScheduleMiss(rawValue: record[49])))
      case .ended? where place >= first:
        guard let entries = StoredRecord(record).history?.entries else { return }
        var reader = RecordReader(entries)
        guard let entry = HistoryEntry(&reader), entry.text.elementsEqual(CancelReason.nextRun.rawValue.utf8),
          [.cancelled, .cancelRequested].contains(entry.outcome)
        else { return }
        changes.append(.stopped(number(1)))
        stopped.insert(number(1))
      default: return
      }
    }
    (model.scheduleChanges, model.stopped) = (changes, stopped)
  }

  /// The waiting jobs that the step's records say were cancelled for a reason of the daemon's own, in their order.
  private func cancelledJobs(_ reason: CancelReason, _ places: some RangeExpression<Int>) -> [UInt64] {
    var (numbers, place) = ([UInt64](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard places.contains(place) else { return }
      guard let entries = StoredRecord(record).history?.entries, record[0] == RecordKind.ended.rawValue else { return }
      var reader = RecordReader(entries)
      guard let entry = HistoryEntry(&reader), entry.outcome == .cancelled,
        entry.text.elementsEqual(reason.rawValue.utf8)
      else { return }
      numbers.append(UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 1, as: UInt64.self)))
    }
    return numbers
  }

  /// The jobs that the step's records say were too late, in their order.
  private func lateJobs(in places: Range<Int>) -> [UInt64] {
    var (numbers, place) = ([UInt64](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard places.contains(place), record[0] == RecordKind.ended.rawValue,
        let entries = StoredRecord(record).history?.entries
      else { return }
      var reader = RecordReader(entries)
      guard let entry = HistoryEntry(&reader) else { return }
      let isCancelled = entry.outcome == .cancelled && entry.text.elementsEqual(CancelReason.expired.rawValue.utf8)
      guard entry.outcome == .tooLate || isCancelled else { return }
      numbers.append(UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 1, as: UInt64.self)))
    }
    return numbers
  }

  /// What an operation did, by the records that stand behind those of the requests: nothing else is decided before it.
  private func bulkChanges(from first: Int) -> [ReferenceModel.BulkChange] {
    var (changes, place, end, isOver) = ([ReferenceModel.BulkChange](), 0, 0, false)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard place >= first, !isOver, let kind = RecordKind(of: record) else { return }
      func number(at offset: Int = 1) -> UInt64 {
        UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      switch kind {
      case .ended: changes.append(.cancelled(number()))
      case .readied: changes.append(record[25] & 1 == 0 ? .hastened(number()) : .replayed(number()))
      case .moved:
        let queue = String(decoding: record.dropFirst(26), as: UTF8.self)
        changes.append(.moved(number(), to: queue, beginsAnew: record[25] & 1 != 0))
      case .purged: changes.append(.purged(number()))
      case .queueDeleted: changes.append(.deleted(queue: String(decoding: record.dropFirst(), as: UTF8.self)))
      case .operationAdvanced:
        changes.append(.advanced(id: number(), OperationPhase(rawValue: record[9])!, done: number(at: 19)))
        end = changes.count
      // Compaction writes them again.
      case .operationBegan: isOver = true
      default: break
      }
    }
    return Array(changes.prefix(end))
  }

  private func forEach(_ records: borrowing RecordBuffer, _ body: (UnsafeRawBufferPointer) -> Void) {
    guard records.recordCount > 0 else { return }
    let bytes = UnsafeRawBufferPointer(records.frame)
    var at = SegmentedLog.headroom
    for _ in 0..<records.recordCount {
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      body(UnsafeRawBufferPointer(rebasing: bytes[(at + 4)..<(at + 4 + length)]))
      at += 4 + length
    }
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
    }
  }
}
