import RoostCore

/// How attempts end, and when their jobs run again.
extension ReferenceModel {
  mutating func finish(_ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    guard var job = visible(finish.job, finish.viewer) else { return try finishOfDeparted(finish, answer) }
    let isHeld =
      job.state == .running
      && (finish.lease != nil ? job.lease == finish.lease : !limits.requiresLeaseID && job.leaseKey == finish.key)
    guard isHeld else {
      if let last = job.lastOutcome, isByItsWorker(finish, job) {
        if last == finish.outcome, finish.text == job.said {
          hasJustFinished = true
          return try changed(job, answer, "said before")
        }
        let isNamed = finish.lease != nil || job.state.isFinished
        if last.isToldByWorker, finish.outcome.isToldByWorker, isNamed {
          return try endedOtherwise(job, finish, answer)
        }
      }
      let refusal: Refusal =
        finish.lease != nil
        ? .leaseLost : limits.requiresLeaseID ? .leaseRequired : job.state == .running ? .leaseLost : .notRunning
      return try refused(refusal, answer, "finish of job \(job.id.number.rawValue)")
    }
    if finish.text.count > limits.smallResultBytes {
      guard 2 * finish.text.count <= now.conditions.largeResultBytes else {
        return try refused(.diskLow, answer, "finish")
      }
      now.conditions.largeResultBytes -= 2 * finish.text.count
    }
    let group = group(of: job)
    if finish.outcome == .acked || finish.outcome == .failed {
      note(job, answered: finish.outcome == .acked || !finish.isRetryable)
    }
    switch finish.outcome {
    case .acked: end(&job, .acked, .acked, finish.text)
    case .failed: try fail(&job, finish, answer)
    default: release(&job, finish)
    }
    jobs[job.id.number.rawValue] = job
    hold(group, milliseconds: finish.holdGroupMilliseconds)
    hasJustFinished = true
    try changed(job, answer, "finish")
  }

  /// Whether the lease that ended last, or its API key, is the one that speaks.
  private func isByItsWorker(_ finish: Request.Finish, _ job: Job) -> Bool {
    guard job.lease != nil else { return false }
    return finish.lease != nil ? job.lease == finish.lease : !limits.requiresLeaseID && job.leaseKey == finish.key
  }

  private func endedOtherwise(_ job: Job, _ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    guard case .ended(let ended) = answer else { throw Violation(message: "an attempt ended twice: \(answer)") }
    try expect(
      ended.state == job.state && ended.outcome == job.lastOutcome && ended.endedAt == job.endedAt
        && ended.isSameOutcome == (job.lastOutcome == finish.outcome),
      "job \(job.id.number.rawValue), \(job.state.name), is said to have ended as \(ended)")
  }

  /// A job that left answers its worker all the same, unless a restart has forgotten it.
  private mutating func finishOfDeparted(_ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    guard let gone = departed[finish.job.number.rawValue], gone.job.id == finish.job,
      finish.viewer.sees(queue: gone.job.queue, owner: gone.job.wanted.owner),
      finish.outcome.isToldByWorker, isByItsWorker(finish, gone.job), gone.isCertain || answer.refusal != .jobNotFound
    else { return try refused(.jobNotFound, answer, "finish of a job that is not there") }
    guard gone.job.lastOutcome == finish.outcome, gone.job.said == finish.text else {
      return try endedOtherwise(gone.job, finish, answer)
    }
    guard case .changed(gone.job.state, 0, false) = answer else {
      throw Violation(message: "said before of a job that left: \(answer)")
    }
    hasJustFinished = true
  }

  mutating func fail(_ job: inout Job, _ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    if job.isCancelRequested { return end(&job, .failed, .cancelled, finish.text) }
    guard finish.isRetryable, job.attempts < job.maxAttempts else {
      _ = try endFailed(&job, .failed, .dead, finish.text)
      return
    }
    let allowed = pauses(of: job)
    guard try !endFailed(&job, .failed, .retry, finish.text) else { return }
    var pause = finish.delayMilliseconds
    if pause < 0, case .changed(_, let deadline, _) = answer {
      pause = deadline - now.wall
      try expect(allowed.contains(pause), "a pause of \(pause) ms, allowed are \(allowed)")
    }
    job.deadline = now.log + pause * 1_000_000
    job.foreseen = now.wall + pause
    job.lastPause = pause
  }

  mutating func release(_ job: inout Job, _ finish: Request.Finish) {
    let rank = job.rank
    let next: JobState =
      job.isCancelRequested ? .cancelled : finish.delayMilliseconds > 0 ? .scheduled : .ready
    end(&job, finish.outcome, next, finish.text)
    job.attempts -= 1
    if finish.outcome == .undelivered {
      refund(job)
      refundGroup(job)
    }
    if next == .ready { (job.rank, job.readySince) = (rank, now.log) }
    if next == .scheduled {
      job.deadline = now.log + finish.delayMilliseconds * 1_000_000
      job.foreseen = now.wall + finish.delayMilliseconds
    }
  }

  /// The end of an attempt that failed.
  ///
  /// - Returns: Whether the job began anew in another queue.
  mutating func endFailed(
    _ job: inout Job, _ outcome: Outcome, _ next: JobState, _ text: [UInt8]
  ) throws(Violation) -> Bool {
    guard next != .cancelled, let after = setups[job.queue]?.settings[.deadLetter],
      next == .dead || after > 0 && job.attempts >= after, try takes(Request.deadLetterQueue(after), from: job.queue)
    else {
      end(&job, outcome, next, text)
      return false
    }
    end(&job, outcome, .dead, text)
    job.queue = Request.deadLetterQueue(after)
    if totals[job.queue] == nil { totals[job.queue] = QueueTotals() }
    job.state = .ready
    job.attempts = 0
    begunAnew(&job)
    job.rank = nextRank()
    job.readySince = now.log
    return true
  }

  /// Whether a queue can take a job of another; it is made room for.
  private mutating func takes(_ target: String, from queue: String) throws(Violation) -> Bool {
    guard target != queue, !isDraining(target) else { return false }
    if totals.count < limits.maxQueues || totals[target] != nil { return true }
    return try madeRoom()
  }

  /// The end of an attempt, or of waiting when `outcome` is `cancelled`.
  mutating func end(_ job: inout Job, _ outcome: Outcome, _ next: JobState, _ text: [UInt8]) {
    let isAttempt = outcome.endsAttempt
    job.history.insert(Entry(outcome: outcome, attempt: isAttempt ? job.attempts : 0, text: text), at: 0)
    if isAttempt { job.lastOutcome = outcome }
    if outcome == .expired { job.expiries += 1 }
    if outcome == .released { job.interruptions += 1 }
    job.state = next
    job.rank = nextRank()
    job.isWall = false
    job.isCancelRequested = false
    job.progress = []
    job.attemptEnds = 0
    job.endedAt = now.wall
    job.endedUptime = uptime
    job.lastPause = 0
    if next == .acked || next == .cancelled {
      let own = job.wanted.policy.retentionMilliseconds
      let retention = own >= 0 ? own : setups[job.queue]?.settings[.retention] ?? limits.retentionMilliseconds
      job.deadline = uptime + retention * 1_000_000
    }
    switch outcome {
    case .acked: totals[job.queue]!.acked += 1
    case .failed, .expired, .timedOut: totals[job.queue]!.failed += 1
    default: break
    }
    if next == .dead { totals[job.queue]!.dead += 1 }
    if next.isFinished, job.wanted.schedule != [] { runEnded(job.number, next) }
  }

  /// The pauses, in milliseconds, that the policy allows after the attempt that is just ending.
  func pauses(of job: Job) -> ClosedRange<Int64> {
    let retry = job.wanted.policy.retry
    let most = Int64(retry.maxMilliseconds)
    let first = min(Int64(retry.initialMilliseconds), most)
    var pause = first
    for _ in 1..<max(1, job.attempts) { pause = min(most, pause * Int64(retry.factorThousandths) / 1_000) }
    switch retry.jitter {
    case .none: return pause...pause
    case .added: return pause...pause + Int64(retry.addedMilliseconds)
    case .full: return 0...pause
    case .equal: return (pause - pause / 2)...pause
    case .decorrelated: return first...min(most, max(first, job.lastPause) * 3)
    }
  }
}
