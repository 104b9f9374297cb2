import RoostCore

/// What the simulated users submit: jobs by themselves, in graphs, and in batches.
extension Workload {
  mutating func submission(_ model: ReferenceModel) -> Submission {
    if random.chance(0.12), let known = repeated(model) { return known }
    var job = Submission(
      queue: queues.randomElement(using: &random)!, owner: owners.randomElement(using: &random)!,
      type: random.chance(0.5) ? "" : "t\(random.below(3))", priority: [0, 0, 0, 10, -10, 127, -128][random.below(7)],
      maxRetries: UInt16(random.below(4)), delayMilliseconds: 0, runAtMilliseconds: 0, policy: policy(),
      key: random.chance(0.4) ? "key\(random.below(40))" : nil, payload: payload())
    job.isFollowed = random.chance(0.05)
    job.isOfBytes = random.chance(0.1)
    if managesQueues {
      job.given = Command.Submit.Given(rawValue: UInt8(random.below(64)))
      if random.chance(0.6) { job.group = "g\(random.below(4))" }
    }
    if waitsForOthers, random.chance(0.3) { dependencies(&job, model) }
    if usesBatches, random.chance(0.4) { join(&job, model) }
    if random.chance(0.1) { job.expiry = expiry(model) }
    if random.chance(0.15) { job.unique = uniqueness() }
    // What a handler refuses.
    if !job.dependsOn.isEmpty, job.unique?.onConflict == .replace {
      (job.unique!.onConflict, job.unique!.maxWaitMilliseconds) = (.existing, 0)
    }
    if delivers, random.chance(0.5) { job.origin = "https://\(["a", "b", "c"][random.below(3)]).example" }
    if random.chance(0.06) {
      // A queue that will hold nothing again once this job is cancelled.
      job.queue = Self.briefQueue + "\(random.below(6))"
      job.policy.retentionMilliseconds = 0
      job.delayMilliseconds = 60_000
      return job
    }
    if random.chance(0.2) { job.metadata = bytes(random.below(200)) }
    if random.chance(0.2) { job.tags = bytes(random.below(90)) }
    if random.chance(0.1) { job.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" }
    switch random.below(10) {
    case 0: job.delayMilliseconds = Int64(1 + random.below(8_000))
    case 1: job.runAtMilliseconds = max(1, model.now.wall + Int64(random.below(8_000)) - 2_000)
    default: break
    }
    return job
  }

  private func known(_ model: ReferenceModel) -> [ReferenceModel.Batch] {
    model.batches.values.sorted { $0.number > $1.number }
  }

  /// Mostly an open batch of the same owner, and a closed one with a lease of a job of it.
  private mutating func join(_ job: inout Submission, _ model: ReferenceModel) {
    let all = known(model)
    let open = all.filter { !$0.isClosed }
    guard let batch = (random.chance(0.7) ? open.first : nil) ?? all.randomElement(using: &random) else { return }
    if random.chance(0.95) { (job.owner, job.dependsOn) = (batch.owner, []) }
    job.batch = batch.id
    if batch.isClosed || random.chance(0.1) {
      job.batchLease =
        model.jobs.values.filter { $0.batch == batch.number && $0.state == .running }
        .min { $0.number < $1.number }?.lease
    }
  }

  mutating func batch(_ model: ReferenceModel) -> Request {
    let all = known(model)
    let any = all.randomElement(using: &random)
    let owner = any.map {
      random.chance(0.1) ? owners.randomElement(using: &random)! : random.chance(0.5) ? $0.owner : ""
    }
    switch random.below(10) {
    case 0..<4:
      guard let any else { fallthrough }
      return .changeBatch(any.id, owner: owner!, isCancel: false)
    case 4:
      return .changeBatch(any?.id ?? JobID(high: 1, low: 1), owner: owner ?? "", isCancel: true)
    case 5: return .readBatches(owner: random.chance(0.5) ? "" : owners.randomElement(using: &random)!)
    default:
      var then: Submission?
      if random.chance(0.8) {
        var job = submission(model)
        (job.key, job.runAtMilliseconds, job.isFollowed, job.isOfBytes, job.batch) = (nil, 0, false, false, nil)
        (job.dependsOn, job.unique) = ([], nil)
        if job.payload.count > 2_000 { job.payload = Array("1".utf8) }
        then = job
      }
      let owner = owners.randomElement(using: &random)!
      then?.owner = owner
      return .openBatch(
        ReferenceModel.BatchWish(
          owner: owner, isEnded: random.chance(0.4), then: then,
          milliseconds: random.chance(0.3) ? Int64(1_000 + random.below(20_000)) : 0))
    }
  }

  /// A few jobs that wait for each other, and some of them for others.
  mutating func graph(_ model: ReferenceModel) -> [Submission] {
    let owner = owners.randomElement(using: &random)!
    var jobs: [Submission] = []
    for place in 0..<(2 + random.below(5)) {
      var job = submission(model)
      if !job.owner.utf8.elementsEqual(owner.utf8) { (job.owner, job.dependsOn, job.batch) = (owner, [], nil) }
      (job.isFollowed, job.isOfBytes, job.payload, job.unique) = (false, false, bytes(random.below(200)), nil)
      if random.chance(0.1), let same = jobs.randomElement(using: &random), same.key != nil { job = same }
      job.items = random.chance(0.8) ? (0..<place).filter { _ in random.chance(0.5) } : []
      if !job.items.isEmpty, job.dependsOn.isEmpty {
        job.mode = DependencyList.Mode(
          onDead: DependencyList.OnDead.allCases.randomElement(using: &random)!, isEnded: random.chance(0.2))
      }
      jobs.append(job)
    }
    return jobs
  }

  /// Some jobs of the same owner mostly, and one now and then that is not there.
  private mutating func dependencies(_ job: inout Submission, _ model: ReferenceModel) {
    for _ in 0..<(1 + random.below(random.chance(0.2) ? 6 : 2)) {
      let states: [JobState?] = [.ready, .running, .retry, .blocked, .acked, .dead, nil, nil]
      guard var other = known(model, states[random.below(states.count)]) else { continue }
      if random.chance(0.04), let gone = departed(model) { other = gone }
      if random.chance(0.9) { job.owner = other.wanted.owner }
      if job.dependsOn.isEmpty || random.chance(0.9), !other.wanted.owner.utf8.elementsEqual(job.owner.utf8) {
        continue
      }
      if !job.dependsOn.contains(other.id) { job.dependsOn.append(other.id) }
    }
    if random.chance(0.03) { job.dependsOn.append(JobID(high: 1, low: 1)) }
    guard !job.dependsOn.isEmpty else { return }
    job.mode = DependencyList.Mode(
      onDead: DependencyList.OnDead.allCases.randomElement(using: &random)!, isEnded: random.chance(0.2))
  }

  private mutating func uniqueness() -> Submission.Uniqueness {
    let until: JobUnique.Until =
      switch random.below(4) {
      case 0: .started
      case 1: .window(Int64(1_000 + random.below(9_000)))
      default: .ended
      }
    var unique = Submission.Uniqueness(
      name: "u\(random.below(6))", until: until,
      onConflict: JobUnique.OnConflict.allCases.randomElement(using: &random)!)
    if unique.onConflict == .replace, random.chance(0.5) {
      unique.maxWaitMilliseconds = Int64(1 + random.below(6_000))
    }
    return unique
  }

  /// Some are too late at once.
  private mutating func expiry(_ model: ReferenceModel) -> JobExpiry {
    let isRelative = random.chance(0.5)
    let time = isRelative ? Int64(1 + random.below(9_000)) : max(0, model.now.wall + Int64(random.below(9_000)) - 1_000)
    return JobExpiry(milliseconds: time, isRelative: isRelative, cancels: random.chance(0.3))
  }

  /// A large job of an hour from now.
  mutating func lasting(_ model: ReferenceModel) -> Submission {
    var job = submission(model)
    (job.key, job.runAtMilliseconds, job.delayMilliseconds, job.expiry) = (nil, 0, 3_600_000, nil)
    (job.unique, job.dependsOn, job.batch) = (nil, [], nil)
    job.payload = bytes(Simulation.mostPayloadBytes)
    return job
  }

  /// What was submitted with a key before; sometimes with another body.
  private mutating func repeated(_ model: ReferenceModel) -> Submission? {
    guard var job = known(model)?.wanted, job.key != nil, job.items.isEmpty else { return nil }
    if random.chance(0.3) { job.payload = payload() }
    if random.chance(0.3) {
      job.traceparent = "00-\(random.below(3))bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    }
    return job
  }

  mutating func policy() -> JobPolicy {
    let initial = UInt32(random.below(3) == 0 ? 0 : random.below(2_000))
    var retry = RetryPolicy(
      initialMilliseconds: initial, factorThousandths: [1_000, 1_500, 2_000, 3_000][random.below(4)],
      maxMilliseconds: initial + UInt32(random.below(5_000)), jitter: Jitter.named.randomElement(using: &random)!)
    if random.chance(0.1) { retry.add(atMost: UInt32(1 + random.below(2_000))) }
    return JobPolicy(
      retry: random.chance(0.1) ? .standard : retry,
      leaseMilliseconds: random.chance(0.3) ? 0 : UInt32(leastLease + random.below(8_000)),
      retentionMilliseconds: [-1, -1, 0, 2_000, 90_000][random.below(5)],
      timeoutMilliseconds: random.chance(0.2) ? UInt32(leastLease + random.below(9_000)) : 0,
      maxExpiries: random.chance(0.15) ? UInt16(1 + random.below(3)) : 0)
  }

  private mutating func payload() -> [UInt8] {
    let count: Int
    switch random.below(1_000) {
    case 0: count = Simulation.mostPayloadBytes + 4_096 + random.below(9_000)
    case 1..<8: count = 3_000 + random.below(Simulation.mostPayloadBytes - 3_000)
    case 8..<200: count = random.below(3_000)
    default: count = random.below(200)
    }
    return bytes(count)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: count)
    for at in stride(from: 0, to: count, by: 61) { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
    return bytes
  }
}
