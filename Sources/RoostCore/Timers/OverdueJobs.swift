/// Jobs that have been READY longer than their queues let them leave, also where nobody reads.
enum OverdueJobs: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.ageHeap.minimum?.deadline }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let queue = state.firstTooOld() else { return false }
    state.cancel(state.longestReady(queue), because: .tooOld, &step)
    // Before it may leave: somebody may wait for its end.
    if !state.endedJobs.isEmpty { state.answerEnds(&step) }
    // It may have stood before one that is not too old.
    state.wake(queue)
    return true
  }
}
