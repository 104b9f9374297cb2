import RoostCore

/// Whether each request got the answer that it should.
extension ReferenceModel {
  /// - Parameters:
  ///   - replies: What the request caused: its own answer, then those of waiting workers that it served.
  ///   - page: Jobs of a page.
  ///   - queues: Lines of the queue list.
  mutating func answered(
    _ request: Request, ticket: UInt64, _ replies: [Reply], page: [JobImage], queues: [(String, QueueImage)]
  ) throws(Violation) {
    var rest = replies[...]
    let followsFinish = hasJustFinished
    hasJustFinished = false
    // Jobs that no waiter could be given on a full disk are given with the next command, in no certain order.
    let isAlone = !waiters.contains { !best(of: $0.wanted.queues).isEmpty }
    if now.isReadOnly, !request.isRead {
      try expect(rest.popFirst()?.answer.refusal == .diskLow, "a full disk took \(request)")
    } else {
      switch request {
      case .lease(let lease) where lease.isNext && !followsFinish:
        guard let own = rest.popFirst(), own.ticket == ticket, case .nothing = own.answer else {
          throw Violation(message: "a next job was leased though no attempt ended before: \(replies)")
        }
      case .lease(let lease): try self.lease(lease, ticket, &rest)
      case .awaitEnd(let id, let isForged, let viewer, let milliseconds):
        try awaitEnd(id, isForged, viewer, milliseconds, ticket, &rest)
      case .endWait(let waiting): try endWait(waiting, &rest)
      case .drainWaiters: try drainWaiters(ticket, &rest)
      default:
        guard let own = rest.popFirst(), own.ticket == ticket else {
          throw Violation(message: "no answer to \(request)")
        }
        try answered(request, own.answer, page: page, queues: queues)
      }
    }
    for reply in rest where !(try endMet(reply)) { try served(reply, isAlone: isAlone) }
    // Waiting workers are met behind the last submit of a batch; if that one is too large, at the end of the step.
    if case .submit(let job) = request, job.isFollowed || job.payload.count > Simulation.mostPayloadBytes { return }
    // What can never fit does not reach the machine: after a full disk waiters are then met at the batch's end.
    if replies.first?.answer.refusal == .tooLarge { return }
    try noneIsLeftWaiting()
  }

  private mutating func answered(
    _ request: Request, _ answer: Answer, page: [JobImage], queues: [(String, QueueImage)]
  ) throws(Violation) {
    switch request {
    case .submit(let job): try submit(job, answer)
    case .finish(let finish): try self.finish(finish, answer)
    case .extend(let id, let isForged, let viewer, let lease, let milliseconds, let progress):
      try extend(id, isForged, viewer, lease, milliseconds, progress, answer)
    case .cancel(let id, let viewer, let reason): try cancel(id, viewer, reason, answer)
    case .runNow(let id, let viewer, let onlyDead): try runNow(id, viewer, onlyDead, answer)
    case .read(let id, let isForged, let viewer): try read(id, isForged, viewer, answer)
    case .list(let list): try self.list(list, answer, page)
    case .queues(let viewer): try listQueues(viewer, queues)
    case .lease, .awaitEnd, .endWait, .drainWaiters: preconditionFailure("answered elsewhere")
    }
  }

  // MARK: Submitting

  private mutating func submit(_ job: Submission, _ answer: Answer) throws(Violation) {
    if job.payload.count > Simulation.mostPayloadBytes { return try refused(.tooLarge, answer, "submit") }
    let name = keyName(job)
    if let name, let key = keys[name], !isForgotten(key, answer) {
      guard key.fingerprint == job.fingerprint else { return try refused(.idempotencyConflict, answer, "submit") }
      return try submittedAgain(key, answer)
    }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "submit") }
    if now.conditions.isMemoryLow { return try refused(.memoryLow, answer, "submit") }
    if totals.count >= limits.maxQueues, totals[job.queue] == nil {
      return try refused(.tooManyQueues, answer, "submit")
    }
    guard case .submitted(let accepted) = answer else { throw Violation(message: "submit: \(answer)") }
    let number = accepted.id.number.rawValue
    try expect(!accepted.isIdempotent, "job \(number) was not there before")
    try expect(number > lastNumber, "job number \(number) after \(lastNumber)")
    lastNumber = number
    let isWall = job.delayMilliseconds == 0 && job.runAtMilliseconds > now.wall
    let isReady = job.delayMilliseconds == 0 && !isWall
    let made = Job(
      id: accepted.id, origin: Origin(job), state: isReady ? .ready : .scheduled, rank: nextRank(),
      deadline: isWall ? job.runAtMilliseconds * 1_000_000 : now.log + job.delayMilliseconds * 1_000_000,
      isWall: isWall)
    try expect(accepted.state == made.state, "a new job is \(accepted.state.name)")
    try expect(accepted.due == wallDeadline(made), "a new job is due \(accepted.due), not \(wallDeadline(made))")
    jobs[number] = made
    totals[job.queue, default: QueueTotals()].submitted += 1
    if let name { keys[name] = Key(holder: .job(number), fingerprint: job.fingerprint) }
  }

  /// A stub whose time is over may be gone or not, until the next step that leaves no due work behind.
  private func isForgotten(_ key: Key, _ answer: Answer) -> Bool {
    guard case .stub(_, _, let until) = key.holder, until <= uptime else { return false }
    if case .submitted(let accepted) = answer { return !accepted.isIdempotent }
    return answer.refusal != .idempotencyConflict
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

  // MARK: Leasing

  private mutating func lease(
    _ lease: Request.Lease, _ ticket: UInt64, _ replies: inout ArraySlice<Reply>
  ) throws(Violation) {
    let own = replies.first?.ticket == ticket ? replies.popFirst()?.answer : nil
    if now.conditions.refusesLeases { return try refused(.diskLow, own, "lease") }
    let best = best(of: lease.queues)
    if !best.isEmpty {
      guard let own else { throw Violation(message: "job \(best) was not granted") }
      return try granted(own, to: lease)
    }
    if lease.waitMilliseconds > 0, !isDraining {
      if waiters.count + endWaiters.count >= limits.maxWaiters { return try refused(.overloaded, own, "lease") }
      try expect(own == nil, "a lease that should wait got \(own as Any)")
      waiters.append(
        Waiter(ticket: ticket, wanted: lease, deadline: now.log + lease.waitMilliseconds * 1_000_000))
    } else {
      guard case .nothing = own else { throw Violation(message: "an empty queue gave \(own as Any)") }
    }
  }

  /// One job, or as many as wished for, there are, and fit.
  private mutating func granted(_ answer: Answer, to lease: Request.Lease) throws(Violation) {
    if lease.maxJobs == 0 {
      guard case .leased(let grant) = answer else { throw Violation(message: "a lease got \(answer)") }
      return try granted(grant, to: lease)
    }
    guard case .leasedMany(let first, let count) = answer, (1...lease.maxJobs).contains(count) else {
      throw Violation(message: "a lease of at most \(lease.maxJobs) jobs got \(answer)")
    }
    var bytes = 0
    for grant in stepGrants[Int(first)..<Int(first + count)] {
      try granted(grant, to: lease)
      bytes += Int(grant.recordBytes)
    }
    try expect(count == 1 || bytes <= lease.maxBytes, "leases of \(bytes) bytes, at most \(lease.maxBytes) wished for")
    let best = best(of: lease.queues)
    guard count < lease.maxJobs, !best.isEmpty, !now.conditions.refusesLeases else { return }
    let next = best.map { mostRecordBytes(jobs[$0]!) }.max()!
    try expect(bytes + next > lease.maxBytes, "job \(best) was not granted though there was room")
  }

  /// More than a job's record can have.
  private func mostRecordBytes(_ job: Job) -> Int {
    job.history.prefix(40).reduce(job.wanted.payload.count + 1_000) { $0 + $1.text.count + 300 }
  }

  mutating func granted(_ grant: Answer.Grant, to lease: Request.Lease) throws(Violation) {
    let number = grant.id.number.rawValue
    let best = best(of: lease.queues)
    try expect(best.contains(number), "job \(number) was granted before \(best)")
    try expect(grant.lease.number > lastLease, "lease \(grant.lease) after \(lastLease)")
    try expect(grant.lease.epoch == epoch, "lease \(grant.lease) of epoch \(epoch)")
    try expect(!now.conditions.refusesLeases, "job \(number) was granted without room for its completion")
    now.conditions.leasesLeft -= 1
    lastLease = grant.lease.number
    var job = jobs[number]!
    let own = Int64(job.wanted.policy.leaseMilliseconds)
    let duration =
      lease.leaseMilliseconds > 0 ? lease.leaseMilliseconds : own > 0 ? own : limits.leaseMilliseconds
    job.state = .running
    job.attempts += 1
    job.deadline = now.log + duration * 1_000_000
    job.isWall = false
    job.lease = grant.lease
    job.leaseKey = lease.key
    job.leaseDuration = duration * 1_000_000
    job.leasedAt = now.wall
    job.lastOutcome = nil
    try expect(
      grant.id == job.id && Int(grant.attempt) == job.attempts && Int(grant.maxAttempts) == job.maxAttempts
        && grant.priority == job.wanted.priority && grant.until == wallDeadline(job),
      "grant \(grant) of job \(number), attempt \(job.attempts)")
    jobs[number] = job
    totals[job.wanted.queue]!.leased += 1
  }

  /// A waiting worker got a job.
  ///
  /// - Parameter isAlone: Only one job became READY, so that the order of the queue's waiters decides.
  mutating func served(_ reply: Reply, isAlone: Bool) throws(Violation) {
    guard let index = waiters.firstIndex(where: { $0.ticket == reply.ticket }),
      let number = grantedNumbers(reply.answer).first
    else { throw Violation(message: "an answer that nobody waits for: \(reply)") }
    let waiter = waiters[index]
    try granted(reply.answer, to: waiter.wanted)
    let queue = jobs[number]!.wanted.queue
    if isAlone {
      try expect(
        waiters.first { $0.wanted.queues.contains(queue) }?.ticket == reply.ticket, "a waiter was passed over")
    }
    waiters.remove(at: index)
  }

  func grantedNumbers(_ answer: Answer) -> [UInt64] {
    switch answer {
    case .leased(let grant): [grant.id.number.rawValue]
    case .leasedMany(let first, let count):
      stepGrants[Int(first)..<Int(first + count)].map { $0.id.number.rawValue }
    default: []
    }
  }

  func noneIsLeftWaiting() throws(Violation) {
    for waiter in endWaiters {
      try expect(jobs[waiter.number]?.state.isFinished == false, "a reader waits for the end of job \(waiter.number)")
    }
    guard !now.conditions.refusesLeases, !now.isReadOnly else { return }
    for waiter in waiters {
      let best = best(of: waiter.wanted.queues)
      try expect(best.isEmpty, "a worker waits while job \(best) is READY")
    }
  }

  private mutating func awaitEnd(
    _ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ milliseconds: Int64, _ ticket: UInt64,
    _ replies: inout ArraySlice<Reply>
  ) throws(Violation) {
    let own = replies.first?.ticket == ticket ? replies.popFirst()?.answer : nil
    guard !isForged, let job = visible(id, viewer) else { return try refused(.jobNotFound, own, "a wait for an end") }
    if job.state.isFinished || milliseconds <= 0 || isDraining {
      guard case .job(let image) = own else { throw Violation(message: "an ended job was waited for: \(own as Any)") }
      return try verify(job, image)
    }
    if waiters.count + endWaiters.count >= limits.maxWaiters { return try refused(.overloaded, own, "a wait") }
    try expect(own == nil, "a wait for the end of a job that is \(job.state.name) got \(own as Any)")
    endWaiters.append(
      EndWaiter(ticket: ticket, number: id.number.rawValue, deadline: now.log + milliseconds * 1_000_000))
  }

  /// Whether the reply is to a reader whose job has ended; it must be so in truth.
  mutating func endMet(_ reply: Reply) throws(Violation) -> Bool {
    guard let index = endWaiters.firstIndex(where: { $0.ticket == reply.ticket }) else { return false }
    guard case .job(let image) = reply.answer else { throw Violation(message: "the end of a job: \(reply)") }
    let waiter = endWaiters.remove(at: index)
    try expect(image.id.number.rawValue == waiter.number, "a reader was told of another job")
    try expect(image.state.isFinished, "a reader was told of the end of a job that is \(image.state.name)")
    // What ended in this step may have left in it.
    if let job = jobs[waiter.number] { try verify(job, image) }
    return true
  }

  private mutating func endWait(_ waiting: UInt64, _ replies: inout ArraySlice<Reply>) throws(Violation) {
    if let index = endWaiters.firstIndex(where: { $0.ticket == waiting }) {
      guard let reply = replies.popFirst(), reply.ticket == waiting, case .job(let image) = reply.answer else {
        throw Violation(message: "a reader whose wait ended was not told how the job is")
      }
      return try verify(jobs[endWaiters.remove(at: index).number]!, image)
    }
    guard let index = waiters.firstIndex(where: { $0.ticket == waiting }) else { return }
    guard let reply = replies.popFirst(), reply.ticket == waiting, case .nothing = reply.answer else {
      throw Violation(message: "a wait that ended was not told so")
    }
    waiters.remove(at: index)
  }

  private mutating func drainWaiters(_ ticket: UInt64, _ replies: inout ArraySlice<Reply>) throws(Violation) {
    let told = Set(replies.map(\.ticket))
    let parked = waiters.map(\.ticket) + endWaiters.map(\.ticket)
    try expect(told == Set(parked + [ticket]), "waiters were left when draining")
    replies = []
    waiters = []
    endWaiters = []
    isDraining = true
  }

  // MARK: Ending an attempt

  private mutating func finish(_ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    guard var job = visible(finish.job, finish.viewer) else { return try refused(.jobNotFound, answer, "finish") }
    let isHeld =
      job.state == .running
      && (finish.lease != nil ? job.lease == finish.lease : !limits.requiresLeaseID && job.leaseKey == finish.key)
    guard isHeld else {
      let isSame =
        finish.lease != nil ? job.lease == finish.lease : !limits.requiresLeaseID && job.leaseKey == finish.key
      if job.lease != nil, isSame, job.lastOutcome == finish.outcome {
        hasJustFinished = true
        return try changed(job, answer, "said before")
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
    switch finish.outcome {
    case .acked: end(&job, .acked, .acked, finish.text)
    case .failed: try fail(&job, finish, answer)
    default: release(&job, finish)
    }
    jobs[job.id.number.rawValue] = job
    hasJustFinished = true
    try changed(job, answer, "finish")
  }

  private mutating func fail(_ job: inout Job, _ finish: Request.Finish, _ answer: Answer) throws(Violation) {
    if job.isCancelRequested { return end(&job, .failed, .cancelled, finish.text) }
    guard finish.isRetryable, job.attempts < job.maxAttempts else {
      return end(&job, .failed, .dead, finish.text)
    }
    let allowed = pauses(of: job)
    end(&job, .failed, .retry, finish.text)
    var pause = finish.delayMilliseconds
    if pause < 0, case .changed(_, let deadline, _) = answer {
      pause = deadline - now.wall
      try expect(allowed.contains(pause), "a pause of \(pause) ms, allowed are \(allowed)")
    }
    job.deadline = now.log + pause * 1_000_000
    job.lastPause = pause
  }

  private mutating func release(_ job: inout Job, _ finish: Request.Finish) {
    let rank = job.rank
    let next: JobState =
      job.isCancelRequested ? .cancelled : finish.delayMilliseconds > 0 ? .scheduled : .ready
    end(&job, finish.outcome, next, finish.text)
    job.attempts -= 1
    if next == .ready { job.rank = rank }
    if next == .scheduled { job.deadline = now.log + finish.delayMilliseconds * 1_000_000 }
  }

  /// The end of an attempt, or of waiting when `outcome` is `cancelled`.
  mutating func end(_ job: inout Job, _ outcome: Outcome, _ next: JobState, _ text: [UInt8]) {
    let isAttempt = outcome != .cancelled
    job.history.insert(Entry(outcome: outcome, attempt: isAttempt ? job.attempts : 0, text: text), at: 0)
    if isAttempt { job.lastOutcome = outcome }
    job.state = next
    job.rank = nextRank()
    job.isWall = false
    job.isCancelRequested = false
    job.progress = []
    job.endedAt = now.wall
    job.endedUptime = uptime
    job.lastPause = 0
    if next == .acked || next == .cancelled {
      let own = job.wanted.policy.retentionMilliseconds
      job.deadline = uptime + (own >= 0 ? own : limits.retentionMilliseconds) * 1_000_000
    }
    switch outcome {
    case .acked: totals[job.wanted.queue]!.acked += 1
    case .failed, .expired: totals[job.wanted.queue]!.failed += 1
    default: break
    }
    if next == .dead { totals[job.wanted.queue]!.dead += 1 }
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
    case .full: return 0...pause
    case .equal: return (pause - pause / 2)...pause
    case .decorrelated: return first...min(most, max(first, job.lastPause) * 3)
    }
  }

  // MARK: Other changes

  private mutating func extend(
    _ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ lease: LeaseID, _ milliseconds: Int64, _ progress: [UInt8],
    _ answer: Answer
  ) throws(Violation) {
    guard !isForged, var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "extend") }
    guard job.state == .running, job.lease == lease else { return try refused(.leaseLost, answer, "extend") }
    if now.conditions.refusesLeases { return try refused(.diskLow, answer, "extend") }
    if !progress.isEmpty {
      guard 2 * progress.count <= now.conditions.largeResultBytes else {
        return try refused(.diskLow, answer, "extend")
      }
      now.conditions.largeResultBytes -= 2 * progress.count
      job.progress = progress
    }
    if milliseconds > 0 { job.leaseDuration = milliseconds * 1_000_000 }
    job.deadline = now.log + job.leaseDuration
    jobs[id.number.rawValue] = job
    try changed(job, answer, "extend")
  }

  private mutating func cancel(
    _ id: JobID, _ viewer: Viewer, _ reason: [UInt8], _ answer: Answer
  ) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "cancel") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "cancel") }
    switch job.state {
    case .acked, .dead: return try refused(.jobFinished, answer, "cancel")
    case .cancelled: break
    case .running:
      if !job.isCancelRequested {
        job.isCancelRequested = true
        job.history.insert(Entry(outcome: .cancelRequested, attempt: 0, text: reason), at: 0)
      }
    case .ready, .scheduled, .retry: end(&job, .cancelled, .cancelled, reason)
    }
    jobs[id.number.rawValue] = job
    try changed(job, answer, "cancel")
  }

  private mutating func runNow(
    _ id: JobID, _ viewer: Viewer, _ onlyDead: Bool, _ answer: Answer
  ) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "run now") }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "run now") }
    switch job.state {
    case .dead: job.attempts = 0
    case .cancelled where !onlyDead: job.attempts = 0
    case .scheduled where !onlyDead, .retry where !onlyDead: break
    default: return try refused(.wrongState, answer, "run now")
    }
    job.state = .ready
    job.rank = nextRank()
    job.isWall = false
    jobs[id.number.rawValue] = job
    try changed(job, answer, "run now")
  }

  // MARK: Looking

  private func read(_ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ answer: Answer) throws(Violation) {
    guard !isForged, let job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "read") }
    guard case .job(let image) = answer else { throw Violation(message: "read: \(answer)") }
    try verify(job, image)
  }

  private mutating func list(_ list: Request.List, _ answer: Answer, _ page: [JobImage]) throws(Violation) {
    guard case .page(_, _, let next, _) = answer else { throw Violation(message: "a list: \(answer)") }
    let shown = page.compactMap { jobs[$0.id.number.rawValue] }
    try expect(shown.count == page.count, "a list shows a job that is not there")
    for (job, image) in zip(shown, page) { try verify(job, image) }
    if list.isDeadLetters { return try listDead(list, shown, next) }
    var wanted: [JobID] = []
    var left = list.examine
    var number = list.cursor == 0 ? lastNumber + 1 : min(list.cursor, lastNumber + 1)
    while number > 1, wanted.count < list.limit, left > 0 {
      number -= 1
      left -= 1
      if let job = jobs[number], isListed(job, list) { wanted.append(job.id) }
    }
    try expect(shown.map(\.id) == wanted, "a list is not what it should be")
    if list.queue.map({ totals[$0] != nil }) ?? true {
      try expect(next == (number > 1 ? number : 0), "a list goes on at \(next), should at \(number)")
    }
  }

  /// Newest first; dead letters that died in the same step may stand either way.
  private mutating func listDead(_ list: Request.List, _ shown: [Job], _ next: UInt64) throws(Violation) {
    let before = deadPage.flatMap { $0.next == list ? $0 : nil }
    // Another page came between: what this one goes on from is not known any more.
    if list.cursor > 0, before == nil { return }
    let wanted = jobs.values.filter { job in
      guard job.state == .dead, isListed(job, list) else { return false }
      return before.map { job.rank < $0.rank || job.rank == $0.rank && !$0.shown.contains(job.id) } ?? true
    }.sorted { $0.rank > $1.rank }
    try expect(shown.map(\.rank) == wanted.prefix(list.limit).map(\.rank), "dead letters out of order or missing")
    deadPage = nil
    guard next > 0, let last = shown.last else { return }
    var further = list
    further.cursor = next
    let same = shown.filter { $0.rank == last.rank }.map(\.id)
    let earlier = before?.rank == last.rank ? before!.shown : []
    deadPage = DeadPage(next: further, rank: last.rank, shown: earlier.union(same))
  }

  private func isListed(_ job: Job, _ list: Request.List) -> Bool {
    (list.queue == nil || job.wanted.queue == list.queue) && (list.state == nil || job.state == list.state)
      && list.viewer.sees(queue: job.wanted.queue, owner: job.wanted.owner)
  }

  private func listQueues(_ viewer: Viewer, _ lines: [(String, QueueImage)]) throws(Violation) {
    let names = totals.keys.filter { name in
      if case .queues = viewer { viewer.sees(queue: name, owner: "") } else { true }
    }
    try expect(Set(lines.map(\.0)) == Set(names) && lines.count == names.count, "queues \(lines.map(\.0))")
    for (name, image) in lines {
      var counts = StateCounts()
      for job in jobs.values where job.wanted.queue == name { counts[job.state] += 1 }
      try expect(image.counts == counts, "counts of queue \(name)")
      try expect(image.totals == totals[name], "totals of queue \(name): \(image.totals), not \(totals[name]!)")
      try expect((image.oldestReady >= 0) == (counts[.ready] > 0), "the oldest READY job of queue \(name)")
    }
  }

  // MARK: Helpers

  private func visible(_ id: JobID, _ viewer: Viewer) -> Job? {
    guard let job = jobs[id.number.rawValue], job.id == id,
      viewer.sees(queue: job.wanted.queue, owner: job.wanted.owner)
    else { return nil }
    return job
  }

  private func changed(_ job: Job, _ answer: Answer, _ what: String) throws(Violation) {
    let number = job.id.number.rawValue
    guard case .changed(let state, let deadline, let isCancelRequested) = answer else {
      throw Violation(message: "\(what): job \(number) should be \(job.state.name), but \(answer)")
    }
    try expect(
      state == job.state && deadline == wallDeadline(job) && isCancelRequested == job.isCancelRequested,
      "\(what): job \(number) is \(state.name) until \(deadline), should be \(job.state.name) until \(wallDeadline(job))"
    )
  }

  private func refused(_ refusal: Refusal, _ answer: Answer?, _ what: String) throws(Violation) {
    try expect(answer?.refusal == refusal, "\(what) should be refused as \(refusal), but \(answer as Any)")
  }
}

extension Answer {
  var refusal: Refusal? {
    if case .refused(let refusal) = self { refusal } else { nil }
  }
}

extension Request {
  /// Whether it changes nothing that is logged.
  var isRead: Bool {
    switch self {
    case .read, .awaitEnd, .list, .queues, .endWait, .drainWaiters: true
    default: false
    }
  }
}
