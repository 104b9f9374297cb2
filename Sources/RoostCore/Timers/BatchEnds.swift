/// Batches that close by themselves, jobs of those that were called off, and completions: those are never held back for lack
/// of room, as the reserve counts them.
enum BatchEnds: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    if state.batchesOwe { return state.now.log }
    let forgotten = state.batches.forgetHeap.minimum.map { $0.deadline + state.credited }
    return [state.batches.closeHeap.minimum?.deadline, forgotten].compactMap { $0 }.min()
  }

  static func itemsLeft(_ conditions: Conditions) -> Int { conditions.expiriesLeft }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    most > 0 && (state.batches.count > 0 || state.batchesOwe) ? state.endBatches(atMost: most, &step) : 0
  }
}
