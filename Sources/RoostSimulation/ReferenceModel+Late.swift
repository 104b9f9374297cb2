import RoostCore

/// Jobs that must begin before a time, and leave when it is over.
extension ReferenceModel {
  /// Whether a waiting job may not begin any more: by a wall clock that is believed.
  func isLate(_ job: Job) -> Bool {
    job.expires != 0 && job.state.isWaiting && !now.isWallSuspect && job.expires <= clocks.due
  }

  /// Jobs that left, as the records of a command say.
  mutating func buryLate() throws(Violation) {
    for number in late {
      guard var job = jobs[number] else { throw Violation(message: "job \(number) is too late, and not there") }
      try bury(&job)
      jobs[number] = job
    }
    late = []
  }

  mutating func bury(_ job: inout Job) throws(Violation) {
    try expect(isLate(job), "job \(job.number), \(job.state.name) until \(job.expires), is not too late")
    if job.wanted.expiry!.cancels {
      end(&job, .cancelled, .cancelled, Array(CancelReason.expired.rawValue.utf8))
    } else {
      end(&job, .tooLate, .dead, [])
    }
  }

  /// Who is too late already when it begins anew may begin at any time.
  func begunAnew(_ job: inout Job) {
    (job.expiries, job.interruptions) = (0, 0)
    if job.expires <= clocks.due { job.expires = 0 }
  }

  /// Whether jobs that are too late may hide the others of some queues: only some leave with one command.
  func isHiddenByLate(_ queues: [String]) -> Bool {
    jobs.values.contains { $0.state == .ready && queues.contains($0.queue) && isLate($0) }
  }
}
