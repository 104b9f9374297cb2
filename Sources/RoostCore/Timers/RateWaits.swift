/// Queues for which workers wait and whose next lease comes too fast. Writes nothing: it wakes them.
enum RateWaits: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { state.rateHeap.minimum?.deadline }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.endRateWaits()
    return 0
  }
}
