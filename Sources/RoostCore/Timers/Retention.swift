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
