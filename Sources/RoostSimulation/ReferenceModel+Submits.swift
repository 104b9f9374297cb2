import RoostCore

/// What becomes of a submit: a new job, one that was there, or a refusal.
extension ReferenceModel {
  mutating func submit(_ job: Submission, _ answer: Answer) throws(Violation) {
    if job.payload.count > mostPayloadBytes { return try refused(.tooLarge, answer, "submit") }
    let name = keyName(job)
    if let name, let key = keys[name], !isForgotten(key, answer) {
      guard key.isFor(job) else { return try conflict(key, answer) }
      return try submittedAgain(key, answer)
    }
    if try isAnsweredByTwin(job, answer) { return }
    guard let dependencies = try hasRoom(for: job, answer) else { return }
    guard case .submitted(let accepted) = answer else { throw Violation(message: "submit: \(answer)") }
    try expect(
      !accepted.isIdempotent && !accepted.isDuplicate, "job \(accepted.id.number.rawValue) was not there before")
    let made = try enter(job, accepted.id, dependencies)
    try expect(accepted.state == made.state, "a new job is \(accepted.state.name)")
    try expect(accepted.due == wallDeadline(made), "a new job is due \(accepted.due), not \(wallDeadline(made))")
    if let name { keys[name] = Key(holder: .job(made.number), origin: Origin(job)) }
  }

  /// Whether a job is to be taken; if not, the answer must say why.
  ///
  /// - Returns: What it waits for.
  mutating func hasRoom(for job: Submission, _ answer: Answer) throws(Violation) -> [Dependency]? {
    var refusal: Refusal?
    if now.conditions.diskLevel >= 1 {
      refusal = .diskLow
    } else if now.conditions.isMemoryLow {
      refusal = .memoryLow
    } else if isDraining(job.queue) {
      refusal = .draining
    } else if let over = overQuota(job.owner) {
      refusal = over
    }
    var found: [Dependency] = []
    if refusal == nil {
      guard try joins(job, answer) else { return nil }
      guard let dependencies = try dependencies(of: job, answer) else { return nil }
      found = dependencies
    }
    if refusal == nil, totals.count >= limits.maxQueues, totals[job.queue] == nil, !(try madeRoom()) {
      refusal = .tooManyQueues
    }
    if refusal == nil, job.unique?.onConflict == .replace, setups[job.queue]?.settings[.groupOrdered] != nil {
      refusal = .replaceInOrder
    }
    guard let refusal else { return try admitted(filledIn(job), replacing: replaceable(by: job), answer) ? found : nil }
    try refused(refusal, answer, "submit")
    return nil
  }

  /// A job was made, as it says and as its queue fills it in.
  mutating func enter(
    _ wanted: Submission, _ id: JobID, _ dependencies: [Dependency] = []
  ) throws(Violation) -> Job {
    let twin = replaceable(by: wanted)
    let (since, created) = (twin?.since ?? id.createdMilliseconds, id.createdMilliseconds)
    let job = bounded(filledIn(wanted), since: since)
    if let twin { replace(twin) }
    let number = id.number.rawValue
    try expect(number > lastNumber, "job number \(number) after \(lastNumber)")
    lastNumber = number
    let isWall = job.delayMilliseconds == 0 && job.runAtMilliseconds > clocks.due
    let isReady = job.delayMilliseconds == 0 && !isWall
    var made = Job(
      id: id, origin: Origin(job), queue: job.queue, priority: job.priority, maxAttempts: Int(job.maxRetries) + 1,
      state: isReady ? .ready : .scheduled, rank: nextRank(),
      deadline: isWall ? job.runAtMilliseconds * 1_000_000 : now.log + job.delayMilliseconds * 1_000_000,
      isWall: isWall)
    made.readySince = now.log
    made.expires = job.expiry?.time(created: id.createdMilliseconds) ?? 0
    made.foreseen = isWall ? job.runAtMilliseconds : now.wall + job.delayMilliseconds
    made.dependencies = dependencies
    made.batch = job.batch?.number.rawValue
    if verdict(made) != .runs {
      made.state = .blocked
      made.isWall = job.delayMilliseconds == 0 && job.runAtMilliseconds != 0
      made.deadline = (made.isWall ? job.runAtMilliseconds : job.delayMilliseconds) * 1_000_000
    }
    // It has waited for no time where the wall clock went back meanwhile, and for so long at most.
    made.since = created - min(max(0, created - since), Int64(UInt32.max))
    made.hold = hold(of: job)
    if let twin { succeed(&made, twin) }
    jobs[number] = made
    departed[number] = nil
    totals[job.queue, default: QueueTotals()].submitted += 1
    return made
  }

  /// A stub whose time is over may be gone or not, until the next step that leaves no due work behind.
  private func isForgotten(_ key: Key, _ answer: Answer) -> Bool {
    guard case .stub(_, _, let until) = key.holder, until <= uptime else { return false }
    if case .submitted(let accepted) = answer { return !accepted.isIdempotent }
    return answer.refusal != .idempotencyConflict
  }

  private func conflict(_ key: Key, _ answer: Answer) throws(Violation) {
    guard case .conflict(let conflict) = answer else { throw Violation(message: "a key of another job: \(answer)") }
    switch key.holder {
    case .job(let number): try expect(conflict.id == jobs[number]!.id, "a conflict names \(conflict.id)")
    case .stub(let id, _, _): try expect(conflict.id == id, "a conflict names \(conflict.id), not the purged")
    }
  }

  private func submittedAgain(_ key: Key, _ answer: Answer) throws(Violation) {
    guard case .submitted(let accepted) = answer, accepted.isIdempotent else {
      throw Violation(message: "a repeated submit: \(answer)")
    }
    switch key.holder {
    case .job(let number):
      let job = jobs[number]!
      try expect(accepted.id == job.id && accepted.state == job.state, "a repeated submit names \(accepted)")
    case .stub(let id, let state, _):
      try expect(accepted.id == id && accepted.state == state, "a repeated submit names \(accepted), not the purged")
    }
  }
}
