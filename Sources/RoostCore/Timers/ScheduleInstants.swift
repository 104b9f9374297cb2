/// The instants of schedules, by wall time. What follows them is computed outside: `nextScheduleWork` says what is due,
/// and `FireSchedule` and `MissInstants` come back with it.
enum ScheduleInstants: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    let backfill = state.operations.backfill == nil ? nil : max(state.now.log, state.backfillHeldUntil)
    guard !state.conditions.isWallSuspect else { return backfill }
    if !state.schedules.startable.isEmpty { return state.now.log }
    let instant = state.scheduleHeap.minimum.map { state.log(ofWall: ($0.deadline * 1_000).nanoseconds) }
    return [instant, backfill, state.scheduleHoldHeap.minimum?.deadline].compactMap { $0 }.min()
  }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int { 0 }
}
