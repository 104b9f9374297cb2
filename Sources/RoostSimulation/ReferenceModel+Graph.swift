import RoostCore

/// Jobs that wait for others: whether they should, and which jobs must stay for their sake.
extension ReferenceModel {
  /// What a job waits for.
  struct Dependency {
    var number: UInt64
    /// It was ACKED when the job was submitted.
    var wasAcked: Bool
  }

  enum Verdict { case waits, runs, fails }

  /// What is to become of a BLOCKED job, as those that it waits for are.
  func verdict(_ job: Job) -> Verdict {
    var found = Verdict.runs
    for dependency in job.dependencies {
      switch verdict(dependency, job.wanted.mode) {
      case .fails: return .fails
      case .waits: found = .waits
      case .runs: break
      }
    }
    return found
  }

  private func verdict(_ dependency: Dependency, _ mode: DependencyList.Mode) -> Verdict {
    let gone = left[dependency.number] ?? (dependency.wasAcked ? .acked : .dead)
    let state = jobs[dependency.number]?.state ?? gone
    guard state.isFinished else { return .waits }
    if state == .acked || mode.isEnded { return .runs }
    switch mode.onDead {
    case .cancel: return .fails
    case .run: return .runs
    case .hold: return .waits
    }
  }

  /// ACKED jobs whose results others need that have not ended.
  var neededJobs: Set<UInt64> {
    var needed: Set<UInt64> = []
    for job in jobs.values where !job.dependencies.isEmpty && !job.state.isFinished {
      needed.formUnion(job.dependencies.lazy.map(\.number))
    }
    return needed
  }

  func isNeeded(_ number: UInt64) -> Bool {
    jobs.values.contains { !$0.state.isFinished && $0.dependencies.contains { $0.number == number } }
  }

  /// What a new job waits for; nil where it is refused for that.
  mutating func dependencies(of job: Submission, _ answer: Answer) throws(Violation) -> [Dependency]? {
    var found: [Dependency] = []
    for id in job.dependsOn + job.made {
      let number = id.number.rawValue
      if let known = jobs[number], known.id == id, known.wanted.owner.utf8.elementsEqual(job.owner.utf8) {
        found.append(Dependency(number: number, wasAcked: known.state == .acked))
      } else {
        // Of one that left it may be known that it was ACKED.
        let gone = departed[number]?.job
        let wasAcked =
          gone.map { $0.id == id && $0.state == .acked && $0.wanted.key != nil && isOf(job.owner, $0.wanted) } ?? false
        guard answer.refusal != .dependencyNotFound, wasAcked || keySaysAcked(id, job.owner) else {
          try refused(.dependencyNotFound, answer, "submit that waits for job \(number)")
          return nil
        }
        found.append(Dependency(number: number, wasAcked: true))
      }
    }
    return found
  }

  private func isOf(_ owner: String, _ job: Submission) -> Bool { job.owner.utf8.elementsEqual(owner.utf8) }

  /// Whether the key of a job that has left still answers that it was ACKED.
  private func keySaysAcked(_ id: JobID, _ owner: String) -> Bool {
    keys.values.contains { key in
      guard case .stub(id, .acked, _) = key.holder else { return false }
      return isOf(owner, key.origin.submission)
    }
  }

  /// A job waits no longer, by what the machine says of it.
  ///
  /// - Returns: Whether it changed.
  mutating func unblocked(
    _ job: inout Job, _ image: JobImage?, isGranted: Bool, rank: UInt64
  ) throws(Violation) -> Bool {
    let number = job.number
    guard image?.state != .blocked || isGranted else { return false }
    let verdict = verdict(job)
    if !isGranted, image == nil || image?.state == .cancelled {
      try expect(verdict == .fails, "job \(number) was cancelled, and all that it waits for is well")
      end(&job, .cancelled, .cancelled, Array(CancelReason.dependency.rawValue.utf8))
      job.rank = rank
      return true
    }
    try expect(verdict == .runs, "job \(number) waits for jobs that have not ended, and is \(image!.state.name)")
    unblock(&job, rank: rank)
    return true
  }

  mutating func unblock(_ job: inout Job, rank: UInt64) {
    if job.isWall, job.deadline > clocks.due * 1_000_000 {
      (job.state, job.foreseen) = (.scheduled, job.deadline / 1_000_000)
    } else if !job.isWall, job.deadline > 0 {
      (job.state, job.foreseen) = (.scheduled, now.wall + job.deadline / 1_000_000)
      job.deadline += now.log
    } else {
      (job.state, job.readySince, job.isWall) = (.ready, now.log, false)
    }
    job.rank = rank
  }

  /// Somebody lets a held job run.
  mutating func unblock(_ id: JobID, _ viewer: Viewer, _ answer: Answer) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "unblock") }
    let isHeld =
      job.state == .blocked
      && job.dependencies.allSatisfy { jobs[$0.number]?.state.isFinished ?? true }
    guard isHeld else { return try refused(.wrongState, answer, "unblock") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "unblock") }
    unblock(&job, rank: nextRank())
    jobs[job.number] = job
    try changed(job, answer, "unblock")
  }

  // MARK: Graphs

  /// All jobs were made, or none; of one that could not be the answer must say why.
  mutating func submit(graph jobs: [Submission], _ answer: Answer) throws(Violation) {
    switch answer {
    case .graph(let first, let count):
      try expect(Int(count) == jobs.count, "a graph of \(jobs.count) jobs was answered with \(count)")
      let made = stepAccepted[Int(first)..<Int(first + count)].map { $0 }
      for (job, accepted) in zip(jobs, made) {
        var job = job
        job.made = job.items.map { made[$0].id }
        try submit(job, .submitted(accepted))
      }
    case .graphRefused(let place, let refusal):
      try expect(mayBeRefused(Int(place), refusal, among: jobs), "job \(place) of a graph: \(refusal)")
    case .graphConflict(let place, let conflict):
      let key = keyName(jobs[Int(place)]).flatMap { keys[$0] }
      guard let key, !key.isFor(jobs[Int(place)]) else { throw Violation(message: "a graph: \(conflict)") }
    default: throw Violation(message: "a graph: \(answer)")
    }
  }

  private func mayBeRefused(_ place: Int, _ refusal: Refusal, among jobs: [Submission]) -> Bool {
    let job = jobs[place]
    let settings = setups[job.queue]?.settings
    switch refusal {
    case .diskLow: return now.conditions.diskLevel >= 1
    case .memoryLow: return now.conditions.isMemoryLow
    case .draining: return isDraining(job.queue)
    case .quotaOfJobs: return overQuota(job.owner, before: place) == .quotaOfJobs
    case .quotaOfBytes: return quotas[Array(job.owner.utf8)]?.waitingBytes == 0
    case .unknownBatch, .batchClosed: return job.batch != nil
    case .tooManyQueues: return totals.count + Set(jobs.map(\.queue)).count > limits.maxQueues
    case .payloadTooLarge: return settings?[.maxPayloadBytes].map { job.payload.count > $0 } ?? false
    case .priorityInOrder: return settings?[.groupOrdered] != nil && job.priority != 0
    case .callbackInOrder: return settings?[.groupOrdered] != nil && !job.origin.isEmpty
    case .queueFull:
      return settings?[.maxLength] != nil || settings?[.groupMaxLength] != nil
        || groups[group(of: job)]?.settings[.maxLength] != nil || settings?[.maxBytes] != nil
    case .idempotencyConflict:
      return jobs.contains { $0.key == job.key && $0.queue == job.queue && $0.fingerprint != job.fingerprint }
    case .dependencyNotFound:
      return job.dependsOn.contains { id in
        guard let known = self.jobs[id.number.rawValue], known.id == id else { return true }
        return !known.wanted.owner.utf8.elementsEqual(job.owner.utf8)
      }
    default: return false
    }
  }
}
