import RoostCore

/// Who is given which job, and who may wait for one or for a job's end.
extension ReferenceModel {
  mutating func lease(
    _ lease: Request.Lease, _ ticket: UInt64, _ replies: inout ArraySlice<Reply>
  ) throws(Violation) {
    let own = replies.first?.ticket == ticket ? replies.popFirst()?.answer : nil
    if now.conditions.refusesLeases { return try refused(.diskLow, own, "lease") }
    let best = best(of: lease)
    let isGranted = own.map { !grantedNumbers($0).isEmpty } ?? false
    if !best.isEmpty, isGranted || !mayGiveNone(lease.queues) && !isHiddenByLate(lease.queues) {
      guard let own else { throw Violation(message: "job \(best) was not granted") }
      return try granted(own, to: lease)
    }
    if lease.waitMilliseconds > 0, !isDraining {
      if waitCount >= limits.maxWaiters { return try refused(.overloaded, own, "lease") }
      let unknown = unknownNames(lease.queues)
      if unknown > 0, waitedNames + unknown > limits.maxWaitedNames { return try refused(.overloaded, own, "lease") }
      if unknown > 0, now.conditions.isMemoryLow { return try refused(.memoryLow, own, "lease") }
      try expect(own == nil, "a lease that should wait got \(own as Any)")
      waiters.append(
        Waiter(ticket: ticket, wanted: lease, deadline: now.log + lease.waitMilliseconds * 1_000_000))
    } else {
      guard case .nothing = own else { throw Violation(message: "an empty queue gave \(own as Any)") }
    }
  }

  private var waitCount: Int { waiters.count + endWaiters.count }

  /// One job, or as many as wished for, there are, and fit.
  mutating func granted(_ answer: Answer, to lease: Request.Lease) throws(Violation) {
    if lease.maxJobs == 0 {
      guard case .leased(let grant) = answer else { throw Violation(message: "a lease got \(answer)") }
      return try granted(grant, to: lease)
    }
    guard case .leasedMany(let first, let count) = answer, (1...lease.maxJobs).contains(count) else {
      throw Violation(message: "a lease of at most \(lease.maxJobs) jobs got \(answer)")
    }
    var bytes = 0
    var going: Going?
    for grant in stepGrants[Int(first)..<Int(first + count)] {
      let must = next(going)
      going = self.going(grant.id.number.rawValue, after: going)
      try granted(grant, to: lease, must: must)
      bytes += Int(grant.recordBytes)
    }
    try expect(count == 1 || bytes <= lease.maxBytes, "leases of \(bytes) bytes, at most \(lease.maxBytes) wished for")
    let best = next(going).map { [$0] } ?? best(of: lease)
    guard count < lease.maxJobs, !best.isEmpty, !now.conditions.refusesLeases, !mayGiveNone(lease.queues),
      !isHiddenByLate(lease.queues)
    else {
      return
    }
    let next = best.map { mostRecordBytes(jobs[$0]!) }.max()!
    try expect(
      bytes + next > lease.maxBytes,
      "job \(best) was not granted though there was room: \(count) of \(lease.maxJobs) jobs, \(bytes) and \(next) of "
        + "\(lease.maxBytes) bytes; " + best.map { place(of: jobs[$0]) }.joined(separator: "; "))
  }

  /// More than a job's record can have.
  func mostRecordBytes(_ job: Job) -> Int {
    job.history.prefix(40).reduce(job.wanted.payload.count + 1_000) { $0 + $1.text.count + 300 }
  }

  /// - Parameter must: The job that the lease goes on with, if it goes on in a group.
  mutating func granted(_ grant: Answer.Grant, to lease: Request.Lease, must: UInt64? = nil) throws(Violation) {
    try granted(grant, to: lease, best: must.map { [$0] } ?? best(of: lease))
    if must == nil { try tookTurn(jobs[grant.id.number.rawValue]!) }
  }

  /// - Parameter best: The jobs of which it must be one.
  mutating func granted(_ grant: Answer.Grant, to lease: Request.Lease, best: [UInt64]) throws(Violation) {
    let number = grant.id.number.rawValue
    try expect(
      best.contains(number),
      "job \(number) was granted before \(best): "
        + ([number] + best).map { place(of: jobs[$0]) }.joined(separator: ", before "))
    try expect(grant.lease.number > lastLease, "lease \(grant.lease) after \(lastLease)")
    try expect(grant.lease.epoch == epoch, "lease \(grant.lease) of epoch \(epoch)")
    try expect(!now.conditions.refusesLeases, "job \(number) was granted without room for its completion")
    now.conditions.leasesLeft -= 1
    lastLease = grant.lease.number
    var job = jobs[number]!
    let own = Int64(job.wanted.policy.leaseMilliseconds)
    let timeout = Int64(job.wanted.policy.timeoutMilliseconds)
    let asked =
      lease.leaseMilliseconds > 0
      ? lease.leaseMilliseconds
      : own > 0 ? own : setups[job.queue]?.settings[.lease] ?? limits.leaseMilliseconds
    let duration = timeout > 0 ? min(asked, timeout) : asked
    try leased(from: job.queue, grant.lease.number)
    try leased(from: group(of: job), grant.lease.number)
    job.state = .running
    job.attempts += 1
    job.deadline = now.log + duration * 1_000_000
    job.foreseen = now.wall + duration
    job.isWall = false
    job.lease = grant.lease
    job.leaseKey = lease.key
    job.leaseDuration = duration * 1_000_000
    job.attemptEnds = timeout > 0 ? now.log + timeout * 1_000_000 : 0
    job.leasedAt = now.wall
    job.lastOutcome = nil
    if job.hold == .started { job.hold = .none }
    try expect(
      grant.id == job.id && Int(grant.attempt) == job.attempts && Int(grant.maxAttempts) == job.maxAttempts
        && grant.priority == job.priority && grant.until == wallDeadline(job)
        && grant.timeoutMilliseconds == timeout && grant.expires == job.expires,
      "grant \(grant) of job \(number), attempt \(job.attempts)")
    jobs[number] = job
    totals[job.queue]!.leased += 1
  }

  /// What decides about a job's place, in words.
  func place(of job: Job?) -> String {
    guard let job else { return "none" }
    return "\(job.queue), \(job.state.name), priority \(job.priority), rank \(job.rank), READY since \(job.readySince)"
  }

  /// A waiting worker got a job: the one who has waited longest for its queue.
  mutating func served(_ reply: Reply) throws(Violation) {
    if try deliveryMet(reply) { return }
    guard let index = waiters.firstIndex(where: { $0.ticket == reply.ticket }),
      let number = grantedNumbers(reply.answer).first
    else { throw Violation(message: "an answer that nobody waits for: \(reply)") }
    let waiter = waiters[index]
    try granted(reply.answer, to: waiter.wanted)
    let queue = jobs[number]!.queue
    if let first = waiters.first(where: { $0.wanted.queues.contains(queue) }) {
      try expect(
        first.ticket == reply.ticket,
        "job \(number), \(place(of: jobs[number])), went to \(waiter.wanted): \(first.wanted) was passed over")
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

  /// - Parameter isLast: At the end of a step: a lease that a rate allows by now is granted then.
  func noneIsLeftWaiting(isLast: Bool = false) throws(Violation) {
    for waiter in endWaiters {
      try expect(jobs[waiter.number]?.state.isFinished == false, "a reader waits for the end of job \(waiter.number)")
    }
    guard !now.conditions.refusesLeases, !now.isReadOnly else { return }
    for waiter in waiters {
      guard !mayGiveNone(waiter.wanted.queues), !isHiddenByLate(waiter.wanted.queues) else { continue }
      let best = best(of: waiter.wanted).filter { isLast || !isTimed(jobs[$0]!) }
      try expect(best.isEmpty, "a worker waits while job \(best) is READY")
    }
    try noDeliveryIsLeft(isLast: isLast)
  }

  mutating func awaitEnd(
    _ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ milliseconds: Int64, _ ticket: UInt64,
    _ replies: inout ArraySlice<Reply>
  ) throws(Violation) {
    let own = replies.first?.ticket == ticket ? replies.popFirst()?.answer : nil
    guard !isForged, let job = visible(id, viewer) else { return try refused(.jobNotFound, own, "a wait for an end") }
    if job.state.isFinished || milliseconds <= 0 || isDraining {
      guard case .job(let image) = own else { throw Violation(message: "an ended job was waited for: \(own as Any)") }
      return try verify(job, image)
    }
    if waitCount >= limits.maxWaiters { return try refused(.overloaded, own, "a wait") }
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

  mutating func endWait(_ waiting: UInt64, _ replies: inout ArraySlice<Reply>) throws(Violation) {
    if let index = endWaiters.firstIndex(where: { $0.ticket == waiting }) {
      guard let reply = replies.popFirst(), reply.ticket == waiting, case .job(let image) = reply.answer else {
        throw Violation(message: "a reader whose wait ended was not told how the job is")
      }
      return try verify(jobs[endWaiters.remove(at: index).number]!, image)
    }
    if deliveryWaiter?.ticket == waiting {
      guard let reply = replies.popFirst(), reply.ticket == waiting, case .nothing = reply.answer else {
        throw Violation(message: "a wait for deliveries that ended was not told so")
      }
      deliveryWaiter = nil
      return
    }
    guard let index = waiters.firstIndex(where: { $0.ticket == waiting }) else { return }
    guard let reply = replies.popFirst(), reply.ticket == waiting, case .nothing = reply.answer else {
      throw Violation(message: "a wait that ended was not told so")
    }
    waiters.remove(at: index)
  }

  mutating func drainWaiters(_ ticket: UInt64, _ replies: inout ArraySlice<Reply>) throws(Violation) {
    let told = Set(replies.map(\.ticket))
    let parked =
      waiters.map(\.ticket) + endWaiters.map(\.ticket) + [deliveryWaiter?.ticket].compactMap { $0 }
    deliveryWaiter = nil
    try expect(told == Set(parked + [ticket]), "waiters were left when draining")
    replies = []
    waiters = []
    endWaiters = []
    isDraining = true
  }
}
