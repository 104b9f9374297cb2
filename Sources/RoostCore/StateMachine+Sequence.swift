/// Whether a record can follow those before it: held against counters and rows as they stand, before it changes them.
///
/// Numbers of jobs, leases and list entries are given without gaps, so that a record too many, too few or misplaced is
/// seen at once, also where the job that it names is gone with a trimmed segment.
extension StateMachine {
  // MARK: Counters

  func checkSequence(_ event: GroundEvent, at position: LogPosition) throws(ReplayError) {
    let mine = ground
    guard mine.epoch == event.epoch, mine.nextNumber == event.nextNumber, mine.nextLease == event.nextLease,
      mine.nextOrder == event.nextOrder, mine.credited == event.credited, mine.secret == event.secret,
      mine.bootID == event.bootID
    else {
      throw unfit(
        "counters \(mine.epoch)/\(mine.nextNumber)/\(mine.nextLease)/\(mine.nextOrder)",
        "\(event.epoch)/\(event.nextNumber)/\(event.nextLease)/\(event.nextOrder)", position)
    }
    guard event.rows == mine.rows + absentJobs else {
      throw unfit("\(mine.rows + absentJobs) jobs", "\(event.rows)", position)
    }
  }

  func checkSequence(_ event: BootedEvent, at position: LogPosition) throws(ReplayError) {
    guard event.epoch == epoch + 1 else { throw unfit("epoch \(epoch + 1)", "epoch \(event.epoch)", position) }
  }

  // MARK: Jobs

  @inline(never)
  func checkSequence(_ event: SubmittedEvent, at position: LogPosition) throws(ReplayError) {
    guard event.number == nextNumber else { throw unfit("job \(nextNumber)", "job \(event.number)", position) }
    guard event.state != .ready || event.order == nextOrder else {
      throw unfit("order number \(nextOrder)", "\(event.order)", position)
    }
    guard !event.hasKey || keys.find(event.keyHash) == .none else {
      throw unfit("a key of job \(event.number) alone", "that of another", position)
    }
  }

  /// - Parameter slot: The job as it stands; `.none` if its records before this one are gone.
  func checkSequence(
    _ event: CarriedEvent, body: JobBodyLayout, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard event.number < nextNumber, event.order < nextOrder,
      !event.hasLease || event.lease.id.number < nextLease && event.lease.id.epoch <= epoch
    else {
      throw unfit("numbers that were given before", "job \(event.number), order \(event.order)", position)
    }
    let key = event.hasKey ? keys.find(event.keyHash) : .none
    guard slot != .none else {
      guard absentJobs > 0 else { throw unfit("a job that did not leave", "job \(event.number)", position) }
      guard key == .none else { throw unfit("a key of job \(event.number) alone", "that of another", position) }
      return
    }
    let (row, cold) = (jobs.hot(slot), jobs.cold(slot))
    // A start may have given a lease more time.
    guard row.pointee.state == event.state.rawValue, row.pointee.order == event.order,
      row.pointee.attempts == event.attempts, row.pointee.maxAttempts == event.maxAttempts,
      row.pointee.priority == event.priority, row.pointee.flags == event.flags, cold.pointee.created == event.created,
      cold.pointee.key == key,
      key == .none || keys.entry(key).pointee.isOf(event.keyFingerprint, isOfBytes: event.keyFields.isEmpty),
      event.state == .running && row.pointee.deadline < event.deadline
        || row.pointee.deadline == event.deadline && (!event.hasForeseen || foreseen(slot) == event.foreseen),
      policy(cold.pointee.policy) == event.policy,
      event.hasLease == (cold.pointee.lease != .none), existingLeaseCell(slot)?.pointee.isCopied(by: event) ?? true
    else { throw unfit("job \(event.number) as it stands", "another", position) }
    guard queueNames.bytes(row.pointee.queue).elementsEqual(body.queue),
      ownerNames.bytes(cold.pointee.owner).elementsEqual(body.owner),
      typeNames.bytes(cold.pointee.type).elementsEqual(body.type)
    else { throw unfit("queue, owner and type of job \(event.number)", "others", position) }
  }

  // MARK: What happens to them

  /// - Parameter slot: The job as it stands; `.none` if it is rightly gone.
  func checkSequence(_ event: LeasedEvent, on slot: Slot, at position: LogPosition) throws(ReplayError) {
    guard event.lease == LeaseID(epoch: epoch, number: nextLease) else {
      throw unfit("lease \(LeaseID(epoch: epoch, number: nextLease))", "lease \(event.lease)", position)
    }
    guard slot != .none else { return }
    let row = jobs.hot(slot)
    guard row.pointee.state == JobState.ready.rawValue, row.pointee.attempts < row.pointee.maxAttempts else {
      throw misplaced("a READY job", slot, position)
    }
  }

  func checkSequence(_ event: EndedEvent, on slot: Slot, at position: LogPosition) throws(ReplayError) {
    guard event.uptime == uptime else { throw unfit("uptime \(uptime)", "\(event.uptime)", position) }
    guard event.next.isFinished ? event.order == nextOrder : event.order < nextOrder else {
      throw unfit("order number \(nextOrder)", "\(event.order)", position)
    }
    guard slot != .none else { return }
    let (row, outcome) = (jobs.hot(slot).pointee, event.entry.outcome)
    let cell = existingLeaseCell(slot)?.pointee
    guard event.previous == cell?.history ?? 0, event.previousBytes == cell?.historyBytes ?? 0 else {
      throw unfit("the job's last record of history", "another", position)
    }
    guard event.next.isFinished || event.order == row.order else {
      throw unfit("order number \(row.order)", "\(event.order)", position)
    }
    let isMarked = row.flags & RowFlags.cancelRequested != 0
    guard outcome != .cancelled else {
      guard JobState(rawValue: row.state)!.isWaiting else { throw misplaced("a waiting job", slot, position) }
      return
    }
    guard row.state == JobState.running.rawValue, outcome != .cancelRequested || !isMarked else {
      throw misplaced("a RUNNING job", slot, position)
    }
    guard outcome.endsAttempt else { return }
    // Who was cancelled while running does not run again; nobody else is CANCELLED by the end of an attempt.
    guard event.entry.attempt == row.attempts, event.next == .acked || isMarked == (event.next == .cancelled),
      event.next != .retry || row.attempts < row.maxAttempts
    else { throw misplaced("\(outcome) of attempt \(event.entry.attempt), then \(event.next.name)", slot, position) }
  }

  /// An extension, or a report of progress.
  func checkIsRunning(_ slot: Slot, at position: LogPosition) throws(ReplayError) {
    guard slot == .none || jobs.hot(slot).pointee.state == JobState.running.rawValue else {
      throw misplaced("a RUNNING job", slot, position)
    }
  }

  func checkSequence(_ event: ReadiedEvent, on slot: Slot, at position: LogPosition) throws(ReplayError) {
    guard event.order == nextOrder else { throw unfit("order number \(nextOrder)", "\(event.order)", position) }
    guard slot != .none else { return }
    let isExpected =
      switch JobState(rawValue: jobs.hot(slot).pointee.state)! {
      case .scheduled, .retry: !event.isReplay
      case .dead, .cancelled: event.isReplay
      case .ready, .running, .acked: false
      }
    guard isExpected else { throw misplaced("a job that \(event.isReplay ? "ended" : "waits")", slot, position) }
  }

  func checkSequence(_ event: PurgedEvent, on slot: Slot, at position: LogPosition) throws(ReplayError) {
    guard slot != .none else {
      guard absentJobs > 0 else { throw unfit("a job that did not leave", "job \(event.number)", position) }
      return
    }
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    guard state.isFinished, event.stubUntil == 0 || jobs.cold(slot).pointee.key != .none else {
      throw misplaced("a job that may leave", slot, position)
    }
  }

  // MARK: Keys and queues

  func checkSequence(_ event: CarriedStubEvent, at position: LogPosition) throws(ReplayError) {
    guard event.stub.number < nextNumber, jobs.find(event.stub.number) == .none else {
      throw unfit("the stub of a job that left", "job \(event.stub.number)", position)
    }
    let known = keys.find(event.hash)
    guard known != .none else { return }
    guard isCopy(event, of: keys.entry(known).pointee) else {
      throw unfit("the stub of job \(event.stub.number) alone under its key", "another", position)
    }
  }

  /// Whether the record says again what is known of a key.
  func isCopy(_ event: CarriedStubEvent, of entry: KeyEntry) -> Bool {
    guard entry.isStub, entry.isOf(event.fingerprint, isOfBytes: event.keyFields.isEmpty) else { return false }
    let stub = stubs.pointer(entry.target).pointee
    return stub.number == event.stub.number && stub.created == event.stub.created && stub.until == event.stub.until
      && stub.state == event.stub.state
  }

  mutating func checkSequence(_ event: CarriedQueueEvent, at position: LogPosition) throws(ReplayError) {
    let known = queueNames.find(event.name)
    guard known != .none else { return }
    let (mine, totals) = (queues[Int(known)].totals, event.totals)
    // What happened in segments that are gone was not counted here.
    guard totals.submitted >= mine.submitted, totals.leased >= mine.leased, totals.acked >= mine.acked,
      totals.failed >= mine.failed, totals.dead >= mine.dead
    else { throw unfit("totals \(mine)", "\(totals)", position) }
    // Copies of its jobs may be still to come; jobs that are here were there then.
    guard event.idleSince < 0 || queues[Int(known)].jobs == 0 else {
      throw unfit("a queue with jobs", "one without since \(event.idleSince)", position)
    }
  }

  @inline(never)
  private func misplaced(_ expected: String, _ slot: Slot, _ position: LogPosition) -> ReplayError {
    let row = jobs.hot(slot).pointee
    let state = JobState(rawValue: row.state)!.name
    return unfit(
      expected, "job \(row.number), \(state), attempts \(row.attempts) of \(row.maxAttempts)", position)
  }
}

extension LeaseCell {
  /// Whether a copy of the job says the same of its last lease.
  fileprivate func isCopied(by event: CarriedEvent) -> Bool {
    let copy = event.lease
    return id == copy.id && duration == copy.duration && leasedAt == copy.leasedAt && endedAt == copy.endedAt
      && endedUptime == copy.endedUptime && pause == copy.pause && lastOutcome == copy.lastOutcome
      && (said == copy.said || !event.hasSaid) && (history == 0) == event.history.isEmpty
  }
}

extension KeyEntry {
  fileprivate func isOf(_ fingerprint: UInt64, isOfBytes: Bool) -> Bool {
    self.fingerprint == fingerprint && self.isOfBytes == isOfBytes
  }
}
