/// What was said of a queue beyond its jobs: settings and a pause. Most queues have none.
struct QueueSetup: BitwiseCopyable {
  var settings = QueueSettings()
  var rate = RateState()
  /// The queue that takes what failed here, in `StateMachine.reasons`; `.none` where none does.
  var deadLetter: UInt32 = .none
  /// Where its jobs are delivered, as `PushTarget` has it, in `StateMachine.reasons`; `.none`: nowhere.
  var target: UInt32 = .none
  /// That target's origin, in `StateMachine.originNames`.
  var origin: UInt32 = .none
  /// Wall time, milliseconds; 0 while it is not paused.
  var pausedAt: Int64 = 0
  /// Wall time, milliseconds; 0: until somebody says so.
  var pausedUntil: Int64 = 0
  /// In `StateMachine.reasons`, while it is paused.
  var reason: UInt32 = .none
  var isPaused = false
}

/// Why a queue gives none of its READY jobs at the moment.
package enum QueueHold: String, Sendable, BitwiseCopyable {
  case paused
  case concurrency
  case rate
  /// It is being deleted.
  case deletion
}

/// Settings and pauses: how they come and go, and what may be leased under them.
extension StateMachine {
  @inline(__always)
  func setup(_ queue: UInt32) -> UnsafeMutablePointer<QueueSetup>? {
    let cell = queues[Int(queue)].setup
    return cell == .none ? nil : setups.pointer(cell)
  }

  /// The settings of a queue by its name; nil where it has none.
  mutating func settings(ofQueue name: UnsafeRawBufferPointer) -> QueueSettings? {
    guard setups.count > 0 else { return nil }
    let queue = queueNames.find(name)
    return queue == .none ? nil : setup(queue)?.pointee.settings
  }

  func settings(ofJob slot: Slot) -> QueueSettings? { setup(queue(of: slot))?.pointee.settings }

  /// The queue of a setting or pause, which begins with it.
  mutating func queueForSetup(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let queue = queueForJob(name)
    if queues[Int(queue)].jobs == 0, queues[Int(queue)].idleSince < 0 { queues[Int(queue)].idleSince = now.log }
    return queue
  }

  /// The queue's cell, made if need be. A queue that was told something does not go for want of jobs.
  mutating func openSetup(_ queue: UInt32) -> UnsafeMutablePointer<QueueSetup> {
    if let setup = setup(queue) { return setup }
    queues[Int(queue)].setup = setups.allocate(QueueSetup())
    if isLive, queues[Int(queue)].jobs == 0 { leaveIdle(queue) }
    return setups.pointer(queues[Int(queue)].setup)
  }

  /// Frees the cell where it says nothing any more.
  mutating func closeSetup(_ queue: UInt32) {
    if let setup = setup(queue), setup.pointee.settings[.deadLetter] == nil, setup.pointee.deadLetter != .none {
      reasons.release(setup.pointee.deadLetter)
      setup.pointee.deadLetter = .none
    }
    if let setup = setup(queue), setup.pointee.settings[.push] == nil { setTarget(nil, of: setup) }
    guard let setup = setup(queue), setup.pointee.settings.isEmpty, !setup.pointee.isPaused else { return }
    setups.free(queues[Int(queue)].setup)
    queues[Int(queue)].setup = .none
    guard queues[Int(queue)].jobs == 0, queues[Int(queue)].toldGroups == 0 else { return }
    queues[Int(queue)].idleSince = now.log
    if isLive { joinIdle(queue) }
  }

  /// Ends a queue's pause, if there is one; `closeSetup` follows.
  mutating func endPause(of queue: UInt32) {
    guard let setup = setup(queue), setup.pointee.isPaused else { return }
    reasons.release(setup.pointee.reason)
    (setup.pointee.isPaused, setup.pointee.reason) = (false, .none)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (0, 0)
  }

  // MARK: What may be leased

  /// Why the queue gives no job now; nil where it may.
  func hold(_ queue: UInt32) -> QueueHold? {
    if queues[Int(queue)].isDraining, !defects.contains(.drainingGives) { return .deletion }
    guard let setup = setup(queue) else { return nil }
    if setup.pointee.isPaused, !defects.contains(.pauseIgnored) { return .paused }
    if let most = setup.pointee.settings[.concurrency], queues[Int(queue)].counts[.running] >= most,
      !defects.contains(.concurrencyIgnored)
    {
      return .concurrency
    }
    if let rate = LeaseRate(setup.pointee.settings), rate.next(after: setup.pointee.rate.theoretical) > now.log,
      !defects.contains(.rateIgnored)
    {
      return .rate
    }
    return nil
  }

  /// A lease was granted, or the log says so.
  mutating func spendRate(_ queue: UInt32, _ lease: LeaseID) {
    guard let setup = setup(queue), let rate = LeaseRate(setup.pointee.settings) else { return }
    if !isLive, defects.contains(.rateLostInReplay) { return }
    setup.pointee.rate.spend(lease, by: rate, at: now.log)
  }

  /// A lease never reached its worker.
  mutating func refundRate(_ queue: UInt32, _ lease: LeaseID) {
    guard let setup = setup(queue), let rate = LeaseRate(setup.pointee.settings) else { return }
    _ = setup.pointee.rate.refund(lease, by: rate)
  }

  /// Workers wait for a queue whose READY jobs come too fast: it is looked at again when the next may go.
  mutating func awaitRate(_ queue: UInt32) {
    guard queues[Int(queue)].turns != .none || queues[Int(queue)].parked.first != .none, let setup = setup(queue),
      hold(queue) == .rate,
      let rate = LeaseRate(setup.pointee.settings)
    else { return }
    let next = rate.next(after: setup.pointee.rate.theoretical)
    // A lease that was given back, or another rate, may have brought it forward.
    guard next < queues[Int(queue)].rateAwaited else { return }
    queues[Int(queue)].rateAwaited = next
    rateHeap.insert(queue, deadline: next)
  }

  /// Wakes the queues whose next lease may be.
  mutating func endRateWaits() {
    while let first = rateHeap.minimum, first.deadline <= now.log {
      _ = rateHeap.popMinimum()
      if first.deadline >= queues[Int(first.slot)].rateAwaited { queues[Int(first.slot)].rateAwaited = .max }
      wake(first.slot)
    }
  }

  /// Log time from which on a queue with a rate may give the next job.
  func nextLease(_ queue: UInt32) -> Int64 {
    guard let setup = setup(queue), let rate = LeaseRate(setup.pointee.settings) else { return 0 }
    return rate.next(after: setup.pointee.rate.theoretical)
  }

  /// The priority by which first jobs of different queues are compared: what waits rises where its queue says so, by one
  /// in each `aging`.
  func effectivePriority(_ slot: Slot) -> Double {
    let priority = Double(jobs.hot(slot).pointee.priority)
    guard !defects.contains(.agingIgnored), let aging = settings(ofJob: slot)?[.aging] else { return priority }
    return priority + Double(now.log - jobs.hot(slot).pointee.deadline) / Double(aging.nanoseconds)
  }

  // MARK: Pauses that end

  mutating func resume(queue: UInt32, _ step: inout Step) {
    let event = QueueResumed(name: queueNames.bytes(queue))
    event.encode(into: &step.records)
    event.apply(to: &self)
  }

  /// Finds the pauses that end by themselves.
  mutating func listPauses() {
    pauseHeap = ExpiryHeap()
    for id in queues.indices {
      guard let setup = setup(UInt32(id)), setup.pointee.isPaused, setup.pointee.pausedUntil > 0 else { continue }
      pauseHeap.insert(UInt32(id), deadline: setup.pointee.pausedUntil.nanoseconds)
    }
  }

  /// Writes what was said of a queue again, behind its totals.
  func carrySetup(_ queue: UInt32, _ step: inout Step) {
    guard let setup = setup(queue)?.pointee, !defects.contains(.setupNotCarried) else { return }
    let name = queueNames.bytes(queue)
    // One that says nothing would count as the end of what was said.
    if !setup.settings.isEmpty {
      QueueConfigured(
        rate: carriedRate(setup), settings: setup.settings, deadLetter: deadLetterName(setup),
        target: targetBytes(setup), name: name
      )
      .encode(into: &step.records)
    }
    guard setup.isPaused else { return }
    QueuePaused(at: setup.pausedAt, until: setup.pausedUntil, reason: reasons.bytes(setup.reason), name: name)
      .encode(into: &step.records)
  }

  /// The name of the queue that takes what failed; empty where none does.
  func deadLetterName(_ setup: QueueSetup?) -> UnsafeRawBufferPointer {
    guard let setup, setup.deadLetter != .none else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return reasons.bytes(setup.deadLetter)
  }

  private func carriedRate(_ setup: QueueSetup) -> RateState {
    defects.contains(.rateNotCarried) ? RateState() : setup.rate
  }
}
