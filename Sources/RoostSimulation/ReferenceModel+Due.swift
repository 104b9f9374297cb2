import RoostCore

/// What happened by itself at the end of a step: allowed when due, demanded when overdue.
extension ReferenceModel {
  /// - Parameters:
  ///   - replies: To waiting workers.
  ///   - hasMore: Due work was left for the next step.
  ///   - isShort: The disk may have had no room for something.
  ///   - forgottenForFires: Queues that went for the jobs of schedules.
  ///   - tooOld: Jobs that nobody asked for in time.
  ///   - seen: A job as the machine has it after the step.
  mutating func decidedDue(
    _ replies: ArraySlice<Reply>, secret: SipKey, hasMore: Bool, isShort: Bool, forgottenForFires: ArraySlice<String>,
    tooOld: Set<UInt64>, count: Int, _ seen: (JobID) -> JobImage?
  ) throws(Violation) {
    var grants: [Reply] = []
    var ends: [Reply] = []
    for reply in replies {
      if !grantedNumbers(reply.answer).isEmpty {
        grants.append(reply)
      } else if let waiter = endWaiters.first(where: { $0.ticket == reply.ticket }), waiter.deadline > now.log {
        ends.append(reply)
      } else {
        try waitEnded(reply)
      }
    }
    try expect(!waiters.contains { $0.deadline <= now.log }, "a worker waits longer than it wished")
    try expect(!endWaiters.contains { $0.deadline <= now.log }, "a reader waits longer than it wished")
    try expect(deliveryWaiter?.deadline ?? .max > now.log, "the daemon waits for deliveries longer than it wished")
    if !now.isReadOnly {
      try operated(hasMore: hasMore)
      let late = Set(self.late)
      self.late = []
      try decide(
        Set(grants.flatMap { grantedNumbers($0.answer) }), late, secret, tooOld: tooOld, hasMore: hasMore, seen)
      try checkedLeases(hasMore: hasMore)
      if !hasMore { forgetStubs() }
      try endPauses(hasMore: hasMore)
      try endGroupPauses(hasMore: hasMore)
    }
    try forgetIdle(hasMore: hasMore || now.isReadOnly)
    // With the last job that names a host it is forgotten, also where a schedule names it anew.
    forgetHosts()
    forgotten = forgottenForFires
    try fired(hasMore: hasMore, isShort: isShort)
    try buryLate()
    try expect(forgotten.isEmpty, "queues went for no job: \(forgotten)")
    forgetHosts()
    for end in ends { try expect(try endMet(end), "an end that nobody waits for: \(end)") }
    for grant in grants { try served(grant) }
    try noneIsLeftWaiting(isLast: true)
    try expectNoTwins()
    try verify(count: count, seen)
  }

  private mutating func waitEnded(_ reply: Reply) throws(Violation) {
    if let index = endWaiters.firstIndex(where: { $0.ticket == reply.ticket }), case .job(let image) = reply.answer {
      return try verify(jobs[endWaiters.remove(at: index).number]!, image)
    }
    if try deliveryMet(reply) { return }
    guard let index = waiters.firstIndex(where: { $0.ticket == reply.ticket }), case .nothing = reply.answer else {
      throw Violation(message: "an answer that nobody waits for: \(reply)")
    }
    try expect(waiters[index].deadline <= now.log, "a wait ended early")
    waiters.remove(at: index)
  }

  private mutating func decide(
    _ granted: Set<UInt64>, _ late: Set<UInt64>, _ secret: SipKey, tooOld: Set<UInt64>, hasMore: Bool,
    _ seen: (JobID) -> JobImage?
  ) throws(Violation) {
    let rank = nextRank()
    let known = Set(jobs.keys)
    var pushedOut: UInt64 = 0
    var leftEnded: Set<UInt64> = []
    var deadPushedOut: [String: UInt64] = [:]
    // A job waits only for some that were submitted before it: what became of those is known first.
    for number in jobs.keys.sorted() {
      var job = jobs[number]!
      let image = seen(job.id)
      if job.state == .running, image?.state != .running || granted.contains(number) {
        let (isBroken, rankBefore) = (isBroken(job), job.rank)
        if isBroken { interrupt(&job) } else { note(job, answered: false) }
        let isMoved = isBroken ? false : try expire(&job, image, isLate: late.contains(number))
        if isBroken, job.state == .ready { job.rank = rankBefore }
        // One that is READY again keeps its place.
        if job.state != .ready || isMoved { job.rank = rank }
      }
      if batchStops.contains(number) { try batchStopped(&job, rank: rank) }
      // One that is too late leaves, whether it was unblocked before or not.
      if job.state == .blocked, !late.contains(number) {
        _ = try unblocked(&job, image, isGranted: granted.contains(number), rank: rank)
      }
      if tooOld.contains(number) {
        try leaveTooOld(&job)
        job.rank = rank
      }
      if job.state == .scheduled || job.state == .retry, image?.state == .ready || granted.contains(number) {
        try expect(isDue(job), "job \(number), \(job.state.name), is READY before it is due")
        job.state = .ready
        job.readySince = now.log
        job.rank = rank
        job.isWall = false
      }
      if late.contains(number) {
        try bury(&job)
        job.rank = rank
      }
      jobs[number] = job
      if image == nil {
        try expect(
          job.state == .acked || job.state == .cancelled
            || job.state == .dead && (isOverdue(job) || setups[job.queue]?.settings[.maxDead] != nil),
          "job \(number), \(job.state.name), is lost")
        if job.state == .dead, !isOverdue(job) {
          deadPushedOut[job.queue] = max(deadPushedOut[job.queue] ?? 0, job.rank)
        }
        if job.state != .dead, job.deadline > uptime { pushedOut = max(pushedOut, job.rank) }
        if job.state == .acked { leftEnded.insert(number) }
        purge(number, job)
      }
    }
    batchStops = []
    try batchesEnded(hasMore: hasMore, rank: rank, secret)
    // A batch's last job may be too late as soon as it is made.
    for number in late.subtracting(known) {
      guard var job = jobs[number] else {
        // One that a schedule makes in this step.
        self.late.append(number)
        continue
      }
      try bury(&job)
      job.rank = rank
      jobs[number] = job
      // Where nothing is kept it leaves at once.
      if seen(job.id) == nil { purge(number, job) }
    }
    let needed = neededJobs
    try expect(
      leftEnded.isDisjoint(with: needed), "a job left whose result is needed: \(leftEnded.intersection(needed))")
    left = [:]
    if !hasMore {
      for (number, job) in jobs where !stopped.contains(number) {
        let mustStay = job.state == .acked && needed.contains(number)
        try expect(mustStay || !isOverdue(job), "job \(number), \(job.state.name), should be no longer so")
        if job.state == .blocked {
          try expect(verdict(job) == .waits, "job \(number) is BLOCKED by nothing: \(verdict(job))")
        }
        try expect(!isBroken(job), "the delivery of job \(number) was broken off, and is not made again")
      }
    }
    let finished = jobs.values.filter {
      ($0.state == .acked || $0.state == .cancelled) && !($0.state == .acked && needed.contains($0.number))
    }
    if pushedOut > 0 {
      try expect(finished.count >= limits.retentionMaxJobs, "a finished job left early")
      try expect(!finished.contains { $0.rank < pushedOut }, "an older finished job stayed")
    }
    if !hasMore { try expect(finished.count <= limits.retentionMaxJobs, "too many finished jobs stay") }
    if !hasMore { try leftNoneTooOld() }
    try boundedDead(deadPushedOut, hasMore: hasMore)
  }

  /// Of the dead letters of a queue those that died last stay, as many as may.
  ///
  /// - Parameter pushedOut: The last rank of those that left, by queue.
  private func boundedDead(_ pushedOut: [String: UInt64], hasMore: Bool) throws(Violation) {
    for (queue, setup) in setups {
      guard let most = setup.settings[.maxDead] else { continue }
      let dead = jobs.values.filter { $0.queue == queue && $0.state == .dead }
      if !hasMore { try expect(dead.count <= most, "queue \(queue) keeps \(dead.count) dead letters of \(most)") }
      guard let rank = pushedOut[queue] else { continue }
      try expect(dead.count >= most, "a dead letter of queue \(queue) left early")
      try expect(!dead.contains { $0.rank < rank }, "an older dead letter of queue \(queue) stayed")
    }
  }

  /// - Returns: Whether the job began anew in another queue.
  private mutating func expire(_ job: inout Job, _ image: JobImage?, isLate: Bool) throws(Violation) -> Bool {
    let number = job.id.number.rawValue
    guard let ending = leaseCheck.ending else { throw Violation(message: "the lease of job \(number) had no grace") }
    try expect(job.deadline <= ending, "the lease of job \(number) ended early")
    let outcome: Outcome = job.attemptEnds > 0 && job.deadline >= job.attemptEnds ? .timedOut : .expired
    let isRequeued = outcome == .expired && setups[job.queue]?.settings[.requeueExpired] != nil
    let again: JobState = isRequeued ? .ready : .retry
    let mostExpiries = Int(job.wanted.policy.maxExpiries)
    let isCrashLoop = outcome == .expired && mostExpiries > 0 && job.expiries + 1 >= mostExpiries
    let mayGoOn = job.attempts < job.maxAttempts && !isCrashLoop
    let next: JobState = job.isCancelRequested ? .cancelled : mayGoOn ? again : .dead
    let allowed = pauses(of: job)
    let rank = job.rank
    guard try !endFailed(&job, outcome, next, []) else { return true }
    if next == .ready { (job.rank, job.readySince) = (rank, now.log) }
    guard next == .retry, !stopped.contains(number), !batchStops.contains(number), !isLate else { return false }
    let pause = image?.state == .retry ? image!.deadline - now.wall : 0
    try expect(allowed.contains(pause), "a pause of \(pause) ms, allowed are \(allowed)")
    job.deadline = now.log + pause * 1_000_000
    job.foreseen = now.wall + pause
    job.lastPause = pause
    return false
  }

  private func isDue(_ job: Job) -> Bool {
    job.deadline <= (job.isWall ? clocks.due * 1_000_000 : now.log)
  }

  private func isOverdue(_ job: Job) -> Bool {
    switch job.state {
    case .scheduled, .retry: isDue(job) || isLate(job)
    case .acked, .cancelled: job.deadline <= uptime
    case .dead:
      (setups[job.queue]?.settings[.deadRetention] ?? limits.deadRetentionMilliseconds)
        .map { job.endedUptime + $0 * 1_000_000 <= uptime } ?? false
    case .ready, .blocked: isLate(job)
    case .running: false
    }
  }

  mutating func purge(_ number: UInt64, _ job: Job) {
    jobs[number] = nil
    left[number] = job.state
    if let batch = job.batch, batches[batch] != nil { batches[batch]!.left[job.state, default: 0] += 1 }
    if job.lastOutcome?.isToldByWorker == true { departed[number] = Departed(job: job) }
    leaveUnique(job)
    guard let name = keyName(job.wanted) else { return }
    let until = job.endedUptime + limits.idempotencyWindowMilliseconds * 1_000_000
    if until > uptime {
      keys[name]!.holder = .stub(job.id, job.state, until: until)
    } else {
      keys[name] = nil
    }
  }

  private mutating func forgetStubs() {
    for (name, key) in keys {
      if case .stub(_, _, let until) = key.holder, until <= uptime { keys[name] = nil }
    }
    endWindows()
  }
}
