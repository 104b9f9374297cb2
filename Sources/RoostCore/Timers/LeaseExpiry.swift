/// When leases end. Not at the instant that they are over: a word of a worker that arrived in time may still lie unread in
/// a socket, when the process was stopped or the machine paused. It is read before any lease ends.
struct LeaseCheck {
  /// What every lease that is over gets before it ends.
  static let grace: Int64 = 500_000_000
  /// What a step counts of it at most: time in which the process did not run gives nobody a chance.
  static let mostPerStep: Int64 = 250_000_000

  /// Log time of the last check that found nothing, or ended what there was.
  private(set) var last: Int64 = .min
  /// Log time of a check that found leases over, and what is left of their grace.
  private(set) var found: (at: Int64, left: Int64)?

  /// Log time went on by a step.
  mutating func pass(_ nanoseconds: Int64) {
    guard let known = found else { return }
    found = (known.at, known.left - min(nanoseconds, Self.mostPerStep))
  }

  mutating func begin(at time: Int64) { found = (time, Self.grace) }

  mutating func end(at time: Int64) {
    last = time
    found = nil
  }
}

/// Leases that are over end, each a failed attempt.
enum LeaseExpiry: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.leaseHeap.minimum.map { state.nextLeaseCheck($0.deadline) }
  }

  static func itemsLeft(_ conditions: Conditions) -> Int { conditions.expiriesLeft }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    let ended = state.checkLeases(atMost: most, &step)
    if !state.endedJobs.isEmpty { state.answerEnds(&step) }
    return ended
  }
}

extension StateMachine {
  /// Checks leases on a timer, `leaseCheckMilliseconds` apart, and ends those that were found over and have had their
  /// grace since.
  ///
  /// - Returns: How many ended.
  fileprivate mutating func checkLeases(atMost most: Int, _ step: inout Step) -> Int {
    guard let found = leaseCheck.found else {
      guard now.log >= nextLeaseCheck else { return 0 }
      if let first = leaseHeap.minimum, first.deadline <= now.log {
        leaseCheck.begin(at: now.log)
        if defects.contains(.graceForgotten) { leaseCheck.pass(LeaseCheck.grace) }
        guard defects.contains(.graceForgotten) else { return 0 }
        return endLeases(over: now.log, atMost: most, &step)
      }
      leaseCheck.end(at: now.log)
      return 0
    }
    guard found.left <= 0 else { return 0 }
    return endLeases(over: found.at, atMost: most, &step)
  }

  /// Ends the leases that were over at an instant and have not been extended since.
  private mutating func endLeases(over time: Int64, atMost most: Int, _ step: inout Step) -> Int {
    var ended = 0
    while let first = leaseHeap.minimum, first.deadline <= time {
      guard ended < most else { return ended }
      expire(first.slot, &step)
      ended += 1
    }
    leaseCheck.end(at: now.log)
    return ended
  }

  /// Log time at which leases are to be looked at, the first of which is over at `deadline`.
  fileprivate func nextLeaseCheck(_ deadline: Int64) -> Int64 {
    if let found = leaseCheck.found { return now.log + min(max(0, found.left), LeaseCheck.mostPerStep) }
    return max(deadline, nextLeaseCheck)
  }

  private var nextLeaseCheck: Int64 {
    leaseCheck.last == .min ? now.log : leaseCheck.last + limits.leaseCheckMilliseconds.nanoseconds
  }

  /// Whether a job whose lease ends by its time has done so as often as it may: it may be what kills its workers.
  private func isCrashLoop(_ slot: Slot) -> Bool {
    let most = policy(jobs.cold(slot).pointee.policy).maxExpiries
    guard most > 0, let cell = existingLeaseCell(slot), !defects.contains(.crashLoopGoesOn) else { return false }
    return cell.pointee.expiries + 1 >= most
  }

  /// The lease is over and its worker has said nothing, or the attempt ran too long: a failed attempt.
  private mutating func expire(_ slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot)
    if row.pointee.flags & RowFlags.pushed != 0 { noteDelivery(slot, answered: false) }
    let limit = leases.pointer(jobs.cold(slot).pointee.lease).pointee.attemptEnds
    let outcome: Outcome = limit != 0 && row.pointee.deadline >= limit ? .timedOut : .expired
    if row.pointee.flags & RowFlags.cancelRequested != 0 {
      end(slot, outcome, .cancelled, text: .empty, 0, &step)
    } else if row.pointee.attempts >= row.pointee.maxAttempts {
      endFailed(slot, outcome, .dead, text: .empty, 0, &step)
    } else if outcome == .expired, isCrashLoop(slot) {
      endFailed(slot, outcome, .dead, text: .empty, 0, &step)
    } else if outcome == .expired, settings(ofJob: slot)?[.requeueExpired] != nil {
      endFailed(slot, outcome, .ready, text: .empty, 0, &step)
    } else {
      endFailed(slot, outcome, .retry, text: .empty, 0, pause: nextPause(slot), &step)
    }
  }
}
