/// Queues that have held no job for long enough are forgotten, by log time; and at once while there are too many.
enum IdleQueueExpiry: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.firstIdle == .none ? nil : end(of: state.firstIdle, in: state)
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    let queue = state.firstIdle
    guard queue != .none else { return false }
    guard state.existingQueues > state.limits.maxQueues || end(of: queue, in: state) <= state.now.log else {
      return false
    }
    state.forget(queue: queue, &step)
    return true
  }

  /// Log time at which a queue without jobs goes.
  private static func end(of queue: UInt32, in state: borrowing StateMachine) -> Int64 {
    let (end, isBeyond) = state.queues[Int(queue)].idleSince.addingReportingOverflow(
      state.limits.queueIdleMilliseconds.nanoseconds)
    return isBeyond ? .max : end
  }
}
