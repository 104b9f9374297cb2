/// Something that becomes due by itself: leases, delays, retries, `run_at`, waits, retention, keys, queues without jobs.
/// Each source is one file in this folder and one line in `StateMachine.dueSources`.
protocol DueSource: SendableMetatype {
  /// Log time at which the next item is due; nil when nothing will be.
  static func nextDeadline(of state: borrowing StateMachine) -> Int64?
  /// How many items of all sources so far, and this one, may be decided in a step, as far as the disk is concerned.
  static func itemsLeft(_ conditions: Conditions) -> Int
  /// Decides what is due.
  ///
  /// - Returns: How many items that were.
  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int
}

extension DueSource {
  static func itemsLeft(_ conditions: Conditions) -> Int { conditions.dueItemsLeft }
}

/// A source whose items are decided one after the other.
protocol DueItems: DueSource {
  /// Decides the first item, if it is due. Returns false when none is.
  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool
}

extension DueItems {
  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    var decided = 0
    while decided < most, decideFirst(in: &state, &step) { decided += 1 }
    return decided
  }
}

extension StateMachine {
  /// In the order in which they are decided: a job may end and leave in one step.
  private static let dueSources: [any DueSource.Type] = [
    WaitEnds.self,
    OperationSteps.self,
    // Before leases are looked at: none of theirs expires.
    BrokenDeliveries.self,
    LeaseExpiry.self,
    DependencyEnds.self,
    BatchEnds.self,
    OverdueJobs.self,
    LateJobs.self,
    // Behind all that ends jobs that wait or run.
    ScheduleRuns.self,
    DelayedJobs.self,
    RunAtJobs.self,
    Retention.self,
    DeadRetention.self,
    RetentionLimit.self,
    StubExpiry.self,
    UniqueWindows.self,
    // A queue that is no longer paused may be one without jobs.
    PauseEnds.self,
    GroupPauseEnds.self,
    IdleQueueExpiry.self,
    RateWaits.self,
    GroupWaits.self,
    OriginWaits.self,
    ScheduleInstants.self,
  ]

  /// Decides what is due, at most `limits.dueItemsPerStep` items, and on a full disk no more than fit.
  ///
  /// - Returns: True when due work is left: another step should follow at once, or once there is space.
  package mutating func decideDue(into step: inout Step) -> Bool {
    var decided = 0
    for source in Self.dueSources {
      let most = max(0, min(limits.dueItemsPerStep, source.itemsLeft(conditions)) - decided)
      decided += source.decide(atMost: most, in: &self, &step)
    }
    let isFull = decided >= min(limits.dueItemsPerStep, conditions.dueItemsLeft)
    // Where schedules are to fire, who waits is met behind them: of all that became READY in this step.
    guard hungry.isEmpty && !hasDeliveries || nextScheduleWork() == nil else {
      return isFull || hasOperationsToStep || graph.owes || batchesOwe
    }
    if !hungry.isEmpty { feed(&step) }
    if hasDeliveries { feedDeliveries(&step) }
    return isFull || hasOperationsToStep || graph.owes || batchesOwe
      || (!hungry.isEmpty || hasDeliveries) && !conditions.refusesLeases
  }

  /// Workers that wait get the jobs that schedules made.
  package mutating func meetWaiters(into step: inout Step) {
    if !hungry.isEmpty { feed(&step) }
    if hasDeliveries { feedDeliveries(&step) }
  }

  /// Log time at which something is due next; nil when nothing is.
  package var nextDeadline: Int64? {
    var next = Int64.max
    for source in Self.dueSources {
      if let deadline = source.nextDeadline(of: self) { next = min(next, deadline) }
    }
    return next == .max ? nil : next
  }
}
