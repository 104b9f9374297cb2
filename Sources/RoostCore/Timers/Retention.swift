/// ACKED and CANCELLED jobs whose time is over leave, by uptime.
enum Retention: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.retentionHeap.minimum.map { $0.deadline + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.retentionHeap.minimum, first.deadline <= state.uptime else { return false }
    state.purge(first.slot, &step)
    return true
  }
}

extension StateMachine {
  /// Removes a finished job; a stub stays while its key's window is open.
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
}
