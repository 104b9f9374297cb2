/// Jobs that are SCHEDULED by `run_at`: due by wall time.
enum RunAtJobs: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    guard let first = state.wallHeap.minimum else { return nil }
    let (left, isBeyond) = first.deadline.subtractingReportingOverflow(state.now.dueWall.nanoseconds)
    return state.now.log + min(max(0, isBeyond ? .max : left), .max - state.now.log)
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.wallHeap.minimum, first.deadline <= state.now.dueWall.nanoseconds else { return false }
    state.ready(first.slot, isReplay: false, &step)
    return true
  }
}
