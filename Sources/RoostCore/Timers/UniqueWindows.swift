/// Keys that are held for a time, whatever becomes of their jobs: released when it is over, by uptime.
enum UniqueWindows: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.windowHeap.minimum.map { $0.deadline + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let first = state.windowHeap.minimum, first.deadline <= state.uptime {
      _ = state.windowHeap.popMinimum()
      // An entry may be of a key that was released before; its cell may be another's by now.
      guard state.uniques.hasMemory(first.slot), state.uniques.cell(first.slot).pointee.until == first.deadline,
        state.uniques.holds(first.slot)
      else { continue }
      state.release(unique: first.slot, &step)
      return true
    }
    return false
  }
}
