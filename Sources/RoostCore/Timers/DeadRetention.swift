/// Dead letters leave in the order of dying, by uptime; those of a queue that holds more than it may, at once.
enum DeadRetention: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.deadHeap.minimum.map { $0.deadline + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let first = state.deadHeap.minimum, first.deadline <= state.uptime {
      let queue = first.slot
      if let leaving = state.firstDeadLeaves(queue), leaving <= state.uptime {
        let slot = state.firstDead(of: queue)
        // Those that wait for it are told first.
        guard !state.graph.isTold(slot) else { return false }
        state.purge(slot, &step)
        return true
      }
      _ = state.deadHeap.popMinimum()
      if first.deadline >= state.queues[Int(queue)].deadAwaited { state.queues[Int(queue)].deadAwaited = .max }
      state.awaitDead(queue)
    }
    return false
  }
}

extension StateMachine {
  /// The dead letter of a queue that died first; the queue has one.
  fileprivate func firstDead(of queue: UInt32) -> Slot {
    dead.slot(at: sets.first(of: Listed.dead(queue: queue))!)
  }

  /// Uptime at which a queue's first dead letter leaves; nil while none does.
  fileprivate func firstDeadLeaves(_ queue: UInt32) -> Int64? {
    guard queues[Int(queue)].counts[.dead] > 0 else { return nil }
    let setup = setup(queue)
    if let most = setup?.pointee.settings[.maxDead], queues[Int(queue)].counts[.dead] > most,
      !defects.contains(.maxDeadIgnored)
    {
      return 0
    }
    guard let retention = setup?.pointee.settings[.deadRetention] ?? limits.deadRetentionMilliseconds,
      let cell = existingLeaseCell(firstDead(of: queue))
    else { return nil }
    return defects.contains(.deadLeaveEarly) ? 0 : cell.pointee.endedUptime + retention.nanoseconds
  }

  /// The queue is looked at when its first dead letter may leave.
  mutating func awaitDead(_ queue: UInt32) {
    guard let next = firstDeadLeaves(queue), next < queues[Int(queue)].deadAwaited else { return }
    queues[Int(queue)].deadAwaited = next
    deadHeap.insert(queue, deadline: next)
  }
}
