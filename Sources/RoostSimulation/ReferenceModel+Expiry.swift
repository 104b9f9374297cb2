import RoostCore

/// When leases may end: not in the check that finds them over, as a word of their workers may not have been read yet.
extension ReferenceModel {
  struct LeaseCheck {
    /// Log time of the last check that found nothing or ended what there was.
    var last: Int64?
    /// Log time at which leases were found over, and what is left of their grace.
    var found: (at: Int64, left: Int64)?

    /// Half a second, of which a step counts as a quarter at most.
    mutating func pass(_ nanoseconds: Int64) {
      if let known = found { found = (known.at, known.left - min(nanoseconds, 250_000_000)) }
    }

    /// Leases that were over at this log time end now.
    var ending: Int64? { found.flatMap { $0.left <= 0 ? $0.at : nil } }
  }

  /// Called when what ended by itself is known.
  ///
  /// - Parameter hasMore: Due work was left for the next step.
  mutating func checkedLeases(hasMore: Bool) throws(Violation) {
    func overdue(_ time: Int64) -> UInt64? {
      jobs.first { $0.value.state == .running && $0.value.deadline <= time }?.key
    }
    if let ending = leaseCheck.ending {
      if let number = overdue(ending) {
        try expect(hasMore, "the lease of job \(number) is over and goes on")
      } else {
        leaseCheck = LeaseCheck(last: now.log)
      }
    } else if leaseCheck.found == nil, now.log >= leaseCheck.last.map({ $0 + interval }) ?? now.log {
      if overdue(now.log) == nil { leaseCheck.last = now.log } else { leaseCheck.found = (now.log, 500_000_000) }
    }
  }

  private var interval: Int64 { limits.leaseCheckMilliseconds * 1_000_000 }
}
