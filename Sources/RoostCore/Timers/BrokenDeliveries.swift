/// Deliveries that a former process had begun: nobody knows how they ended, so they are made again at once. Their attempts
/// are not spent.
enum BrokenDeliveries: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.deliveries.broken.isEmpty ? nil : state.now.log
  }

  /// As of leases that expire: what is kept for each job's completion has room for its end.
  static func itemsLeft(_ conditions: Conditions) -> Int { conditions.expiriesLeft }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let slot = state.deliveries.broken.popLast() {
      // It may have ended otherwise meanwhile; the row may even be another's.
      guard state.isDeliveryOfOlderEpoch(slot) else { continue }
      state.interrupt(slot, &step)
      if !state.endedJobs.isEmpty { state.answerEnds(&step) }
      return true
    }
    return false
  }
}

extension StateMachine {
  fileprivate func isDeliveryOfOlderEpoch(_ slot: Slot) -> Bool {
    guard jobs.isUsed(slot), jobs.hot(slot).pointee.state == JobState.running.rawValue,
      jobs.hot(slot).pointee.flags & RowFlags.pushed != 0, let cell = existingLeaseCell(slot)
    else { return false }
    return cell.pointee.id.epoch < epoch
  }

  /// Ends the attempt of a RUNNING job as if its worker had handed it back.
  fileprivate mutating func interrupt(_ slot: Slot, _ step: inout Step) {
    let isCancelled = jobs.hot(slot).pointee.flags & RowFlags.cancelRequested != 0
    end(slot, .released, isCancelled ? .cancelled : .ready, text: .empty, 0, &step)
  }

  /// Finds them at the end of a replay, the oldest job last: it goes first.
  mutating func listBrokenDeliveries() {
    guard !defects.contains(.brokenDeliveriesKept) else { return }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot).pointee
      if row.state == JobState.running.rawValue, row.flags & RowFlags.pushed != 0 { deliveries.broken.append(slot) }
    }
    deliveries.broken.reverse()
  }
}
