/// Pauses of queues that end by themselves, by wall time.
enum PauseEnds: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.pauseHeap.minimum.map { state.log(ofWall: $0.deadline) }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let first = state.pauseHeap.minimum, first.deadline <= state.now.dueWall.nanoseconds {
      _ = state.pauseHeap.popMinimum()
      // An entry may be of a pause that ended before, or was given another end.
      guard let setup = state.setup(first.slot), setup.pointee.isPaused,
        setup.pointee.pausedUntil.nanoseconds == first.deadline
      else { continue }
      state.resume(queue: first.slot, &step)
      return true
    }
    return false
  }
}
