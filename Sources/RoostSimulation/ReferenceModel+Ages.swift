import RoostCore

/// Jobs that are READY for longer than their queue lets them: none is given, and they leave.
extension ReferenceModel {
  func isTooOld(_ job: Job) -> Bool {
    guard job.state == .ready, let most = setups[job.queue]?.settings[.maxAge] else { return false }
    return now.log - job.readySince >= most * 1_000_000
  }

  /// Whether a queue holds jobs that are too old: until they have left it may give nothing, though others are READY.
  func isStale(_ queue: String) -> Bool {
    setups[queue]?.settings[.maxAge] != nil && jobs.values.contains { $0.queue == queue && isTooOld($0) }
  }

  /// Whether a lease from some queues may get nothing, as what stands first in those that hold jobs is too old.
  func mayGiveNone(_ queues: [String]) -> Bool {
    queues.allSatisfy { hold($0) != nil || isStale($0) || candidates(of: $0).isEmpty }
  }

  /// What a lease found too old.
  mutating func leftTooOld(_ numbers: [UInt64], _ request: Request) throws(Violation) {
    for number in numbers {
      guard case .lease(let lease) = request, var job = jobs[number], lease.queues.contains(job.queue) else {
        throw Violation(message: "job \(number) was too old for \(request)")
      }
      try leaveTooOld(&job)
      jobs[number] = job
    }
  }

  mutating func leaveTooOld(_ job: inout Job) throws(Violation) {
    try expect(isTooOld(job), "job \(job.number) was too old, \(place(of: job))")
    end(&job, .cancelled, .cancelled, Array(CancelReason.tooOld.rawValue.utf8))
  }

  /// Of each group and priority the job that stands first is none that should have left.
  func leftNoneTooOld() throws(Violation) {
    let ready = jobs.values.filter { $0.state == .ready && setups[$0.queue]?.settings[.maxAge] != nil }
    for level in Dictionary(grouping: ready, by: { "\(group(of: $0)) \($0.priority) \($0.wanted.origin)" }).values {
      let rank = level.map(\.rank).min()!
      let first = level.filter { $0.rank == rank }
      try expect(!first.allSatisfy { isTooOld($0) }, "job \(first[0].number) stays, \(place(of: first[0]))")
    }
  }
}
