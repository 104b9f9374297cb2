import RoostCore

/// Jobs of which there may be one at a time.
extension ReferenceModel {
  /// Until when a job holds the name that it says.
  enum UniqueHold: Equatable {
    /// Not, or not any more.
    case none
    case ended
    case started
    /// Uptime.
    case window(Int64)
  }

  struct UniqueStub {
    var id: JobID
    var state: JobState
    var until: Int64
  }

  private enum Twin {
    case job(Job)
    case stub([UInt8], UniqueStub)
  }

  private func name(_ job: Submission) -> [UInt8]? { job.unique.map { Array("\(job.owner) \($0.name)".utf8) } }

  func hold(of job: Submission) -> UniqueHold {
    switch job.unique?.until {
    case nil: .none
    case .ended?: .ended
    case .started?: .started
    case .window(let milliseconds)?: .window(uptime + milliseconds * 1_000_000)
    }
  }

  private func holds(_ job: Job) -> Bool {
    switch job.hold {
    case .none: false
    case .ended, .started: !job.state.isFinished
    case .window: true
    }
  }

  /// Who holds the name that a job says.
  private func twin(of job: Submission, besides number: UInt64? = nil) -> Twin? {
    guard let name = name(job) else { return nil }
    if let holder = jobs.values.first(where: { $0.number != number && holds($0) && self.name($0.wanted) == name }) {
      return .job(holder)
    }
    return uniqueStubs[name].map { .stub(name, $0) }
  }

  /// A name whose time is over may be free or not, until the next step that leaves no due work behind.
  private mutating func isFree(_ twin: Twin, _ answer: Answer) -> Bool {
    var isTwin = false
    if case .notUnique = answer { isTwin = true }
    if case .submitted(let accepted) = answer, accepted.isDuplicate { isTwin = true }
    guard !isTwin else { return false }
    switch twin {
    case .job(let job):
      guard case .window(let until) = job.hold, until <= uptime else { return false }
      jobs[job.number]!.hold = .none
    case .stub(let name, let stub):
      guard stub.until <= uptime else { return false }
      uniqueStubs[name] = nil
    }
    return true
  }

  // MARK: Submits

  /// Whether a submit makes no job, as another is there; then the answer must say so.
  mutating func isAnsweredByTwin(_ job: Submission, _ answer: Answer) throws(Violation) -> Bool {
    guard let unique = job.unique, let twin = twin(of: job), replaceable(by: job) == nil, !isFree(twin, answer) else {
      return false
    }
    let (id, state): (JobID, JobState) =
      switch twin {
      case .job(let job): (job.id, job.state)
      case .stub(_, let stub): (stub.id, stub.state)
      }
    if unique.onConflict == .existing || unique.onConflict == .replace && state.isFinished {
      guard case .submitted(let accepted) = answer, accepted.isDuplicate else {
        throw Violation(message: "job \(id.number.rawValue) is there, and a submit is answered \(answer)")
      }
      try expect(accepted.id == id && accepted.state == state, "a duplicate is \(accepted), not \(id)")
    } else {
      guard case .notUnique(id) = answer else {
        throw Violation(message: "job \(id.number.rawValue) is there, and a submit is answered \(answer)")
      }
    }
    return true
  }

  /// The job whose place a new one takes.
  func replaceable(by job: Submission) -> Job? {
    guard job.unique?.onConflict == .replace, case .job(let twin)? = twin(of: job) else { return nil }
    guard twin.state == .ready || twin.state == .scheduled || twin.state == .blocked else { return nil }
    // Others count on this very job.
    return isNeeded(twin.number) || twin.batch.map { batches[$0] != nil } ?? false ? nil : twin
  }

  /// A job that repeated submits put off no further.
  func bounded(_ job: Submission, since: Int64) -> Submission {
    guard let unique = job.unique, unique.maxWaitMilliseconds > 0 else { return job }
    var job = job
    let latest = since + unique.maxWaitMilliseconds
    job.delayMilliseconds = min(job.delayMilliseconds, max(0, latest - now.wall))
    job.runAtMilliseconds = min(job.runAtMilliseconds, max(1, latest))
    return job
  }

  mutating func replace(_ twin: Job) {
    guard var job = jobs[twin.number] else { return }
    if job.state.isWaiting { end(&job, .cancelled, .cancelled, Array(CancelReason.replaced.rawValue.utf8)) }
    if case .window = job.hold { job.hold = .none }
    jobs[job.number] = job
  }

  func takesPlace(_ made: Job, _ twin: Job) -> Bool {
    twin.state == .ready && made.state == .ready && made.queue == twin.queue && made.priority == twin.priority
      && group(of: made) == group(of: twin) && made.wanted.origin == twin.wanted.origin
  }

  mutating func succeed(_ made: inout Job, _ twin: Job) {
    if takesPlace(made, twin) { (made.rank, made.readySince) = (twin.rank, twin.readySince) }
    for place in endWaiters.indices where endWaiters[place].number == twin.number {
      endWaiters[place].number = made.number
    }
  }

  /// Whether another job holds the name that one says, and keeps it.
  ///
  /// - Parameter wasFreed: A job was made: a name whose time is over was free.
  mutating func isTaken(_ job: Submission, wasFreed: Bool = false) -> Bool {
    guard let twin = twin(of: job), replaceable(by: job) == nil else { return false }
    return !wasFreed || !isFree(twin, .nothing)
  }

  // MARK: Jobs that begin anew

  /// Whether another holds the name that a job would hold again.
  mutating func isRivalled(_ job: Job, _ answer: Answer) -> Bool {
    guard job.hold == .ended || job.hold == .started, let twin = twin(of: job.wanted, besides: job.number) else {
      return false
    }
    return !isFree(twin, answer)
  }

  func notUnique(_ job: Job, _ answer: Answer) throws(Violation) {
    guard case .notUnique(let id) = answer else {
      throw Violation(message: "job \(job.number) begins anew beside another: \(answer)")
    }
    switch twin(of: job.wanted, besides: job.number) {
    case .job(let twin)?: try expect(twin.id == id, "the holder of a name is \(id), not \(twin.number)")
    case .stub(_, let stub)?: try expect(stub.id == id, "the holder of a name is \(id), not \(stub.id)")
    case nil: preconditionFailure("a rival was found")
    }
  }

  /// Whether an operation may have passed a job over: another holds its name, or did.
  func mayBeSkipped(_ job: Job) -> Bool { job.hold == .ended || job.hold == .started }

  // MARK: Time

  mutating func leaveUnique(_ job: Job) {
    guard case .window(let until) = job.hold, let name = name(job.wanted) else { return }
    uniqueStubs[name] = UniqueStub(id: job.id, state: job.state, until: until)
  }

  /// Names whose time is over are free.
  mutating func endWindows() {
    for (name, stub) in uniqueStubs where stub.until <= uptime { uniqueStubs[name] = nil }
    for number in jobs.keys {
      if case .window(let until) = jobs[number]!.hold, until <= uptime { jobs[number]!.hold = .none }
    }
  }

  /// No two jobs hold a name.
  func expectNoTwins() throws(Violation) {
    var names: [[UInt8]: UInt64] = [:]
    for job in jobs.values where holds(job) {
      guard let name = name(job.wanted) else { continue }
      try expect(names[name] == nil, "jobs \(job.number) and \(names[name] ?? 0) are alike")
      names[name] = job.number
    }
  }
}
