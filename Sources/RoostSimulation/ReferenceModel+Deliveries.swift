import RoostCore

/// Jobs that the daemon delivers itself: no worker gets them, no host more than it may, and none waits for another's.
extension ReferenceModel {
  struct DeliveryWaiter {
    var ticket: UInt64
    var wanted: Request.LeaseDeliveries
    var deadline: Int64
  }

  struct Host {
    var failures = 0
    /// Log time.
    var heldUntil: Int64 = 0
  }

  /// Jobs that are delivered to one host, and take turns with others': of a group, by host.
  private struct Line: Hashable {
    var group: GroupKey
    var origin: String
  }

  /// Where a job is delivered; nil: workers lease it.
  func origin(of job: Job) -> String? {
    if !job.wanted.origin.isEmpty { return job.wanted.origin }
    return setups[job.queue]?.settings[.push] == nil ? nil : Request.queueOrigin
  }

  /// Whether this process has leased a job to deliver it.
  private func isDelivery(_ job: Job) -> Bool { job.isPushed && job.lease?.epoch == epoch }

  private func isHeld(_ origin: String, in queue: String) -> Bool {
    let host = hosts[origin] ?? Host()
    if host.heldUntil > now.log { return true }
    // Whatever the queue says by now: it went there when it was leased.
    let running = jobs.values.count { $0.state == .running && $0.deliveredTo == origin && isDelivery($0) }
    if host.failures >= 10 { return running > 0 }
    return Int64(running) >= setups[queue]?.settings[.pushConcurrency] ?? limits.pushConcurrency
  }

  /// Jobs that may be delivered next; which of several it is is not known.
  ///
  /// - Parameter isCertain: Only of lines that give one whichever of theirs is the first.
  func deliverable(isCertain: Bool = false) -> [UInt64] {
    var lines: [Line: [Job]] = [:]
    for job in jobs.values where job.state == .ready {
      guard let origin = origin(of: job) else { continue }
      // Those that say the same target as their queue have a line of their own.
      let line = Line(group: group(of: job), origin: job.wanted.origin.isEmpty ? "" : origin)
      lines[line, default: []].append(job)
    }
    return lines.flatMap { line, jobs -> [UInt64] in
      let origin = origin(of: jobs[0])!
      guard hold(line.group.queue) == nil, hold(line.group, origin: line.origin) == nil,
        !isHeld(origin, in: line.group.queue)
      else { return [] }
      let next = isOrdered(line.group.queue) ? [jobs.min { $0.number < $1.number }!] : first(of: jobs)
      // What is too old or too late leaves with the step; what is behind it waits until then.
      let given = next.filter { !isTooOld($0) && !isLate($0) }
      return isCertain && given.count < next.count ? [] : given.map(\.number)
    }
  }

  // MARK: Leases

  mutating func leaseDeliveries(
    _ lease: Request.LeaseDeliveries, _ ticket: UInt64, _ replies: inout ArraySlice<Reply>
  ) throws(Violation) {
    let own = replies.first?.ticket == ticket ? replies.popFirst()?.answer : nil
    if now.conditions.refusesLeases { return try refused(.diskLow, own, "a lease of deliveries") }
    let best = deliverable(isCertain: true)
    let isGranted = own.map { !grantedNumbers($0).isEmpty } ?? false
    if isGranted || !best.isEmpty {
      guard let own else { throw Violation(message: "job \(best) was not granted for delivery") }
      return try delivered(own, to: lease)
    }
    guard lease.waitMilliseconds > 0, !isDraining else {
      guard case .nothing = own else { throw Violation(message: "nothing to deliver, and yet \(own as Any)") }
      return
    }
    try expect(own == nil, "a lease of deliveries that should wait got \(own as Any)")
    if let former = deliveryWaiter {
      guard let reply = replies.popFirst(), reply.ticket == former.ticket, case .nothing = reply.answer else {
        throw Violation(message: "who waited for deliveries before was not told that another does")
      }
    }
    deliveryWaiter = DeliveryWaiter(
      ticket: ticket, wanted: lease, deadline: now.log + lease.waitMilliseconds * 1_000_000)
  }

  private mutating func delivered(_ answer: Answer, to lease: Request.LeaseDeliveries) throws(Violation) {
    guard case .leasedMany(let first, let count) = answer, (1...lease.maxJobs).contains(count) else {
      throw Violation(message: "a lease of at most \(lease.maxJobs) deliveries got \(answer)")
    }
    var bytes = 0
    for grant in stepGrants[Int(first)..<Int(first + count)] {
      guard let job = jobs[grant.id.number.rawValue] else { throw Violation(message: "no such job: \(grant)") }
      let timeout = setups[job.queue]?.settings[.pushTimeout] ?? limits.pushTimeoutMilliseconds
      let terms = Request.Lease(
        queues: [], worker: "_push", key: "_push", leaseMilliseconds: timeout + 10_000, waitMilliseconds: 0)
      let origin = origin(of: job)
      try granted(grant, to: terms, best: deliverable())
      jobs[job.number]!.deliveredTo = origin
      bytes += Int(grant.recordBytes)
    }
    try expect(count == 1 || bytes <= lease.maxBytes, "deliveries of \(bytes) bytes, at most \(lease.maxBytes)")
    let best = deliverable(isCertain: true)
    guard count < lease.maxJobs, !best.isEmpty, !now.conditions.refusesLeases else { return }
    // The one whose turn it was may be of any line that may give one.
    let next = deliverable().map { mostRecordBytes(jobs[$0]!) }.max()!
    try expect(bytes + next > lease.maxBytes, "job \(best) was not granted for delivery though there was room")
  }

  /// The daemon's own wait was met, or ended.
  ///
  /// - Returns: False where the reply is to somebody else.
  mutating func deliveryMet(_ reply: Reply) throws(Violation) -> Bool {
    guard let waiter = deliveryWaiter, waiter.ticket == reply.ticket else { return false }
    if case .nothing = reply.answer {
      try expect(waiter.deadline <= now.log || isDraining, "a wait for deliveries ended early")
    } else {
      try delivered(reply.answer, to: waiter.wanted)
    }
    deliveryWaiter = nil
    return true
  }

  /// - Parameter isLast: At the end of a step: what time allows by now is granted then.
  func noDeliveryIsLeft(isLast: Bool) throws(Violation) {
    guard deliveryWaiter != nil, !now.conditions.refusesLeases, !now.isReadOnly else { return }
    let best = deliverable(isCertain: true).filter { number in
      isLast || !isTimed(jobs[number]!) && hosts[origin(of: jobs[number]!)!] == nil
    }
    try expect(best.isEmpty, "a job is not delivered that might be: \(best)")
  }

  // MARK: Ends

  /// What the end of a delivery says of its host.
  mutating func note(_ job: Job, answered: Bool) {
    guard isDelivery(job), let origin = job.deliveredTo else { return }
    guard !answered else {
      hosts[origin] = nil
      return
    }
    hosts[origin, default: Host()].failures += 1
    let failures = hosts[origin]!.failures
    guard failures >= 10 else { return }
    hosts[origin]!.heldUntil = now.log + min(60_000_000_000, 1_000_000_000 << Int64(min(failures - 10, 6)))
  }

  /// Hosts that nothing names any more are forgotten.
  mutating func forgetHosts() {
    guard !hosts.isEmpty else { return }
    var named = Set(jobs.values.map(\.wanted.origin))
    for job in jobs.values where job.state == .running && isDelivery(job) {
      if let origin = job.deliveredTo { named.insert(origin) }
    }
    if setups.values.contains(where: { $0.settings[.push] != nil }) { named.insert(Request.queueOrigin) }
    hosts = hosts.filter { named.contains($0.key) }
  }

  /// Whether a delivery of the process before was broken off by its end.
  func isBroken(_ job: Job) -> Bool { job.state == .running && job.isPushed && job.lease!.epoch < epoch }

  /// It is made again at once, its attempt unspent.
  mutating func interrupt(_ job: inout Job) {
    release(
      &job,
      Request.Finish(
        job: job.id, viewer: .all, lease: job.lease, key: "", outcome: .released, isRetryable: true,
        delayMilliseconds: 0, text: []))
  }
}
