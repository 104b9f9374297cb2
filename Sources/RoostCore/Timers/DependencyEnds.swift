/// Jobs that wait for others are told that these have ended, some in each step. What others wait for is never held back for
/// lack of room: the reserve counts it.
enum DependencyEnds: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.graph.owes ? state.now.log : nil }

  static func itemsLeft(_ conditions: Conditions) -> Int { conditions.expiriesLeft }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    guard state.graph.owes, most > 0, !state.defects.contains(.dependentsForgotten) else { return 0 }
    return state.tellHolders(atMost: most, &step)
  }
}
