/// How events change memory. Live and in a replay the same; a replay only leaves lists and heaps for its end.
extension StateMachine {
  mutating func apply(_ event: SubmittedEvent, body: JobBodyLayout, at position: LogPosition, bytes: UInt32) {
    let slot = jobs.insert(event.number)
    nextNumber = event.number + 1
    nextOrder = max(nextOrder, event.order + 1)
    let row = jobs.hot(slot)
    let created = UInt64(clamping: event.created) & 0xFFFF_FFFF_FFFF
    row.pointee.check = JobID.check(event.number, created, secret)
    row.pointee.base = position.rawValue
    row.pointee.order = event.order
    row.pointee.deadline = event.state == .ready ? now.log : event.deadline
    row.pointee.queue = queueForJob(body.queue)
    row.pointee.priority = event.priority
    row.pointee.flags = event.isWall ? RowFlags.wall : 0
    row.pointee.maxAttempts = event.maxAttempts
    if event.state != .ready {
      row.pointee.foreseen =
        event.isWall ? event.deadline / 1_000_000 : event.created + (event.deadline - now.log) / 1_000_000
    }
    let cold = jobs.cold(slot)
    cold.pointee.created = event.created
    cold.pointee.recordBytes = bytes
    liveBytes += Int(bytes)
    cold.pointee.owner = ownerNames.intern(body.owner)
    cold.pointee.type = typeNames.intern(body.type)
    cold.pointee.policy = intern(event.policy)
    if event.hasKey {
      cold.pointee.key = keys.insert(
        KeyEntry(
          hash: event.keyHash, fingerprint: event.keyFingerprint, target: slot, isOfBytes: event.keyFields.isEmpty))
    }
    queues[Int(row.pointee.queue)].totals.submitted += 1
    gained(row.pointee.queue)
    if isLive { index(slot) }
    enter(slot, event.state)
  }

  mutating func apply(_ event: LeasedEvent, to slot: Slot) {
    leave(slot)
    let row = jobs.hot(slot)
    // Of a job that may fail without end no more are counted than a number holds.
    if row.pointee.attempts < JobPolicy.unlimitedRetries { row.pointee.attempts += 1 }
    row.pointee.deadline = event.deadline
    row.pointee.foreseen = event.at + event.duration / 1_000_000
    let cell = leaseCell(slot, worker: workerNames.intern(event.worker), keyID: keyNames.intern(event.keyID))
    cell.pointee.id = event.lease
    cell.pointee.duration = event.duration
    cell.pointee.leasedAt = event.at
    cell.pointee.lastOutcome = 0
    cell.pointee.said = 0
    queues[Int(row.pointee.queue)].totals.leased += 1
    if queues[Int(row.pointee.queue)].setup != .none { spendRate(row.pointee.queue, event.lease) }
    enter(slot, .running)
  }

  /// An attempt ended, a waiting job was cancelled or a running one marked.
  mutating func apply(_ event: EndedEvent, to slot: Slot, at position: LogPosition, bytes: UInt32) {
    let row = jobs.hot(slot)
    let cell = leaseCell(slot)
    // The newest entry of a job that was carried lies in its own record.
    let newestBytes = cell.pointee.historyTotal > 0 ? cell.pointee.historyBytes : 0
    cell.pointee.history = position.rawValue
    cell.pointee.historyBytes = bytes
    liveBytes -= Int(cell.pointee.historyTotal)
    cell.pointee.historyTotal = keptHistoryBytes(before: cell.pointee.historyTotal, newest: newestBytes, adding: bytes)
    liveBytes += Int(cell.pointee.historyTotal)
    if event.entry.outcome == .cancelRequested {
      if isLive || !defects.contains(.cancelLostInReplay) { row.pointee.flags |= RowFlags.cancelRequested }
      return
    }
    leave(slot)
    forgetReport(cell)
    if event.entry.outcome != .cancelled {
      cell.pointee.lastOutcome = event.entry.outcome.rawValue
      cell.pointee.said = event.entry.textChecksum(number: event.number)
    }
    cell.pointee.endedAt = event.entry.endedAt
    cell.pointee.endedUptime = event.uptime
    cell.pointee.pause = event.pause
    if event.entry.outcome == .released || event.entry.outcome == .undelivered { row.pointee.attempts -= 1 }
    if event.entry.outcome == .undelivered, queues[Int(row.pointee.queue)].setup != .none {
      refundRate(row.pointee.queue, cell.pointee.id)
    }
    row.pointee.order = event.order
    nextOrder = max(nextOrder, event.order + 1)
    row.pointee.deadline = event.next == .ready ? now.log : event.deadline
    if event.next.hasDeadline {
      row.pointee.foreseen = event.entry.endedAt + (event.deadline - now.log) / 1_000_000
    }
    row.pointee.flags &= ~(RowFlags.wall | RowFlags.cancelRequested)
    count(event.entry.outcome, event.next, in: row.pointee.queue)
    enter(slot, event.next)
  }

  /// What a job's records of history count for: as much as a carry would keep of them. All else is dead at once, so that
  /// a job that fails a thousand times does not hold a thousand long errors in the log.
  ///
  /// - Parameters:
  ///   - total: What they counted for so far.
  ///   - newest: Bytes of the newest of them; 0 where there is none.
  private func keptHistoryBytes(before total: UInt32, newest: UInt32, adding bytes: UInt32) -> UInt32 {
    let most = UInt32(HistoryEntry.mostCutRecordBytes)
    let older = total - newest + min(newest, most)
    return min(older, UInt32(HistoryEntry.keptEntries - 1) * most) + bytes
  }

  mutating func apply(_ event: ExtendedEvent, to slot: Slot) {
    let row = jobs.hot(slot)
    row.pointee.foreseen = event.until ?? row.pointee.foreseen + (event.deadline - row.pointee.deadline) / 1_000_000
    row.pointee.deadline = event.deadline
    leases.pointer(jobs.cold(slot).pointee.lease).pointee.duration = event.duration
    if isLive { leaseHeap.update(slot, deadline: event.deadline, in: jobs) }
  }

  /// A worker said how far it is. The text stays in the log.
  mutating func apply(reportedAt position: LogPosition, bytes: UInt32, to slot: Slot) {
    let cell = leaseCell(slot)
    forgetReport(cell)
    cell.pointee.report = position.rawValue
    cell.pointee.reportBytes = bytes
    liveBytes += Int(bytes)
  }

  /// A report counts until the next one, and for its attempt only.
  mutating func forgetReport(_ cell: UnsafeMutablePointer<LeaseCell>) {
    liveBytes -= Int(cell.pointee.reportBytes)
    cell.pointee.report = 0
    cell.pointee.reportBytes = 0
  }

  mutating func apply(_ event: ReadiedEvent, to slot: Slot) {
    leave(slot)
    let row = jobs.hot(slot)
    row.pointee.order = event.order
    nextOrder = max(nextOrder, event.order + 1)
    row.pointee.deadline = now.log
    row.pointee.flags &= ~RowFlags.wall
    if event.isReplay, !defects.contains(.attemptsKept) { row.pointee.attempts = 0 }
    enter(slot, .ready)
  }

  mutating func apply(_ event: PurgedEvent, to slot: Slot) {
    leave(slot)
    keepReceipt(slot)
    liveBytes -= bytes(of: slot)
    let row = jobs.hot(slot)
    let cold = jobs.cold(slot)
    if cold.pointee.key != .none {
      if event.stubUntil > 0 {
        let stub = stubs.allocate(
          Stub(
            number: event.number, created: cold.pointee.created, base: event.base, until: event.stubUntil,
            state: row.pointee.state))
        let entry = keys.entry(cold.pointee.key)
        entry.pointee.target = stub
        entry.pointee.isStub = true
        if isLive {
          stubHeap.insert(cold.pointee.key, deadline: event.stubUntil)
        } else {
          replayedStubs.insert(cold.pointee.key)
        }
      } else {
        keys.remove(cold.pointee.key)
      }
    }
    if isLive { unindex(slot) }
    ownerNames.release(cold.pointee.owner)
    typeNames.release(cold.pointee.type)
    policies.release(cold.pointee.policy)
    freeLeaseCell(slot)
    lost(row.pointee.queue)
    jobs.remove(slot)
  }

  /// Forgets a stub; `entry` is its place in `keys`.
  mutating func apply(_ event: KeyForgottenEvent, to entry: Slot) {
    if !isLive { replayedStubs.remove(entry) }
    stubs.free(keys.entry(entry).pointee.target)
    keys.remove(entry)
  }

  /// A copy of a live job's record took the place of the old one.
  mutating func applyCarried(_ slot: Slot, at position: LogPosition, bytes: UInt32) {
    liveBytes += Int(bytes) - self.bytes(of: slot)
    if JobState(rawValue: jobs.hot(slot).pointee.state)!.isWaiting {
      queues[Int(jobs.hot(slot).pointee.queue)].waitingBytes +=
        Int64(bytes) - Int64(jobs.cold(slot).pointee.recordBytes)
    }
    jobs.hot(slot).pointee.base = position.rawValue
    jobs.cold(slot).pointee.recordBytes = bytes
    let lease = jobs.cold(slot).pointee.lease
    guard lease != .none else { return }
    let cell = leases.pointer(lease)
    // All that is counted with the job is counted anew from here on.
    cell.pointee.historyTotal = 0
    cell.pointee.report = 0
    cell.pointee.reportBytes = 0
    guard cell.pointee.history != 0 else { return }
    cell.pointee.history = position.rawValue
    cell.pointee.historyBytes = bytes
  }

  mutating func apply(_ event: CarriedQueueEvent) {
    let queue = Int(queueForJob(event.name))
    queues[queue].totals = event.totals
    if queues[queue].jobs == 0 { queues[queue].idleSince = event.idleSince }
  }

  /// Bytes of the log's records that a job needs.
  func bytes(of slot: Slot) -> Int {
    let cell = existingLeaseCell(slot)?.pointee
    return Int(jobs.cold(slot).pointee.recordBytes) + Int(cell?.historyTotal ?? 0) + Int(cell?.reportBytes ?? 0)
  }

  // MARK: Lists, heaps and counts

  /// Puts a job into the list and heap of its new state.
  mutating func enter(_ slot: Slot, _ state: JobState) {
    let row = jobs.hot(slot)
    row.pointee.state = state.rawValue
    queues[Int(row.pointee.queue)].counts[state] += 1
    if state.isWaiting {
      queues[Int(row.pointee.queue)].waitingBytes += Int64(jobs.cold(slot).pointee.recordBytes)
    }
    guard isLive else { return }
    noteChange(row.pointee.queue)
    sets.insert(row.pointee.number, into: Listed.state(state.rawValue))
    switch state {
    case .ready:
      enlist(slot)
      wake(row.pointee.queue)
    case .running:
      leaseHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .scheduled where row.pointee.flags & RowFlags.wall != 0:
      wallHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .scheduled, .retry:
      dueHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .acked, .cancelled:
      jobs.append(slot, to: &finished)
      retentionHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .dead: enterDead(slot)
    }
  }

  /// Takes a job out of the list and heap of its state.
  mutating func leave(_ slot: Slot) {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    queues[Int(row.pointee.queue)].counts[state] -= 1
    if state.isWaiting {
      queues[Int(row.pointee.queue)].waitingBytes -= Int64(jobs.cold(slot).pointee.recordBytes)
    }
    if state.hasDeadline { row.pointee.forgetForeseen() }
    guard isLive else { return }
    noteChange(row.pointee.queue)
    sets.remove(row.pointee.number, from: Listed.state(state.rawValue))
    switch state {
    case .ready: delist(slot)
    case .running:
      leaseHeap.remove(slot, in: jobs)
      // One more may run.
      if queues[Int(row.pointee.queue)].setup != .none { wake(row.pointee.queue) }
    case .scheduled where row.pointee.flags & RowFlags.wall != 0: wallHeap.remove(slot, in: jobs)
    case .scheduled, .retry: dueHeap.remove(slot, in: jobs)
    case .acked, .cancelled:
      jobs.remove(slot, from: &finished)
      retentionHeap.remove(slot, in: jobs)
    case .dead: leaveDead(slot)
    }
  }

  private mutating func count(_ outcome: Outcome, _ next: JobState, in queue: UInt32) {
    switch outcome {
    case .acked: queues[Int(queue)].totals.acked += 1
    case .failed, .expired: queues[Int(queue)].totals.failed += 1
    case .released, .undelivered, .cancelled, .cancelRequested: break
    }
    if next == .dead { queues[Int(queue)].totals.dead += 1 }
    guard isLive else { return }
    if outcome == .expired { queues[Int(queue)].activity.expired += 1 }
    if next == .cancelled { queues[Int(queue)].activity.cancelled += 1 }
  }

  /// The job's lease cell, nil for a job that was neither leased nor cancelled.
  func existingLeaseCell(_ slot: Slot) -> UnsafeMutablePointer<LeaseCell>? {
    let cell = jobs.cold(slot).pointee.lease
    return cell == .none ? nil : leases.pointer(cell)
  }

  /// The job's lease cell, made with empty names if need be.
  mutating func leaseCell(_ slot: Slot) -> UnsafeMutablePointer<LeaseCell> {
    if let cell = existingLeaseCell(slot) { return cell }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return leaseCell(slot, worker: workerNames.intern(none), keyID: keyNames.intern(none))
  }

  /// The job's lease cell under these names, each counted by its caller.
  ///
  /// A new cell gets them at once: empty ones in between would be made and freed with every first lease.
  private mutating func leaseCell(_ slot: Slot, worker: UInt32, keyID: UInt32) -> UnsafeMutablePointer<LeaseCell> {
    if let cell = existingLeaseCell(slot) {
      setNames(of: cell, worker: worker, keyID: keyID)
      return cell
    }
    var cell = LeaseCell()
    (cell.worker, cell.keyID) = (worker, keyID)
    let made = leases.allocate(cell)
    jobs.cold(slot).pointee.lease = made
    return leases.pointer(made)
  }

  mutating func setNames(of cell: UnsafeMutablePointer<LeaseCell>, worker: UInt32, keyID: UInt32) {
    workerNames.release(cell.pointee.worker)
    keyNames.release(cell.pointee.keyID)
    cell.pointee.worker = worker
    cell.pointee.keyID = keyID
  }

  mutating func freeLeaseCell(_ slot: Slot) {
    let cold = jobs.cold(slot)
    guard cold.pointee.lease != .none else { return }
    let cell = leases.pointer(cold.pointee.lease)
    workerNames.release(cell.pointee.worker)
    keyNames.release(cell.pointee.keyID)
    leases.free(cold.pointee.lease)
    cold.pointee.lease = .none
  }

  mutating func intern(_ policy: JobPolicy) -> UInt32 {
    var bytes = PolicyBytes(policy)
    return withUnsafeBytes(of: &bytes) { policies.intern($0) }
  }

  func policy(_ id: UInt32) -> JobPolicy { policies.bytes(id).loadUnaligned(as: PolicyBytes.self).policy }
}

/// A policy as bytes without gaps, so that equal policies have equal bytes.
private struct PolicyBytes: BitwiseCopyable {
  private var retention: Int64
  private var initial: UInt32
  private var factor: UInt32
  private var max: UInt32
  private var lease: UInt32
  private var jitter: UInt64

  init(_ policy: JobPolicy) {
    retention = policy.retentionMilliseconds
    initial = policy.retry.initialMilliseconds
    factor = policy.retry.factorThousandths
    max = policy.retry.maxMilliseconds
    lease = policy.leaseMilliseconds
    jitter = UInt64(policy.retry.jitter.rawValue)
  }

  var policy: JobPolicy {
    JobPolicy(
      retry: RetryPolicy(
        initialMilliseconds: initial, factorThousandths: factor, maxMilliseconds: max,
        jitter: Jitter(rawValue: UInt8(jitter)) ?? .none),
      leaseMilliseconds: lease, retentionMilliseconds: retention)
  }
}
