/// Groups whose next lease may be, and what was said of groups and holds no longer. Writes nothing.
enum GroupWaits: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.groupHeap.minimum?.deadline }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.endGroupWaits()
    return 0
  }
}
