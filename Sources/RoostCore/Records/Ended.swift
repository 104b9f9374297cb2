/// An attempt ended: acknowledged, failed, expired, handed back or undelivered. Or a waiting job was cancelled, or a
/// running one marked.
struct Ended: JobRecord {
  var number: UInt64
  var base: UInt64
  var next: JobState
  /// Milliseconds of the pause before a retry, for decorrelated jitter.
  var pause: UInt32
  /// Where the job now stands in its list; unchanged for RETRY and SCHEDULED.
  var order: UInt64
  /// RETRY, SCHEDULED: log time; ACKED, CANCELLED: uptime at which it may leave; else 0.
  var deadline: Int64
  /// Uptime at the end.
  var uptime: Int64
  /// The record that holds the history before this entry; 0 when there is none.
  var previous: UInt64
  var previousBytes: UInt32
  var entry: HistoryEntry

  static var kind: RecordKind { .ended }
  static var layout: [RecordField] { [8, .position, 1, 4, 8, 8, 8, .position, 4, 1, 2, 8, 8, 4, 4, 1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: 64 + entry.encodedBytes)
    out.put(number)
    out.put(base)
    out.put(next.rawValue)
    out.put(pause)
    out.put(order)
    out.put(deadline)
    out.put(uptime)
    out.put(previous)
    out.put(previousBytes)
    entry.encode(into: &out)
    return records.close(out)
  }

  init(
    number: UInt64, base: UInt64, next: JobState, pause: UInt32, order: UInt64, deadline: Int64, uptime: Int64,
    previous: UInt64, previousBytes: UInt32, entry: HistoryEntry
  ) {
    self.number = number
    self.base = base
    self.next = next
    self.pause = pause
    self.order = order
    self.deadline = deadline
    self.uptime = uptime
    self.previous = previous
    self.previousBytes = previousBytes
    self.entry = entry
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    guard let next = JobState(rawValue: reader.get()) else { return nil }
    self.next = next
    pause = reader.get()
    order = reader.get()
    deadline = reader.get()
    uptime = reader.get()
    previous = reader.get()
    previousBytes = reader.get()
    guard let entry = HistoryEntry(&reader) else { return nil }
    self.entry = entry
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let isPossible =
      switch entry.outcome {
      case .acked: next == .acked
      case .failed, .timedOut: next == .retry || next == .dead || next == .cancelled
      case .expired: next == .retry || next == .ready || next == .dead || next == .cancelled
      case .released, .undelivered: next == .ready || next == .scheduled || next == .cancelled
      case .cancelled: next == .cancelled
      case .tooLate, .buried: next == .dead
      case .cancelRequested: next == .running
      }
    guard isPossible, entry.outcome.endsAttempt == (entry.attempt > 0), RecordBounds.isNumber(number),
      RecordBounds.isWall(entry.leasedAt), RecordBounds.isWall(entry.endedAt), RecordBounds.isOrder(order)
    else {
      throw .unfit(
        "an end", "\(entry.outcome) of attempt \(entry.attempt), then \(next.name), order \(order)", position)
    }
    try RecordBounds.check(uptime, in: 0...state.now.log, "uptime", at: position)
    let deadlines: ClosedRange<Int64> =
      switch next {
      case .retry, .scheduled: state.now.log...state.later
      case .acked, .cancelled: uptime...uptime + RecordBounds.span
      case .ready, .running, .dead, .blocked: 0...0
      }
    try RecordBounds.check(deadline, in: deadlines, "deadline", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    try checkSequence(state, on: slot, at: place.position)
    state.nextOrder = max(state.nextOrder, order + 1)
    if slot != .none { apply(to: slot, at: place, in: &state) }
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard uptime == state.uptime else { throw .unfit("uptime \(state.uptime)", "\(uptime)", position) }
    guard next.isFinished ? order == state.nextOrder : order < state.nextOrder else {
      throw .unfit("order number \(state.nextOrder)", "\(order)", position)
    }
    guard slot != .none else { return }
    let (row, outcome) = (state.jobs.hot(slot).pointee, entry.outcome)
    let cell = state.existingLeaseCell(slot)?.pointee
    guard previous == cell?.history ?? 0, previousBytes == cell?.historyBytes ?? 0 else {
      throw .unfit("the job's last record of history", "another", position)
    }
    guard next.isFinished || order == row.order else {
      throw .unfit("order number \(row.order)", "\(order)", position)
    }
    let isMarked = row.flags & RowFlags.cancelRequested != 0
    guard !outcome.endsWaiting else {
      guard JobState(rawValue: row.state)!.isWaiting else {
        throw state.misplaced("a waiting job", slot, position)
      }
      return
    }
    guard row.state == JobState.running.rawValue, outcome != .cancelRequested || !isMarked else {
      throw state.misplaced("a RUNNING job", slot, position)
    }
    guard outcome.endsAttempt else { return }
    // Who was cancelled while running does not run again; nobody else is CANCELLED by the end of an attempt.
    guard entry.attempt == row.attempts, next == .acked || isMarked == (next == .cancelled),
      next != .retry && !(next == .ready && outcome == .expired) || row.attempts < row.maxAttempts
    else { throw state.misplaced("\(outcome) of attempt \(entry.attempt), then \(next.name)", slot, position) }
  }

  func apply(to slot: Slot, at place: RecordPlace, in state: inout StateMachine) {
    if !state.isLive { state.shareGroup(of: slot) }
    let row = state.jobs.hot(slot)
    let cell = state.leaseCell(slot)
    // The newest entry of a job that was carried lies in its own record.
    let newestBytes = cell.pointee.historyTotal > 0 ? cell.pointee.historyBytes : 0
    cell.pointee.history = place.position.rawValue
    cell.pointee.historyBytes = place.bytes
    state.liveBytes -= Int(cell.pointee.historyTotal)
    cell.pointee.historyTotal = Self.keptHistoryBytes(
      before: cell.pointee.historyTotal, newest: newestBytes, adding: place.bytes)
    state.liveBytes += Int(cell.pointee.historyTotal)
    if entry.outcome == .cancelRequested {
      if state.isLive || !state.defects.contains(.cancelLostInReplay) { row.pointee.flags |= RowFlags.cancelRequested }
      return
    }
    state.leave(slot)
    state.forgetReport(cell)
    if entry.outcome.endsAttempt {
      cell.pointee.lastOutcome = entry.outcome.rawValue
      cell.pointee.said = entry.textChecksum(number: number)
    }
    (cell.pointee.attemptEnds, cell.pointee.attemptForeseen) = (0, 0)
    cell.pointee.endedAt = entry.endedAt
    cell.pointee.endedUptime = uptime
    cell.pointee.pause = pause
    if entry.outcome == .released || entry.outcome == .undelivered { row.pointee.attempts -= 1 }
    if entry.outcome == .expired, cell.pointee.expiries < .max { cell.pointee.expiries += 1 }
    if entry.outcome == .released, cell.pointee.interruptions < .max { cell.pointee.interruptions += 1 }
    let queue = state.queue(of: slot)
    if entry.outcome == .undelivered, state.isGroupTold(row.pointee.group) {
      state.refundRate(queue, cell.pointee.id)
      state.refundGroup(row.pointee.group, cell.pointee.id)
    }
    row.pointee.order = order
    state.nextOrder = max(state.nextOrder, order + 1)
    row.pointee.deadline = next == .ready ? state.now.log : deadline
    if next.hasDeadline { row.pointee.foreseen = entry.endedAt + (deadline - state.now.log) / 1_000_000 }
    row.pointee.flags &= ~(RowFlags.wall | RowFlags.cancelRequested | RowFlags.pushed)
    if next.isFinished, row.pointee.flags & RowFlags.unique != 0 { state.endUnique(slot) }
    count(in: queue, of: &state)
    state.enter(slot, next)
  }

  /// What a job's records of history count for: as much as a carry would keep of them. All else is dead at once, so that
  /// a job that fails a thousand times does not hold a thousand long errors in the log.
  ///
  /// - Parameters:
  ///   - total: What they counted for so far.
  ///   - newest: Bytes of the newest of them; 0 where there is none.
  private static func keptHistoryBytes(before total: UInt32, newest: UInt32, adding bytes: UInt32) -> UInt32 {
    let most = UInt32(HistoryEntry.mostCutRecordBytes)
    let older = total - newest + min(newest, most)
    return min(older, UInt32(HistoryEntry.keptEntries - 1) * most) + bytes
  }

  private func count(in queue: UInt32, of state: inout StateMachine) {
    switch entry.outcome {
    case .acked: state.queues[Int(queue)].totals.acked += 1
    case .failed, .expired, .timedOut: state.queues[Int(queue)].totals.failed += 1
    case .released, .undelivered, .cancelled, .cancelRequested, .tooLate, .buried: break
    }
    if next == .dead { state.queues[Int(queue)].totals.dead += 1 }
    guard state.isLive else { return }
    if entry.outcome == .expired { state.queues[Int(queue)].activity.expired += 1 }
    if entry.outcome == .timedOut { state.queues[Int(queue)].activity.timedOut += 1 }
    if next == .cancelled { state.queues[Int(queue)].activity.cancelled += 1 }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.nextOrder = max(state.nextOrder, order + 1)
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    let row = state.jobs.hot(slot)
    let isRunning = row.pointee.state == JobState.running.rawValue
    if entry.outcome == .cancelRequested, !isRunning { return notes.misfits += 1 }
    // The lease that this ends may be lost; the entry says which attempt it was.
    if entry.attempt > 0 { row.pointee.attempts = min(entry.attempt, row.pointee.maxAttempts) }
    if row.pointee.attempts == 0, entry.outcome == .released || entry.outcome == .undelivered {
      row.pointee.attempts = 1
    }
    apply(to: slot, at: place, in: &state)
    state.fit(slot)
  }

  // MARK: Carry

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    guard let event = Ended(whole: record) else { return found }
    found.history = StoredRecord.History(
      entries: UnsafeRawBufferPointer(rebasing: record[(record.count - event.entry.encodedBytes)...]),
      previous: LogPosition(rawValue: event.previous), previousBytes: event.previousBytes)
    return found
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Ended(whole: record).map {
      var event = $0.event($0.eventKind, $0.next)
      (event.outcome, event.attempt, event.worker) = ($0.entry.outcome, Int($0.entry.attempt), $0.entry.worker)
      return event
    }
  }

  private var eventKind: LoggedEvent.Kind {
    switch (entry.outcome, next) {
    case (.cancelRequested, _): .jobCancelRequested
    case (_, .dead): .jobDead
    case (_, .cancelled): .jobCancelled
    case (.acked, _): .jobAcked
    case (.failed, _), (.timedOut, _): .jobFailed
    case (.expired, _), (.tooLate, _): .jobExpired
    case (.released, _), (.undelivered, _), (.cancelled, _), (.buried, _): .jobReleased
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("outcome", text: "\(entry.outcome)")
    out.add("state", text: next.name)
    out.add("attempt", entry.attempt)
    out.add("order", order)
    out.add("deadline", deadline)
    out.add("uptime", uptime)
    out.add("leased_at_ms", entry.leasedAt)
    out.add("ended_at_ms", entry.endedAt)
    out.add("worker", name: entry.worker)
    out.add("text", content: entry.text)
    return out
  }
}
