/// Jobs that wait and may not begin any more, by wall time: they leave, whether somebody asks for them or not.
enum LateJobs: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    guard !state.conditions.isWallSuspect, let first = state.expiring.first else { return nil }
    return state.log(ofWall: first.time.nanoseconds)
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.expiring.first, state.isTooLate(first.job) else { return false }
    state.bury(late: first.job, &step)
    if !state.endedJobs.isEmpty { state.answerEnds(&step) }
    return true
  }
}
