import RoostCore

/// Random requests, chosen so that their targets mostly exist and every refusal has its chance.
struct Workload {
  /// Each group of requests is drawn from a generator of its own.
  var random: SeededRandom
  let queues: [String]
  /// Two of them are equal to Unicode, and are two owners all the same: an en quad and an en space.
  let owners = ["ann", "\u{2000}", "\u{2002}"]
  private let apiKeys = ["k1", "k2"]
  /// The shortest that a worker may ask for, milliseconds.
  let leastLease = 100
  /// Jobs that may stand waiting or running before submits become rare.
  private let crowd: Int
  /// Workers that mostly hand jobs back make long histories.
  private let isReluctant: Bool
  /// Operators set and pause queues, and jobs leave to their queues what they do not say.
  var managesQueues = false
  /// Jobs are delivered by the daemon, and the targets of some histories mostly fail.
  var delivers = false
  var isHostile = false
  /// Somebody sets schedules.
  var setsSchedules = false
  /// Jobs are of batches.
  var usesBatches = false
  /// Jobs wait for others.
  var waitsForOthers = false

  init(random: SeededRandom, queueCount: Int, crowd: Int) {
    self.random = random
    isReluctant = self.random.chance(0.15)
    queues = ["mail", "img-a", "img-b", "long", "sms", "pdf", "map"].prefix(queueCount).map { $0 }
    self.crowd = crowd
  }

  /// Requests that come together, as a client's batch does; mostly one.
  mutating func group(_ model: ReferenceModel) -> [Request] {
    if managesQueues, model.lastNumber == 0, random.chance(0.4) {
      // Only a queue without jobs can be told.
      var change = QueueSettingsChange()
      change.set(.groupOrdered, 1 + Int64(random.below(2)))
      if random.chance(0.3) { change.set(.groupScope, 1) }
      return [.configure(queues.randomElement(using: &random)!, change)]
    }
    if managesQueues, random.chance(0.0007) { return (0..<20).map { _ in .operate(broad) } }
    if managesQueues, random.chance(0.08) {
      let request = manage(model)
      guard case .operate(let wanted) = request, wanted.kind == .deleteQueue, !wanted.isDry else { return [request] }
      // A worker asks before the first of the queue's jobs is cancelled.
      var lease = lease()
      lease.queues = [wanted.queue!]
      return [request, .lease(lease)]
    }
    if setsSchedules, random.chance(0.06) { return [schedule(model)] }
    if usesBatches, random.chance(0.06) { return [batch(model)] }
    if waitsForOthers, random.chance(0.03) { return [.submitGraph(graph(model))] }
    if delivers, random.chance(0.2) { return deliver(model) }
    return switch random.below(40) {
    case 0..<3: [finish(model), .lease(next())]
    case 3: (0..<(1 + random.below(6))).map { _ in followed(model) } + [.submit(submission(model))]
    case 4: (0..<(2 + random.below(5))).map { _ in finish(model) }
    case 5: (0..<(2 + random.below(4))).map { _ in extend(model) }
    default: [request(model)]
    }
  }

  private mutating func followed(_ model: ReferenceModel) -> Request {
    var job = submission(model)
    job.isFollowed = true
    return .submit(job)
  }

  private mutating func request(_ model: ReferenceModel) -> Request {
    let open = model.jobs.values.lazy.filter { !$0.state.isFinished }.count
    switch random.below(100) {
    case 0..<(open < crowd ? 40 : 8): return .submit(submission(model))
    case ..<56: return .lease(lease())
    case ..<76: return random.chance(0.03) ? .lease(next()) : finish(model)
    case ..<80: return extend(model)
    case ..<83: return random.chance(0.2) ? bury(model) : cancel(model)
    case ..<84:
      if waitsForOthers, random.chance(0.4) { return .unblock(pick(model, preferring: .blocked), viewer()) }
      return change(model)
    case ..<86:
      let job = random.chance(0.5) ? withTwin(model) ?? pick(model, preferring: .dead) : pick(model, preferring: .dead)
      return .runNow(job, viewer(), onlyDead: random.chance(0.4))
    case ..<88:
      return .delete(
        pick(model, preferring: [.dead, .acked, .retry][random.below(3)]), viewer(), onlyDead: random.chance(0.4))
    case ..<91: return .read(pick(model), isForged: random.chance(0.05), viewer())
    case ..<93:
      return .awaitEnd(
        pick(model, preferring: .running), isForged: random.chance(0.05), viewer(),
        milliseconds: Int64(random.below(6_000)))
    case ..<96: return .list(list(model))
    case ..<98: return .queue(random.chance(0.1) ? "none" : queues.randomElement(using: &random)!)
    default:
      let tickets =
        model.waiters.map(\.ticket) + model.endWaiters.map(\.ticket)
        + [model.deliveryWaiter?.ticket].compactMap { $0 }
      return .endWait(ticket: tickets.randomElement(using: &random) ?? 0)
    }
  }

  /// A worker that takes anything and waits for nothing.
  func takeAll() -> Request.Lease {
    Request.Lease(
      queues: queues + ["letters"] + (0..<6).map { Self.briefQueue + "\($0)" }, worker: "last", key: "k1",
      leaseMilliseconds: 20_000,
      waitMilliseconds: 0)
  }

  /// All that may be delivered, without waiting for it.
  func deliverAll() -> Request.LeaseDeliveries {
    Request.LeaseDeliveries(
      maxJobs: Int32(Command.LeaseDeliveries.mostJobs), maxBytes: 1 << 20, waitMilliseconds: 0)
  }

  // MARK: Working

  private mutating func lease() -> Request.Lease {
    var lease = Request.Lease(
      queues: (queues + (random.chance(0.2) ? ["letters"] : [])).shuffled(using: &random)
        .prefix(1 + random.below(queues.count))
        + (random.chance(0.03) ? ["none"] : []),
      worker: "w\(random.below(5))", key: apiKeys.randomElement(using: &random)!,
      leaseMilliseconds: random.chance(0.7) ? 0 : Int64(leastLease + random.below(20_000)),
      waitMilliseconds: random.chance(0.4) ? Int64(1 + random.below(6_000)) : 0)
    // One worker of five wants its queues in their order.
    lease.isListed = lease.worker == "w4"
    if random.chance(0.3) {
      lease.maxJobs = Int32(1 + random.below(8))
      lease.maxBytes = random.chance(0.5) ? 1 << 20 : random.below(2_000)
    }
    return lease
  }

  /// A lease that counts only behind the end of an attempt.
  private mutating func next() -> Request.Lease {
    var lease = lease()
    lease.maxJobs = 0
    lease.isNext = true
    return lease
  }

  /// The daemon asks for jobs to deliver, and ends what it delivers.
  private mutating func deliver(_ model: ReferenceModel) -> [Request] {
    guard random.chance(0.4) else {
      return (0..<(1 + random.below(4))).map { _ in
        let running = model.jobs.values.filter { $0.state == .running && $0.isPushed }.min { $0.number < $1.number }
        guard case .finish(var finish) = finish(model), let job = running else { return finish(model) }
        (finish.job, finish.viewer, finish.lease, finish.key) = (job.id, .all, job.lease, "")
        if isHostile, random.chance(0.97) { (finish.outcome, finish.isRetryable) = (.failed, true) }
        return .finish(finish)
      }
    }
    return [
      .leaseDeliveries(
        Request.LeaseDeliveries(
          maxJobs: Int32(1 + random.below(6)), maxBytes: random.chance(0.7) ? 1 << 20 : random.below(2_000),
          waitMilliseconds: random.chance(0.5) ? Int64(1 + random.below(6_000)) : 0))
    ]
  }

  private mutating func finish(_ model: ReferenceModel) -> Request {
    var job = random.chance(0.85) ? known(model, .running) ?? known(model) : known(model)
    if random.chance(0.06), let gone = departed(model) { job = gone }
    var finish = Request.Finish(
      job: job?.id ?? JobID(high: 1, low: 1), viewer: viewer(), lease: token(job),
      key: random.chance(0.6) ? job?.leaseKey ?? "" : apiKeys.randomElement(using: &random)!,
      outcome: [.acked, .acked, .acked, .failed, .failed, .released, .undelivered][random.below(7)],
      isRetryable: random.chance(0.8), delayMilliseconds: 0, text: [])
    if isReluctant, random.chance(0.85) { finish.outcome = .released }
    if let last = job?.lastOutcome, random.chance(0.4), [.acked, .failed, .released, .undelivered].contains(last) {
      finish.outcome = last
    }
    switch finish.outcome {
    case .failed:
      finish.delayMilliseconds = random.chance(0.2) ? Int64(random.below(4_000)) : -1
      finish.text = bytes(random.below(random.chance(0.1) ? 2_500 : 60))
    case .released: finish.delayMilliseconds = random.chance(0.4) ? Int64(1 + random.below(4_000)) : 0
    case .acked: finish.text = bytes(random.chance(0.02) ? 4_097 + random.below(6_000) : random.below(300))
    default: break
    }
    if managesQueues, finish.outcome == .failed || finish.outcome == .released, random.chance(0.1) {
      finish.holdGroupMilliseconds = Int64(1 + random.below(3_000))
    }
    // Its answer was lost, and it says the same again.
    if let job, job.lastOutcome == finish.outcome, random.chance(0.6) { finish.text = job.said }
    return .finish(finish)
  }

  /// The current token; or an old one, an invented one, none.
  private mutating func token(_ job: ReferenceModel.Job?) -> LeaseID? {
    switch random.below(20) {
    case 0: return LeaseID(epoch: 1 + UInt64(random.below(4)), number: 1 + UInt64(random.below(400)))
    case 1: return job?.lease.map { LeaseID(epoch: $0.epoch, number: max(1, $0.number) - 1) }
    case 2..<5: return nil
    default: return job?.lease ?? LeaseID(epoch: 1, number: 1)
    }
  }

  private mutating func extend(_ model: ReferenceModel) -> Request {
    let job = known(model, .running) ?? known(model)
    return .extend(
      job?.id ?? JobID(high: 0, low: 0), isForged: random.chance(0.05), viewer(),
      token(job) ?? LeaseID(epoch: 0, number: 0),
      milliseconds: random.chance(0.3) ? 0 : Int64(leastLease + random.below(90_000)),
      progress: random.chance(0.5) ? bytes(1 + random.below(random.chance(0.05) ? 6_000 : 40)) : [])
  }

  static let briefQueue = "brief-"

  private mutating func cancel(_ model: ReferenceModel) -> Request {
    let brief = model.jobs.values.filter { $0.state == .scheduled && $0.queue.hasPrefix(Self.briefQueue) }
    if random.chance(0.6), let job = brief.min(by: { $0.number < $1.number }) {
      return .cancel(job.id, .all, reason: [])
    }
    return .cancel(
      pick(
        model,
        preferring: waitsForOthers && random.chance(0.2) ? .blocked : random.chance(0.5) ? .running : .retry),
      viewer(), reason: bytes(random.below(40)))
  }

  private mutating func bury(_ model: ReferenceModel) -> Request {
    .bury(
      pick(model, preferring: [.scheduled, .ready, .retry][random.below(3)]), viewer(), reason: bytes(random.below(40)))
  }

  private mutating func change(_ model: ReferenceModel) -> Request {
    var wanted = Request.Change(
      job: pick(
        model,
        preferring: waitsForOthers && random.chance(0.3) ? .blocked : [.scheduled, .ready, .retry][random.below(3)]),
      viewer: viewer())
    if random.chance(0.4) { wanted.priority = [0, 10, -10, 127, -128][random.below(5)] }
    if random.chance(0.4) { wanted.maxRetries = UInt16(random.below(4)) }
    switch random.below(6) {
    case 0: wanted.due = .delay(Int64(random.below(4_000)))
    case 1: wanted.due = .delay(0)
    case 2: wanted.due = .runAt(max(1, model.now.wall + Int64(random.below(8_000)) - 2_000))
    default: break
    }
    if managesQueues, random.chance(0.3) {
      wanted.queue = random.chance(0.2) ? "letters" : queues.randomElement(using: &random)!
    }
    if random.chance(0.4) {
      if random.chance(0.6) { wanted.payload = bytes(1 + random.below(600)) }
      if random.chance(0.4) { wanted.tags = bytes(random.below(90)) }
      if managesQueues, random.chance(0.5) { wanted.group = random.chance(0.2) ? "" : "g\(random.below(4))" }
    }
    return .change(wanted)
  }

  private mutating func list(_ model: ReferenceModel) -> Request.List {
    if let page = model.deadPage, random.chance(0.3) { return page.next }
    let isDead = random.chance(0.4)
    var list = Request.List(
      viewer: viewer(),
      queue: random.chance(0.5) ? queues.randomElement(using: &random) : random.chance(0.1) ? "none" : nil,
      states: isDead || random.chance(0.5)
        ? [] : (0...random.below(3)).map { _ in JobState.allCases.randomElement(using: &random)! },
      isDeadLetters: isDead,
      limit: 1 + random.below(isDead ? 8 : 50),
      cursor: isDead || random.chance(0.5) ? 0 : 1 + UInt64(random.below(Int(model.lastNumber) + 1)))
    if random.chance(0.2) { list.owner = owners.randomElement(using: &random) }
    if random.chance(0.2) { list.type = "t\(random.below(3))" }
    if random.chance(0.1) { list.since = model.now.wall - Int64(random.below(20_000)) }
    if managesQueues, random.chance(0.2) { list.group = random.chance(0.3) ? "_" : "g\(random.below(5))" }
    if !isDead, random.chance(0.3) { list.examine = Int32(1 + random.below(60)) }
    return list
  }

  // MARK: Choosing

  mutating func viewer() -> Viewer {
    switch random.below(8) {
    case 0: .owner(owners.randomElement(using: &random)!)
    case 1: .queues([["img-*", "mail", "*", "lon"].randomElement(using: &random)!, "sms"])
    default: .all
    }
  }

  private mutating func pick(_ model: ReferenceModel, preferring state: JobState? = nil) -> JobID {
    let job = state != nil && random.chance(0.7) ? known(model, state) ?? known(model) : known(model)
    return job?.id ?? JobID(high: 0, low: 0)
  }

  /// A dead letter of whose key there are several jobs: another may hold it.
  private func withTwin(_ model: ReferenceModel) -> JobID? {
    let unique = model.jobs.values.filter { $0.wanted.unique != nil }
    let names = Dictionary(grouping: unique) { "\($0.wanted.owner) \($0.wanted.unique!.name)" }
    return unique.filter { $0.state == .dead && names["\($0.wanted.owner) \($0.wanted.unique!.name)"]!.count > 1 }
      .min { $0.number < $1.number }?.id
  }

  /// A job that has left.
  mutating func departed(_ model: ReferenceModel) -> ReferenceModel.Job? {
    guard let last = model.departed.keys.max() else { return nil }
    let wanted = last - min(last, UInt64(random.below(60)))
    return model.departed[model.departed.keys.filter { $0 <= wanted }.max() ?? last]?.job
  }

  /// Any job of the model, chosen by number so that the choice does not hang on hashing.
  mutating func known(_ model: ReferenceModel, _ state: JobState? = nil) -> ReferenceModel.Job? {
    let start = random.next()
    var chosen: (mixed: UInt64, job: ReferenceModel.Job)?
    for (number, job) in model.jobs where state == nil || job.state == state {
      let mixed = (number &+ start) &* 0x9E37_79B9_7F4A_7C15
      if chosen.map({ mixed < $0.mixed }) ?? true { chosen = (mixed, job) }
    }
    return chosen?.job
  }
}
