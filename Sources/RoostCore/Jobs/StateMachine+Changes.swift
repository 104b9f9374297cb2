/// What commands and timers do to a job: each writes a record and applies it.
extension StateMachine {
  /// Makes a job READY, behind those that are.
  mutating func ready(_ slot: Slot, isReplay: Bool, _ step: inout Step) {
    let row = jobs.hot(slot)
    let event = Readied(
      number: row.pointee.number, base: row.pointee.base, order: nextOrder, isReplay: isReplay,
      forgetsExpiry: isReplay && outlivesExpiry(slot))
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }

  /// Writes and applies the end of an attempt, or of a waiting job's waiting.
  ///
  /// - Parameters:
  ///   - pause: Milliseconds until RETRY or SCHEDULED is due.
  ///   - isForGood: False where the job begins anew at once: nobody is told that it ended.
  mutating func end(
    _ slot: Slot, _ outcome: Outcome, _ next: JobState, text: ByteRange, _ checksum: UInt32, pause: Int64 = 0,
    isForGood: Bool = true, _ step: inout Step
  ) {
    end(slot, outcome, next, text: step.bytes(text), checksum, pause: pause, isForGood: isForGood, &step)
  }

  /// Cancels a waiting job for a reason of the daemon's own.
  mutating func cancel(_ slot: Slot, because reason: CancelReason, _ step: inout Step) {
    reason.text.withUTF8Buffer {
      end(slot, .cancelled, .cancelled, text: UnsafeRawBufferPointer($0), reason.checksum, &step)
    }
  }

  /// Cancels a job for a reason of the daemon's own: one that waits at once, of one that runs the worker is asked to stop.
  mutating func stop(_ slot: Slot, because reason: CancelReason, _ step: inout Step) {
    let row = jobs.hot(slot).pointee
    if JobState(rawValue: row.state)!.isWaiting { return cancel(slot, because: reason, &step) }
    guard row.state == JobState.running.rawValue, row.flags & RowFlags.cancelRequested == 0 else { return }
    reason.text.withUTF8Buffer {
      end(slot, .cancelRequested, .running, text: UnsafeRawBufferPointer($0), reason.checksum, &step)
    }
  }

  private mutating func end(
    _ slot: Slot, _ outcome: Outcome, _ next: JobState, text: UnsafeRawBufferPointer, _ checksum: UInt32,
    pause: Int64 = 0, isForGood: Bool = true, _ step: inout Step
  ) {
    let row = jobs.hot(slot)
    let cell = existingLeaseCell(slot)?.pointee
    let wasHeld = outcome.endsAttempt
    let worker = wasHeld ? workerNames.bytes(cell!.worker) : UnsafeRawBufferPointer(start: nil, count: 0)
    var entry = HistoryEntry(
      outcome: outcome, attempt: wasHeld ? row.pointee.attempts : 0, leasedAt: wasHeld ? cell!.leasedAt : 0,
      endedAt: now.wall, text: text, checksum: 0, worker: worker)
    entry.seal(text.isEmpty ? 0 : checksum, number: row.pointee.number)
    let event = Ended(
      number: row.pointee.number, base: row.pointee.base, next: next,
      pause: UInt32(clamping: next == .retry ? pause : 0), order: order(for: outcome, next, row.pointee.order),
      deadline: deadline(slot, next, pause: pause), uptime: uptime, previous: cell?.history ?? 0,
      previousBytes: cell?.historyBytes ?? 0, entry: entry)
    let place = event.encode(into: &step.records)
    if outcome == .cancelRequested { step.cancelRequests.append(row.pointee.number) }
    if wasHeld { noteEnd(ofAttempt: slot, outcome, next, leasedAt: cell!.leasedAt) }
    event.apply(to: slot, at: place, in: &self)
    guard next.isFinished else { return }
    // A run of a schedule is over with its death, whatever queue takes the job.
    if isForGood { noteEnd(slot) } else if schedules.hasRuns { noteRunEnd(slot) }
  }

  /// Each entry into a list takes a new order number; what is handed back undelayed keeps its place.
  private func order(for outcome: Outcome, _ next: JobState, _ current: UInt64) -> UInt64 {
    switch next {
    case .acked, .dead, .cancelled: nextOrder
    case .ready, .retry, .scheduled, .running, .blocked: current
    }
  }

  private func deadline(_ slot: Slot, _ next: JobState, pause: Int64) -> Int64 {
    switch next {
    case .retry, .scheduled: return now.log + pause.nanoseconds
    case .acked, .cancelled:
      let own = policy(jobs.cold(slot).pointee.policy).retentionMilliseconds
      let retention = own >= 0 ? own : settings(ofJob: slot)?[.retention] ?? limits.retentionMilliseconds
      return uptime + retention.nanoseconds
    case .ready, .running, .dead, .blocked: return 0
    }
  }

  /// Writes what a worker says of its progress, or writes it again behind a carried job.
  ///
  /// - Parameter checksum: Sealed.
  mutating func report(_ slot: Slot, _ text: UnsafeRawBufferPointer, _ checksum: UInt32, _ step: inout Step) {
    let row = jobs.hot(slot)
    let event = Reported(
      number: row.pointee.number, base: row.pointee.base, checksum: checksum, text: text)
    let place = event.encode(into: &step.records)
    event.apply(to: slot, at: place, in: &self)
  }

  /// Removes a finished job; a stub stays while its key's window is open.
  mutating func purge(_ slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot)
    var stubUntil: Int64 = 0
    if keyEntry(of: slot) != .none, let cell = existingLeaseCell(slot) {
      let until = cell.pointee.endedUptime + limits.idempotencyWindowMilliseconds.nanoseconds
      if until > uptime, !defects.contains(.keyFreedWithJob) { stubUntil = until }
    }
    if batches.hasMembers { countLeaver(slot, &step) }
    let event = Purged(number: row.pointee.number, base: row.pointee.base, stubUntil: stubUntil)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}
