/// Jobs that are SCHEDULED by a delay, or wait for a retry: due by log time.
enum DelayedJobs: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.dueHeap.minimum?.deadline }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.dueHeap.minimum, first.deadline <= state.now.log else { return false }
    state.ready(first.slot, isReplay: false, &step)
    return true
  }
}
