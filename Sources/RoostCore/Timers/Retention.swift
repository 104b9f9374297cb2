/// ACKED and CANCELLED jobs whose time is over leave, by uptime; not before the jobs that wait for them have ended.
enum Retention: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.retentionHeap.minimum.map { $0.deadline + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.retentionHeap.minimum, first.deadline <= state.uptime else { return false }
    if state.isKept(first.slot) {
      // Its time comes when those that wait for it have ended.
      state.retentionHeap.update(first.slot, deadline: RecordBounds.span, in: state.jobs)
    } else {
      state.purge(first.slot, &step)
    }
    return true
  }
}
