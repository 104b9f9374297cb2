/// Pauses of groups that end by themselves, by wall time.
enum GroupPauseEnds: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.groupPauseHeap.minimum.map { state.log(ofWall: $0.deadline) }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let first = state.groupPauseHeap.minimum, first.deadline <= state.now.dueWall.nanoseconds {
      _ = state.groupPauseHeap.popMinimum()
      // An entry may be of a pause that ended before, or was given another end, or of a cell that went.
      guard let setup = state.groupSetup(first.slot), setup.isPaused, setup.pausedUntil.nanoseconds == first.deadline
      else { continue }
      var record = state.record(ofGroup: setup.group)
      record.endPause()
      state.tell(record, &step)
      return true
    }
    return false
  }
}
