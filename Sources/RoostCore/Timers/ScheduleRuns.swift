/// Runs of schedules that ended are written down: before their jobs may leave.
enum ScheduleRuns: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.schedules.ended.isEmpty ? nil : state.now.log
  }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    // As many as there are: few jobs are runs, and each took a due item of its own to end.
    if !state.schedules.ended.isEmpty { state.endRuns(&step) }
    return 0
  }
}
