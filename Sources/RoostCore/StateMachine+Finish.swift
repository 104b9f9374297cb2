/// The end of an attempt: acknowledged, failed, handed back or expired; and cancelling, hastening, replaying.
extension StateMachine {
  mutating func handle(_ command: Command.Finish, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return answerLate(command, ticket, &step) }
    if let refusal = whyNotHeld(slot, command, step) { return answerLate(command, slot, refusal, ticket, &step) }
    if Int(command.text.count) > limits.smallResultBytes {
      // A long record may leave as much of a segment unused as it takes of the next.
      let cost = 2 * Int(command.text.count)
      guard cost <= conditions.largeResultBytes else { return step.answer(ticket, .refused(.diskLow)) }
      conditions.largeResultBytes -= cost
    }
    switch command.outcome {
    case .acked: end(slot, .acked, .acked, text: command.text, command.textChecksum, &step)
    case .failed: fail(slot, command, &step)
    case .released, .undelivered: release(slot, command, &step)
    case .expired, .cancelled, .cancelRequested: preconditionFailure("a worker cannot end an attempt this way")
    }
    hasJustFinished = true
    step.answer(ticket, changed(slot))
  }

  /// Nil when the job is RUNNING in the hands of whoever sent the command.
  private mutating func whyNotHeld(
    _ slot: Slot, _ command: Command.Finish, _ step: borrowing Step
  ) -> Refusal? {
    let isRunning = jobs.hot(slot).pointee.state == JobState.running.rawValue
    if command.hasLease {
      guard isRunning, let cell = existingLeaseCell(slot),
        cell.pointee.id == command.lease || defects.contains(.noTokenCheck)
      else { return .leaseLost }
      return nil
    }
    if limits.requiresLeaseID { return .leaseRequired }
    guard isRunning, let cell = existingLeaseCell(slot) else { return .notRunning }
    return keyNames.find(step.bytes(command.keyID)) == cell.pointee.keyID ? nil : .leaseLost
  }

  private mutating func fail(_ slot: Slot, _ command: Command.Finish, _ step: inout Step) {
    let row = jobs.hot(slot)
    if row.pointee.flags & RowFlags.cancelRequested != 0 {
      return end(slot, .failed, .cancelled, text: command.text, command.textChecksum, &step)
    }
    guard command.isRetryable, row.pointee.attempts < row.pointee.maxAttempts else {
      return end(slot, .failed, .dead, text: command.text, command.textChecksum, &step)
    }
    let pause = command.delayMilliseconds >= 0 ? command.delayMilliseconds : nextPause(slot)
    end(slot, .failed, .retry, text: command.text, command.textChecksum, pause: pause, &step)
  }

  private mutating func release(_ slot: Slot, _ command: Command.Finish, _ step: inout Step) {
    let isCancelled = jobs.hot(slot).pointee.flags & RowFlags.cancelRequested != 0
    let next: JobState = isCancelled ? .cancelled : command.delayMilliseconds > 0 ? .scheduled : .ready
    end(slot, command.outcome, next, text: command.text, command.textChecksum, pause: command.delayMilliseconds, &step)
  }

  /// The lease is over and its worker has said nothing: a failed attempt.
  mutating func expire(_ slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot)
    if row.pointee.flags & RowFlags.cancelRequested != 0 {
      end(slot, .expired, .cancelled, text: .empty, 0, &step)
    } else if row.pointee.attempts < row.pointee.maxAttempts {
      end(slot, .expired, .retry, text: .empty, 0, pause: nextPause(slot), &step)
    } else {
      end(slot, .expired, .dead, text: .empty, 0, &step)
    }
  }

  /// Writes and applies the end of an attempt, or of a waiting job's waiting.
  ///
  /// - Parameter pause: Milliseconds until RETRY or SCHEDULED is due.
  private mutating func end(
    _ slot: Slot, _ outcome: Outcome, _ next: JobState, text: ByteRange, _ checksum: UInt32, pause: Int64 = 0,
    _ step: inout Step
  ) {
    let row = jobs.hot(slot)
    let cell = existingLeaseCell(slot)?.pointee
    let wasHeld = outcome.endsAttempt
    let worker = wasHeld ? workerNames.bytes(cell!.worker) : UnsafeRawBufferPointer(start: nil, count: 0)
    var entry = HistoryEntry(
      outcome: outcome, attempt: wasHeld ? row.pointee.attempts : 0, leasedAt: wasHeld ? cell!.leasedAt : 0,
      endedAt: now.wall, text: step.bytes(text),
      checksum: 0, worker: worker)
    entry.seal(text.isEmpty ? 0 : checksum, number: row.pointee.number)
    let event = Ended(
      number: row.pointee.number, base: row.pointee.base, next: next,
      pause: UInt32(clamping: next == .retry ? pause : 0), order: order(for: outcome, next, row.pointee.order),
      deadline: deadline(slot, next, pause: pause), uptime: uptime, previous: cell?.history ?? 0,
      previousBytes: cell?.historyBytes ?? 0, entry: entry)
    let place = event.encode(into: &step.records)
    event.apply(to: slot, at: place, in: &self)
    if next.isFinished { noteEnd(slot) }
  }

  /// Each entry into a list takes a new order number; what is handed back undelayed keeps its place.
  private func order(for outcome: Outcome, _ next: JobState, _ current: UInt64) -> UInt64 {
    switch next {
    case .acked, .dead, .cancelled: nextOrder
    case .ready, .retry, .scheduled, .running: current
    }
  }

  private func deadline(_ slot: Slot, _ next: JobState, pause: Int64) -> Int64 {
    switch next {
    case .retry, .scheduled: return now.log + pause.nanoseconds
    case .acked, .cancelled:
      let own = policy(jobs.cold(slot).pointee.policy).retentionMilliseconds
      return uptime + (own >= 0 ? own : limits.retentionMilliseconds).nanoseconds
    case .ready, .running, .dead: return 0
    }
  }

  /// Milliseconds until the next retry: `initial × factor^(attempts − 1)`, at most `max`, spread by the jitter
  /// ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
  func nextPause(_ slot: Slot) -> Int64 {
    let retry = policy(jobs.cold(slot).pointee.policy).retry
    let most = Int64(retry.maxMilliseconds)
    var pause = min(Int64(retry.initialMilliseconds), most)
    for _ in 1..<max(2, Int(jobs.hot(slot).pointee.attempts)) where Int(jobs.hot(slot).pointee.attempts) > 1 {
      if pause >= most { break }
      pause = min(most, pause * Int64(retry.factorThousandths) / 1_000)
    }
    let random = entropy(for: jobs.hot(slot).pointee.number)
    switch retry.jitter {
    case .none: return pause
    case .full: return below(pause + 1, random)
    case .equal: return pause - below(pause / 2 + 1, random)
    case .decorrelated:
      let last = Int64(existingLeaseCell(slot)?.pointee.pause ?? 0)
      let low = min(Int64(retry.initialMilliseconds), most)
      return min(most, low + below(max(1, max(last, low) * 3 - low + 1), random))
    }
  }

  private func below(_ bound: Int64, _ random: UInt64) -> Int64 {
    Int64(UInt64(bound).multipliedFullWidth(by: random).high)
  }

  /// SplitMix64 over the step's random bits and the job.
  private func entropy(for number: UInt64) -> UInt64 {
    var z = now.entropy &+ (number &+ nextOrder) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  // MARK: Extending

  mutating func extend(_ wish: Command.Extend, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(wish.job, wish.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    let row = jobs.hot(slot)
    guard row.pointee.state == JobState.running.rawValue, let cell = existingLeaseCell(slot),
      cell.pointee.id == wish.lease
    else { return step.answer(ticket, .refused(.leaseLost)) }
    if conditions.refusesExtensions { return step.answer(ticket, .refused(.diskLow)) }
    if !wish.progress.isEmpty {
      // As a large result: on a full disk it must not take what completions need.
      let cost = 2 * Int(wish.progress.count)
      guard cost <= conditions.largeResultBytes else { return step.answer(ticket, .refused(.diskLow)) }
      conditions.largeResultBytes -= cost
      report(slot, step.bytes(wish.progress), wish.progressChecksum ^ checksumSeal(row.pointee.number), &step)
    }
    let duration = wish.milliseconds > 0 ? wish.milliseconds.nanoseconds : cell.pointee.duration
    let event = Extended(
      number: row.pointee.number, base: row.pointee.base, deadline: now.log + duration, duration: duration,
      until: now.wall + duration / 1_000_000)
    if !defects.contains(.extendNotLogged) { event.encode(into: &step.records) }
    conditions.extensionsLeft -= 1
    event.apply(to: slot, in: &self)
    step.answer(ticket, changed(slot))
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

  // MARK: Cancelling, hastening, replaying

  mutating func cancel(
    _ job: JobRef, _ viewer: ViewerRef, _ reason: ByteRange, _ checksum: UInt32, _ ticket: UInt64, _ step: inout Step
  ) {
    let slot = find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    // What is left of the reserve belongs to the jobs that are running.
    if conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let row = jobs.hot(slot)
    switch JobState(rawValue: row.pointee.state)! {
    case .acked, .dead: return step.answer(ticket, .refused(.jobFinished))
    case .cancelled: break
    case .running:
      if row.pointee.flags & RowFlags.cancelRequested == 0 {
        end(slot, .cancelRequested, .running, text: reason, checksum, &step)
      }
    case .ready, .scheduled, .retry:
      end(slot, .cancelled, .cancelled, text: reason, checksum, &step)
    }
    step.answer(ticket, changed(slot))
  }

  mutating func runNow(_ job: JobRef, _ viewer: ViewerRef, _ onlyDead: Bool, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    switch JobState(rawValue: jobs.hot(slot).pointee.state)! {
    case .dead: ready(slot, isReplay: true, &step)
    case .cancelled where !onlyDead: ready(slot, isReplay: true, &step)
    case .scheduled where !onlyDead, .retry where !onlyDead: ready(slot, isReplay: false, &step)
    case .scheduled, .retry, .cancelled, .ready, .running, .acked:
      return step.answer(ticket, .refused(.wrongState))
    }
    step.answer(ticket, changed(slot))
  }

  /// Removes a job that has ended, as its retention would in time.
  mutating func delete(_ job: JobRef, _ viewer: ViewerRef, _ onlyDead: Bool, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    // What is left of the reserve belongs to the jobs that are running.
    if conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    let mayGo = (onlyDead ? state == .dead : state.isFinished) || state == .retry && defects.contains(.deletesWaiting)
    guard mayGo else { return step.answer(ticket, .refused(.wrongState)) }
    purge(slot, &step)
    step.answer(ticket, .changed(state: state, deadline: 0, cancelRequested: false))
  }

  /// Makes a job READY, behind those that are.
  mutating func ready(_ slot: Slot, isReplay: Bool, _ step: inout Step) {
    let row = jobs.hot(slot)
    let event = Readied(
      number: row.pointee.number, base: row.pointee.base, order: nextOrder, isReplay: isReplay)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}
