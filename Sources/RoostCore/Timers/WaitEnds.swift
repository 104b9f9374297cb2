/// Waits whose time is over end. They write nothing: they count for no step, and a full disk does not prolong them.
enum WaitEnds: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.waitHeap.minimum?.deadline }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.endDueWaits(&step)
    return 0
  }
}
