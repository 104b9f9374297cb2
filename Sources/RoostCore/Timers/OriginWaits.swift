/// Origins that are tried again after failures. Writes nothing: it lets their lines go on.
enum OriginWaits: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.originHeap.minimum?.deadline }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.endOriginWaits()
    return 0
  }
}
