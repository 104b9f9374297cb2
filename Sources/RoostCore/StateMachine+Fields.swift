/// What a record's fields may hold, whatever stands before it: checked before a replay believes them, so that no later
/// sum overflows and nothing is made that no command makes. `StateMachine+Sequence.swift` holds a record against memory.
extension StateMachine {
  /// How far numbers reach in a log that a daemon wrote.
  enum Bounds {
    /// Log time and uptime, nanoseconds: 73 years.
    static let time: Int64 = .max / 4
    /// What is added to them at most, nanoseconds: twice as much.
    static let span: Int64 = .max / 2
    /// Wall time before and after 1970, milliseconds.
    static let wall: Int64 = .max / 1_000_000
    /// Epochs, leases, order numbers and totals rise by one: no log gets there.
    static let counter: UInt64 = 1 << 60
    static let downtime: Int64 = 24 * 3_600 * 1_000_000_000
  }

  /// Log time of a log that a daemon wrote is not beyond this, nanoseconds.
  package static var latestLogTime: Int64 { Bounds.time }

  // MARK: Counters

  func checkFields(_ event: GroundEvent, at position: LogPosition) throws(ReplayError) {
    guard event.epoch <= 2 * Bounds.counter, (1...JobNumber.limit).contains(event.nextNumber),
      (1...2 * Bounds.counter).contains(event.nextLease), (1...2 * Bounds.counter).contains(event.nextOrder),
      event.rows < event.nextNumber
    else {
      throw ReplayError(
        position: position, expected: "counters within their bounds",
        found: "\(event.epoch)/\(event.nextNumber)/\(event.nextLease)/\(event.nextOrder), \(event.rows) jobs")
    }
    try require(event.logTime, in: 0...now.log, "log time", position)
    try require(event.credited, in: 0...event.logTime, "credited downtime", position)
  }

  func checkFields(_ event: BootedEvent, at position: LogPosition) throws(ReplayError) {
    guard event.epoch <= 2 * Bounds.counter else { throw unfit("an epoch", "\(event.epoch)", position) }
    try require(event.logTime, in: 0...now.log, "log time", position)
    guard isWall(event.at ?? 0) else { throw unfit("a wall time", "\(event.at ?? 0)", position) }
    try require(event.downtime, in: 0...min(Bounds.downtime, max(0, event.logTime - credited)), "downtime", position)
  }

  // MARK: Jobs

  /// Whether a new job is READY, has no key, and passes all checks: most do, and are asked no more.
  @inline(__always)
  func isPlain(_ event: SubmittedEvent) -> Bool {
    event.state == .ready && event.number == nextNumber && event.order == nextOrder && event.deadline == 0
      && !event.isWall && !event.hasKey && isNumber(event.number) && isOrder(event.order) && event.maxAttempts > 0
      && isWall(event.created) && isPossible(event.policy)
  }

  @inline(never)
  func checkFields(_ event: SubmittedEvent, at position: LogPosition) throws(ReplayError) {
    guard isNumber(event.number), event.maxAttempts > 0, isWall(event.created), isPossible(event.policy) else {
      throw unfit("a job within its bounds", "number \(event.number), \(event.maxAttempts) attempts", position)
    }
    if event.state == .ready {
      guard isOrder(event.order), event.deadline == 0, !event.isWall else {
        throw unfit("a READY job", "order \(event.order), deadline \(event.deadline)", position)
      }
    } else {
      guard event.state == .scheduled, event.order == 0, event.deadline != 0 else {
        throw unfit("a new job", "\(event.state.name), order \(event.order)", position)
      }
      try require(event.deadline, in: event.isWall ? .min ... .max : now.log...later, "deadline", position)
    }
  }

  func checkFields(_ event: CarriedEvent, at position: LogPosition) throws(ReplayError) {
    let (state, most) = (event.state, event.state.isWaiting ? 1 : 0)
    guard isNumber(event.number), isWall(event.created), isPossible(event.policy), event.maxAttempts > 0,
      Int(event.attempts) + most <= event.maxAttempts, state != .running || event.attempts > 0,
      event.hasLease || state == .scheduled || state == .ready
    else {
      throw unfit(
        "a job within its bounds", "\(state.name), attempts \(event.attempts) of \(event.maxAttempts)", position)
    }
    let flags: UInt16 =
      state == .scheduled ? RowFlags.wall : state == .running ? RowFlags.cancelRequested : 0
    guard event.flags & ~flags == 0, isOrder(event.order) || event.order == 0 && state == .scheduled else {
      throw unfit("\(state.name)", "flags \(event.flags), order \(event.order)", position)
    }
    let deadlines: ClosedRange<Int64> =
      switch state {
      case .scheduled where event.flags & RowFlags.wall != 0: .min ... .max
      case .scheduled, .retry, .acked, .cancelled: 0...later
      // What a grace after a start gave counts as long as the lease at most.
      case .running: 0...now.log + min(max(0, event.lease.duration), Bounds.span)
      case .ready: 0...now.log
      case .dead: 0...0
      }
    try require(event.deadline, in: deadlines, "deadline", position)
    // A wall time, and what was added to it.
    guard event.foreseen.magnitude <= 2 * Bounds.wall.magnitude, !event.hasForeseen || state.hasDeadline else {
      throw unfit("a wall time of the deadline, if there is one", "\(event.foreseen)", position)
    }
    guard event.hasLease else { return }
    let lease = event.lease
    guard lease.id.epoch <= Bounds.counter, lease.id.number <= Bounds.counter, isWall(lease.leasedAt),
      isWall(lease.endedAt), lease.lastOutcome == 0 || Outcome(rawValue: lease.lastOutcome) != nil
    else { throw unfit("a lease within its bounds", "\(lease.id), outcome \(lease.lastOutcome)", position) }
    try require(lease.duration, in: 0...Bounds.span, "duration", position)
    try require(lease.endedUptime, in: 0...now.log, "uptime", position)
  }

  // MARK: What happens to them

  func checkFields(_ event: LeasedEvent, at position: LogPosition) throws(ReplayError) {
    guard isNumber(event.number), event.lease.epoch <= Bounds.counter,
      (1...Bounds.counter).contains(event.lease.number), isWall(event.at)
    else { throw unfit("a lease within its bounds", "job \(event.number), lease \(event.lease)", position) }
    try checkLease(event.duration, until: event.deadline, position)
  }

  func checkFields(_ event: ExtendedEvent, at position: LogPosition) throws(ReplayError) {
    try checkNumber(event.number, at: position)
    guard isWall(event.until ?? 0) else { throw unfit("a wall time", "\(event.until ?? 0)", position) }
    try checkLease(event.duration, until: event.deadline, position)
  }

  private func checkLease(_ duration: Int64, until deadline: Int64, _ position: LogPosition) throws(ReplayError) {
    try require(duration, in: 0...Bounds.span, "duration", position)
    try require(deadline, in: now.log + duration...now.log + duration, "deadline", position)
  }

  func checkFields(_ event: EndedEvent, at position: LogPosition) throws(ReplayError) {
    let (entry, next) = (event.entry, event.next)
    let isPossible =
      switch entry.outcome {
      case .acked: next == .acked
      case .failed, .expired: next == .retry || next == .dead || next == .cancelled
      case .released, .undelivered: next == .ready || next == .scheduled || next == .cancelled
      case .cancelled: next == .cancelled
      case .cancelRequested: next == .running
      }
    guard isPossible, entry.outcome.endsAttempt == (entry.attempt > 0), isNumber(event.number),
      isWall(entry.leasedAt), isWall(entry.endedAt), isOrder(event.order)
    else {
      throw unfit(
        "an end", "\(entry.outcome) of attempt \(entry.attempt), then \(next.name), order \(event.order)", position)
    }
    try require(event.uptime, in: 0...now.log, "uptime", position)
    let deadlines: ClosedRange<Int64> =
      switch next {
      case .retry, .scheduled: now.log...later
      case .acked, .cancelled: event.uptime...event.uptime + Bounds.span
      case .ready, .running, .dead: 0...0
      }
    try require(event.deadline, in: deadlines, "deadline", position)
  }

  func checkFields(_ event: ReadiedEvent, at position: LogPosition) throws(ReplayError) {
    guard isNumber(event.number), isOrder(event.order) else {
      throw unfit("an order number", "\(event.order) of job \(event.number)", position)
    }
  }

  func checkFields(_ event: PurgedEvent, at position: LogPosition) throws(ReplayError) {
    try checkNumber(event.number, at: position)
    try require(event.stubUntil, in: 0...later, "uptime", position)
  }

  // MARK: Keys and queues

  func checkFields(_ event: CarriedStubEvent, at position: LogPosition) throws(ReplayError) {
    let state = JobState(rawValue: event.stub.state)
    guard state?.isFinished == true, isNumber(event.stub.number), isWall(event.stub.created) else {
      throw unfit("the stub of a job that left", "state \(event.stub.state) of \(event.stub.number)", position)
    }
    try require(event.stub.until, in: 0...later, "uptime", position)
  }

  func checkFields(_ event: CarriedQueueEvent, at position: LogPosition) throws(ReplayError) {
    let totals = event.totals
    let most = max(totals.submitted, totals.leased, totals.acked, totals.failed, totals.dead)
    guard event.name.count <= UInt8.max, most <= Bounds.counter else {
      throw unfit("a queue within its bounds", "\(event.name.count) bytes, \(most)", position)
    }
    try require(event.idleSince, in: -1...now.log, "log time", position)
  }

  func checkFields(_ event: QueueForgottenEvent, at position: LogPosition) throws(ReplayError) {
    guard event.name.count <= UInt8.max else {
      throw unfit("a queue's name", "\(event.name.count) bytes", position)
    }
  }

  // MARK: Bounds

  func checkNumber(_ number: UInt64, at position: LogPosition) throws(ReplayError) {
    guard isNumber(number) else { throw unfit("a job's number", "\(number)", position) }
  }

  /// The latest that anything may be due now.
  private var later: Int64 { now.log + Bounds.span }

  @inline(__always)
  private func isNumber(_ number: UInt64) -> Bool { number &- 1 < JobNumber.limit - 1 }

  @inline(__always)
  private func isOrder(_ order: UInt64) -> Bool { order &- 1 < Bounds.counter }

  @inline(__always)
  func isWall(_ milliseconds: Int64) -> Bool { milliseconds.magnitude <= UInt64(Bounds.wall) }

  /// Its pauses can be multiplied; the API allows no more.
  @inline(__always)
  private func isPossible(_ policy: JobPolicy) -> Bool {
    policy.retry.initialMilliseconds <= 86_400_000 && policy.retry.factorThousandths <= 100_000
      && policy.retry.maxMilliseconds <= 604_800_000 && policy.retentionMilliseconds >= -1
  }

  @inline(__always)
  private func require(
    _ value: Int64, in range: ClosedRange<Int64>, _ what: String, _ position: LogPosition
  ) throws(ReplayError) {
    guard range.contains(value) else {
      throw unfit("\(what) \(range.lowerBound)…\(range.upperBound)", "\(value)", position)
    }
  }

  @inline(never)
  func unfit(_ expected: String, _ found: String, _ position: LogPosition) -> ReplayError {
    ReplayError(position: position, expected: expected, found: found)
  }
}

extension Outcome {
  /// Whether it ends a lease; otherwise it ends a job's waiting, or asks its worker to stop.
  package var endsAttempt: Bool { self != .cancelled && self != .cancelRequested }
}
