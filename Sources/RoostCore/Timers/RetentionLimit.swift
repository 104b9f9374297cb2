/// Of more ACKED and CANCELLED jobs than may stay those leave that ended first, at once.
enum RetentionLimit: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? { nil }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard state.finished.count - state.graph.kept > state.limits.retentionMaxJobs else { return false }
    let isMistaken = state.defects.contains(.retentionDropsRunning)
    if isMistaken, let running = state.leaseHeap.minimum?.slot {
      state.purge(running, &step)
      return true
    }
    guard let slot = state.graph.kept == 0 ? state.finished.head : state.nextLeaver() else { return false }
    state.purge(slot, &step)
    return true
  }
}

extension StateMachine {
  /// Kept jobs that a look passes over.
  private static var mostPassed: Int { 1_024 }

  /// The job that ended first and is not kept; nil where a look found none.
  fileprivate mutating func nextLeaver() -> Slot? {
    if leavers.count > 2 * finished.count + 64 {
      leavers = ExpiryHeap()
      retentionCursor = finished.head
    }
    while let first = leavers.popMinimum() {
      guard jobs.isUsed(first.slot), jobs.hot(first.slot).pointee.container == .retention,
        Int64(jobs.hot(first.slot).pointee.order) == first.deadline, !isKept(first.slot)
      else { continue }
      return first.slot
    }
    for _ in 0..<Self.mostPassed {
      guard retentionCursor != .none else { return nil }
      guard isKept(retentionCursor) else { return retentionCursor }
      retentionCursor = jobs.hot(retentionCursor).pointee.next
    }
    return nil
  }
}
