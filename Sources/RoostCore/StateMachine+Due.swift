/// What becomes due by itself: leases, delays, retries, `run_at`, waits, retention, keys, queues without jobs.
extension StateMachine {
  /// Decides what is due, at most `limits.dueItemsPerStep` items, and on a full disk no more than fit.
  ///
  /// - Returns: True when due work is left: another step should follow at once, or once there is space.
  package mutating func decideDue(into step: inout Step) -> Bool {
    endDueWaits(&step)
    let expired = checkLeases(atMost: min(limits.dueItemsPerStep, conditions.expiriesLeft), &step)
    var left = max(0, min(limits.dueItemsPerStep, conditions.dueItemsLeft) - expired)
    // Before retention: a job may end and leave in one step.
    if !endedJobs.isEmpty { answerEnds(&step) }
    while left > 0, let first = dueHeap.minimum, first.deadline <= now.log {
      ready(first.slot, isReplay: false, &step)
      left -= 1
    }
    while left > 0, let first = wallHeap.minimum, first.deadline <= now.dueWall.nanoseconds {
      ready(first.slot, isReplay: false, &step)
      left -= 1
    }
    while left > 0, let slot = nextToLeave() {
      purge(slot, &step)
      left -= 1
    }
    while left > 0, let first = stubHeap.minimum, first.deadline <= uptime {
      _ = stubHeap.popMinimum()
      forget(first.slot, &step)
      left -= 1
    }
    while left > 0, let queue = nextIdleToGo() {
      forget(queue: queue, &step)
      left -= 1
    }
    if !hungry.isEmpty { feed(&step) }
    return left == 0 || !hungry.isEmpty && !conditions.refusesLeases
  }

  /// Log time at which something is due next; nil when nothing is.
  package var nextDeadline: Int64? {
    var next = Int64.max
    if let lease = leaseHeap.minimum { next = min(next, nextLeaseCheck(lease.deadline)) }
    if let due = dueHeap.minimum { next = min(next, due.deadline) }
    if let wait = waitHeap.minimum { next = min(next, wait.deadline) }
    if let leaving = retentionHeap.minimum { next = min(next, leaving.deadline + credited) }
    if firstIdle != .none { next = min(next, idleEnd(firstIdle)) }
    if let stub = stubHeap.minimum { next = min(next, stub.deadline + credited) }
    if let leaving = firstDeadToLeave { next = min(next, leaving + credited) }
    if let wall = wallHeap.minimum {
      let (left, isBeyond) = wall.deadline.subtractingReportingOverflow(now.dueWall.nanoseconds)
      next = min(next, now.log + min(max(0, isBeyond ? .max : left), .max - now.log))
    }
    return next == .max ? nil : next
  }

  /// The finished job that leaves next: its time is over, or there are too many.
  private func nextToLeave() -> Slot? {
    if let first = retentionHeap.minimum, first.deadline <= uptime { return first.slot }
    if let leaving = firstDeadToLeave, leaving <= uptime { return dead.head }
    guard finished.count > limits.retentionMaxJobs else { return nil }
    return defects.contains(.retentionDropsRunning) ? leaseHeap.minimum?.slot ?? finished.head : finished.head
  }

  /// Uptime at which the first dead letter leaves; nil while none does. The list is in the order of dying.
  private var firstDeadToLeave: Int64? {
    guard let retention = limits.deadRetentionMilliseconds, dead.head != .none,
      let cell = existingLeaseCell(dead.head)
    else { return nil }
    return defects.contains(.deadLeaveEarly) ? 0 : cell.pointee.endedUptime + retention.nanoseconds
  }

  mutating func purge(_ slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot)
    var stubUntil: Int64 = 0
    if jobs.cold(slot).pointee.key != .none, let cell = existingLeaseCell(slot) {
      let until = cell.pointee.endedUptime + limits.idempotencyWindowMilliseconds.nanoseconds
      if until > uptime, !defects.contains(.keyFreedWithJob) { stubUntil = until }
    }
    let event = Purged(number: row.pointee.number, base: row.pointee.base, stubUntil: stubUntil)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }

  private mutating func forget(_ entry: Slot, _ step: inout Step) {
    let cell = keys.entry(entry).pointee
    let event = KeyForgotten(hash: cell.hash, base: stubs.pointer(cell.target).pointee.base)
    event.encode(into: &step.records)
    event.apply(to: entry, in: &self)
  }
}
