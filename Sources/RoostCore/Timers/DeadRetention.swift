/// Dead letters leave in the order of dying, by uptime; where no retention is set for them, none does.
enum DeadRetention: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    uptime(of: state).map { $0 + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let leaving = uptime(of: state), leaving <= state.uptime else { return false }
    state.purge(state.dead.head, &step)
    return true
  }

  /// Uptime at which the first dead letter leaves; nil while none does.
  private static func uptime(of state: borrowing StateMachine) -> Int64? {
    guard let retention = state.limits.deadRetentionMilliseconds, state.dead.head != .none,
      let cell = state.existingLeaseCell(state.dead.head)
    else { return nil }
    return state.defects.contains(.deadLeaveEarly) ? 0 : cell.pointee.endedUptime + retention.nanoseconds
  }
}
