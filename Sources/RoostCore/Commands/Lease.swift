extension Command {
  /// A worker asks for a job, or for several.
  package struct Lease: Sendable, BitwiseCopyable {
    /// Queue names, each with a length byte before it; at most 32.
    package var queues: ByteRange
    /// The first of them that has a READY job gives it, instead of the one whose job goes before the others'.
    package var isListed = false
    package var worker: ByteRange
    package var keyID: ByteRange
    /// 0: the job's own, else the default.
    package var leaseMilliseconds: Int64
    /// 0: do not wait.
    package var waitMilliseconds: Int64
    /// 0: one job, answered with `.leased`; else at most so many, answered with `.leasedMany`.
    package var maxJobs: Int32 = 0
    /// Of several jobs' records together, bytes; the first is granted whatever its size.
    package var maxBytes = 0
    /// Counts only if the command before it ended an attempt; otherwise nothing is leased.
    package var isNext = false

    package init(
      queues: ByteRange, worker: ByteRange, keyID: ByteRange, leaseMilliseconds: Int64, waitMilliseconds: Int64
    ) {
      self.queues = queues
      self.worker = worker
      self.keyID = keyID
      self.leaseMilliseconds = leaseMilliseconds
      self.waitMilliseconds = waitMilliseconds
    }
  }
}

extension Command.Lease: StateCommand {
  /// With the ends of jobs that are too late.
  var mostBytes: Int { max(1, Int(maxJobs)) * (80 + Int(worker.count) + Int(keyID.count)) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.lease(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func lease(_ command: Command.Lease, _ ticket: UInt64, _ step: inout Step) {
    if command.isNext, !followsFinish { return step.answer(ticket, .nothing) }
    if conditions.refusesLeases { return step.answer(ticket, .refused(.diskLow)) }
    endGroupWaits()
    let queues = step.bytes(command.queues)
    var tooOld = Self.mostTooOld
    let slot = best(of: queues, isListed: command.isListed, &tooOld, &step)
    if slot != .none {
      let terms = LeaseTerms(
        milliseconds: command.leaseMilliseconds, worker: step.bytes(command.worker), keyID: step.bytes(command.keyID))
      guard command.maxJobs > 0 else { return step.answer(ticket, .leased(grant(slot, terms, &step))) }
      var several = Several(first: step.grants.count, jobs: command.maxJobs, bytes: command.maxBytes)
      var next = slot
      while take(next, terms, &several, &step) {
        next = self.next(behind: several)
        if next == .none { next = best(of: queues, isListed: command.isListed, &tooOld, &step) }
      }
      step.answer(ticket, several.answer(step))
      return
    }
    noteThrottled(queues)
    if command.waitMilliseconds > 0, !isDraining {
      park(command, ticket, &step)
    } else {
      step.answer(ticket, .nothing)
    }
  }

  /// The job that some queues grant next. Those that are too late leave before; beyond how many may with one command there
  /// is none.
  ///
  /// - Parameter tooOld: How many jobs may be found too old; counted down.
  private mutating func best(
    of names: UnsafeRawBufferPointer, isListed: Bool, _ tooOld: inout Int, _ step: inout Step
  ) -> Slot {
    var slot = first(of: names, isListed: isListed, &tooOld, &step)
    while buryIfLate(slot, &step) { slot = first(of: names, isListed: isListed, &tooOld, &step) }
    return mayBegin(slot) ? slot : .none
  }

  /// Of the first jobs of some queues the one with the highest priority, then the smallest order number; or that of the
  /// first listed queue that has one.
  ///
  /// - Parameter tooOld: How many jobs may be found too old; counted down.
  private mutating func first(
    of names: UnsafeRawBufferPointer, isListed: Bool, _ tooOld: inout Int, _ step: inout Step
  ) -> Slot {
    var best = Slot.none
    var reader = RecordReader(names)
    while reader.at < names.count {
      let length = Int(reader.get(UInt8.self))
      let queue = queueNames.find(reader.get(count: length))
      guard queue != .none else { continue }
      var slot = firstReady(queue)
      while slot == .none, tooOld > 0, leavesTooOld(queue, &step) {
        tooOld -= 1
        slot = firstReady(queue)
      }
      if slot != .none, best == .none || goesBefore(slot, best) { best = slot }
      if isListed, best != .none, !defects.contains(.listedOrderIgnored) { break }
    }
    return best
  }

  func goesBefore(_ a: Slot, _ b: Slot) -> Bool {
    let (mine, other) = (effectivePriority(a), effectivePriority(b))
    if mine != other { return mine > other }
    return jobs.hot(a).pointee.order < jobs.hot(b).pointee.order
  }

  /// What every job that a lease grants has in common.
  struct LeaseTerms {
    /// As asked for; 0: the job's own.
    let milliseconds: Int64
    let worker: UnsafeRawBufferPointer
    let keyID: UnsafeRawBufferPointer
  }

  /// Leases that are granted together: how many more, and how many more bytes.
  struct Several {
    let first: Int
    var jobs: Int32
    var bytes: Int
    /// The group of the last of them, where a lease takes several in their order, and its `firstRunning` before that.
    var group = Slot.none
    var bound: UInt64 = 0

    func answer(_ step: borrowing Step) -> Answer {
      .leasedMany(first: Int32(first), count: Int32(step.grants.count - first))
    }
  }

  /// Adds a job to leases that are granted together. Returns false, with nothing done, when there is none, or no room
  /// for it: a smaller one behind it does not overtake it.
  mutating func take(
    _ slot: Slot, _ terms: LeaseTerms, _ several: inout Several, _ step: inout Step
  ) -> Bool {
    guard slot != .none, fits(slot, several, step) else { return false }
    several.jobs -= 1
    several.bytes -= Int(jobs.cold(slot).pointee.recordBytes)
    noteOrder(slot, &several)
    step.grants.append(grant(slot, terms, &step))
    turnTaken = .none
    return true
  }

  /// Whether there is room for a job among leases that are granted together.
  func fits(_ slot: Slot, _ several: Several, _ step: borrowing Step) -> Bool {
    guard several.jobs > 0, !conditions.refusesLeases else { return false }
    return Int(jobs.cold(slot).pointee.recordBytes) <= several.bytes || step.grants.count == several.first
  }

  /// Leases a READY job.
  mutating func grant(_ slot: Slot, _ terms: LeaseTerms, _ step: inout Step) -> Answer.Grant {
    let row = jobs.hot(slot)
    let policy = policy(jobs.cold(slot).pointee.policy)
    let milliseconds = leaseDuration(slot, asked: terms.milliseconds, policy)
    let duration = milliseconds.nanoseconds
    let event = Leased(
      number: row.pointee.number, base: row.pointee.base, lease: LeaseID(epoch: epoch, number: nextLease),
      deadline: now.log + duration, duration: duration, at: now.wall, worker: terms.worker, keyID: terms.keyID)
    event.encode(into: &step.records)
    nextLease += 1
    conditions.leasesLeft -= 1
    noteLease(slot)
    event.apply(to: slot, in: &self)
    return Answer.Grant(
      id: id(slot), lease: event.lease, attempt: row.pointee.attempts, maxAttempts: row.pointee.maxAttempts,
      priority: row.pointee.priority, until: wall(ofLog: event.deadline), leaseMilliseconds: milliseconds,
      timeoutMilliseconds: Int64(policy.timeoutMilliseconds),
      base: LogPosition(rawValue: row.pointee.base), recordBytes: jobs.cold(slot).pointee.recordBytes,
      queue: queueOfMoved(slot), expires: expiry(slot))
  }

  /// The number of the queue in which a job stands that was moved; else `.none`.
  func queueOfMoved(_ slot: Slot) -> UInt32 {
    jobs.hot(slot).pointee.flags & RowFlags.moved == 0 ? .none : queue(of: slot)
  }

  /// Milliseconds: what the worker asked, else what the job says, else the default; never longer than its attempt may
  /// run.
  private func leaseDuration(_ slot: Slot, asked: Int64, _ policy: JobPolicy) -> Int64 {
    let own = Int64(policy.leaseMilliseconds)
    let duration =
      asked > 0 ? asked : own > 0 ? own : settings(ofJob: slot)?[.lease] ?? limits.leaseMilliseconds
    return policy.timeoutMilliseconds == 0 ? duration : min(duration, Int64(policy.timeoutMilliseconds))
  }

  /// Wall milliseconds at which a RUNNING job's attempt is over; 0: at no such time.
  func attemptEnd(_ slot: Slot) -> Int64 {
    let row = jobs.hot(slot)
    guard row.pointee.state == JobState.running.rawValue, let cell = existingLeaseCell(slot),
      cell.pointee.attemptEnds != 0
    else { return 0 }
    return row.pointee.foreseen + (cell.pointee.attemptEnds - row.pointee.deadline) / 1_000_000
  }

  /// Log time at which an attempt is over that began at a log time; 0: it may go on as long as its lease is extended.
  func attemptEnd(_ slot: Slot, begun: Int64) -> Int64 {
    let timeout = policy(jobs.cold(slot).pointee.policy).timeoutMilliseconds
    return timeout == 0 ? 0 : begun + Int64(timeout).nanoseconds
  }
}
