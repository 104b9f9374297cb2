/// Of more ACKED and CANCELLED jobs than may stay those leave that ended first, at once.
enum RetentionLimit: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { nil }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard state.finished.count > state.limits.retentionMaxJobs else { return false }
    let isMistaken = state.defects.contains(.retentionDropsRunning)
    state.purge(isMistaken ? state.leaseHeap.minimum?.slot ?? state.finished.head : state.finished.head, &step)
    return true
  }
}
