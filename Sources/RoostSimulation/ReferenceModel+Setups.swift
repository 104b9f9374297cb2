import RoostCore

/// What was said of queues: settings, pauses, and what they hold back.
extension ReferenceModel {
  struct Setup {
    var settings = QueueSettings()
    var isPaused = false
    /// Wall milliseconds; 0: until somebody says so.
    var pausedUntil: Int64 = 0
    var pausedAt: Int64 = 0
    var reason: [UInt8] = []
    /// Log time at which the next lease would be if none came early.
    var nextLease: Int64 = 0
    /// Log time of the last one.
    var lastLease: Int64 = 0
    /// Log times and numbers of the leases since the rate was set, those that reached their workers.
    var leases: [(time: Int64, number: UInt64)] = []

    var isEmpty: Bool { settings.isEmpty && !isPaused }

    var rate: Rate? { Rate(settings, .rateLimit, .ratePeriod, .rateBurst) }

    struct Rate {
      /// Nanoseconds between leases, rounded up.
      var interval: Int64
      /// How many may come at once.
      var burst: Int64

      init?(_ settings: QueueSettings, _ limit: QueueSetting, _ period: QueueSetting, _ burst: QueueSetting) {
        guard let limit = settings[limit], let period = settings[period], let burst = settings[burst] else {
          return nil
        }
        (interval, self.burst) = ((period * 1_000_000 + limit - 1) / limit, burst)
      }
    }
  }

  // MARK: Changes

  mutating func configure(
    _ name: String, _ change: QueueSettingsChange, _ answer: Answer, _ image: QueueImage?
  ) throws(Violation) {
    var setup = setups[name] ?? Setup()
    let old = QueueSetting.ofRate.map { setup.settings[$0] }
    for setting in change.cleared { setup.settings[setting] = nil }
    for setting in QueueSetting.allCases { if let value = change.settings[setting] { setup.settings[setting] = value } }
    if let rate = setup.rate {
      if old != QueueSetting.ofRate.map({ setup.settings[$0] }) { setup.leases = [] }
      setup.nextLease = min(setup.nextLease, now.log + rate.burst * rate.interval)
    } else {
      (setup.nextLease, setup.leases) = (0, [])
    }
    // What changes nothing needs no room.
    if setup.settings == setups[name]?.settings ?? QueueSettings() { return try look(at: name, image) }
    let isRegrouped = [QueueSetting.groupOrdered, .groupScope].contains {
      setup.settings[$0] != setups[name]?.settings[$0]
    }
    if isRegrouped,
      jobs.values.contains(where: { $0.queue == name })
    {
      return try refused(.queueNotEmpty, answer, "another order of queue \(name)")
    }
    guard try mayChange(name, answer) else { return }
    totals[name] = totals[name] ?? QueueTotals()
    let before = QueueSetting.ofGroupRate.map { setups[name]?.settings[$0] }
    let after = QueueSetting.ofGroupRate.map { setup.settings[$0] }
    if setup.settings[.groupScope] != setups[name]?.settings[.groupScope] { forgetGroups(of: name) }
    set(setup, of: name)
    if before != after { fitGroups(of: name) }
    forgetTurns(of: name)
    try look(at: name, image)
  }

  mutating func pause(
    _ name: String, _ reason: [UInt8], _ until: Int64, _ answer: Answer, _ image: QueueImage?
  ) throws(Violation) {
    guard try mayChange(name, answer) else { return }
    var setup = setups[name] ?? Setup()
    (setup.isPaused, setup.pausedUntil, setup.pausedAt, setup.reason) = (true, until, now.wall, reason)
    totals[name] = totals[name] ?? QueueTotals()
    setups[name] = setup
    try look(at: name, image)
  }

  mutating func resume(_ name: String, _ answer: Answer, _ image: QueueImage?) throws(Violation) {
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "resume") }
    if setups[name]?.isPaused == true {
      try expect(resumed.popFirst() == name, "queue \(name) was resumed unlogged")
      end(pauseOf: name)
    }
    try look(at: name, image)
  }

  private mutating func end(pauseOf name: String) {
    guard var setup = setups[name] else { return }
    (setup.isPaused, setup.pausedUntil, setup.pausedAt, setup.reason) = (false, 0, 0, [])
    set(setup, of: name)
  }

  /// A queue of which nothing is said any more has been idle from then on.
  private mutating func set(_ setup: Setup, of name: String) {
    if setup.isEmpty, setups[name] == nil { return }
    setups[name] = setup.isEmpty ? nil : setup
    idleSince[name] = nil
  }

  mutating func mayChange(_ name: String, _ answer: Answer) throws(Violation) -> Bool {
    let isNew = totals[name] == nil
    if isDraining(name) {
      try refused(.draining, answer, "a change of queue \(name)")
      return false
    }
    if now.conditions.diskLevel >= 3 || isNew && now.conditions.diskLevel >= 1 {
      try refused(.diskLow, answer, "a change of queue \(name)")
      return false
    }
    if isNew, now.conditions.isMemoryLow {
      try refused(.memoryLow, answer, "a change of queue \(name)")
      return false
    }
    if isNew, totals.count >= limits.maxQueues, !(try madeRoom()) {
      try refused(.tooManyQueues, answer, "a change of queue \(name)")
      return false
    }
    switch answer {
    case .queues, .groups: return true
    default: throw Violation(message: "a change of queue \(name): \(answer)")
    }
  }

  /// Pauses that ended by themselves.
  mutating func endPauses(hasMore: Bool) throws(Violation) {
    while let name = resumed.popFirst() {
      guard let setup = setups[name], setup.isPaused else { throw Violation(message: "queue \(name) was not paused") }
      try expect(setup.pausedUntil > 0 && setup.pausedUntil <= clocks.due, "the pause of queue \(name) ended early")
      end(pauseOf: name)
    }
    guard !hasMore else { return }
    for (name, setup) in setups where setup.isPaused && setup.pausedUntil > 0 {
      try expect(setup.pausedUntil > clocks.due, "queue \(name) is paused still")
    }
  }

  // MARK: Submits

  /// What the job says, and for the rest what its queue or the daemon says.
  func filledIn(_ job: Submission) -> Submission {
    var job = job
    let settings = setups[job.queue]?.settings
    if !job.given.contains(.maxRetries) {
      job.maxRetries = settings?[.maxRetries].map { UInt16($0) } ?? limits.maxRetries
    }
    if !job.given.contains(.retry) { job.policy.retry = settings?.retry ?? limits.retry }
    if !job.given.contains(.timeout) {
      job.policy.timeoutMilliseconds = UInt32(settings?[.timeout] ?? limits.timeoutMilliseconds)
    }
    if !job.given.contains(.maxExpiries) { job.policy.maxExpiries = UInt16(settings?[.maxExpiries] ?? 0) }
    if !job.given.contains(.priority) { job.priority = settings?[.priority].map { Int8($0) } ?? 0 }
    if !job.given.contains(.due) { (job.delayMilliseconds, job.runAtMilliseconds) = (settings?[.delay] ?? 0, 0) }
    return job
  }

  /// Whether the queue takes one more; jobs that made room are cancelled.
  mutating func admitted(_ job: Submission, replacing twin: Job?, _ answer: Answer) throws(Violation) -> Bool {
    guard let settings = setups[job.queue]?.settings else { return true }
    if let most = settings[.maxPayloadBytes], job.payload.count > most {
      try refused(.payloadTooLarge, answer, "submit")
      return false
    }
    if settings[.groupOrdered] != nil, job.given.contains(.priority), job.priority != 0 {
      try refused(.priorityInOrder, answer, "submit")
      return false
    }
    if settings[.groupOrdered] != nil, !job.origin.isEmpty {
      try refused(.callbackInOrder, answer, "submit")
      return false
    }
    let all = jobs.values.filter { $0.queue == job.queue && $0.state.isWaiting }
    // One that it replaces makes room for it, and may be dropped all the same.
    let waiting = all.filter { $0.number != twin?.number }
    let ofGroup = waiting.count { group(of: $0) == group(of: job) }
    let mostOfGroup = groups[group(of: job)]?.settings[.maxLength] ?? settings[.groupMaxLength]
    let tooMany = min(
      2,
      max(
        settings[.maxLength].map { waiting.count + 1 - Int($0) } ?? 0,
        mostOfGroup.map { ofGroup + 1 - Int($0) } ?? 0))
    guard tooMany > 0 else { return true }
    guard settings[.onFull] == QueueFullPolicy.dropOldest.rawValue else {
      try refused(.queueFull, answer, "submit")
      return false
    }
    let own = all.filter {
      $0.state == .ready && group(of: $0) == group(of: job) && $0.wanted.owner.utf8.elementsEqual(job.owner.utf8)
    }
    if answer.refusal == .queueFull {
      try expect(own.count < tooMany, "a full queue had jobs that might go")
      return false
    }
    for _ in 0..<tooMany {
      guard let number = dropped.popFirst(), let gone = own.first(where: { $0.number == number }) else {
        throw Violation(message: "a full queue took a job")
      }
      for other in own where jobs[other.number]!.state == .ready && other.number != number {
        try expect(
          (gone.priority, gone.rank) <= (other.priority, other.rank),
          "job \(number) made room before \(other.number)")
      }
      var cancelled = jobs[number]!
      end(&cancelled, .cancelled, .cancelled, Array(CancelReason.queueFull.rawValue.utf8))
      jobs[number] = cancelled
    }
    return true
  }

  // MARK: Leases

  /// Why a queue gives nothing now.
  func hold(_ name: String) -> QueueHold? {
    if isDraining(name) { return .deletion }
    guard let setup = setups[name] else { return nil }
    if setup.isPaused { return .paused }
    if let most = setup.settings[.concurrency] {
      let running = jobs.values.lazy.filter { $0.queue == name && $0.state == .running }.count
      if running >= most { return .concurrency }
    }
    if let rate = setup.rate, setup.nextLease - (rate.burst - 1) * rate.interval > now.log { return .rate }
    return nil
  }

  /// A job of a queue was leased; whatever the window, there are never more leases than allowed.
  mutating func leased(from name: String, _ number: UInt64) throws(Violation) {
    guard let rate = setups[name]?.rate else { return }
    setups[name]!.nextLease = max(setups[name]!.nextLease, now.log) + rate.interval
    setups[name]!.lastLease = now.log
    setups[name]!.leases.append((now.log, number))
    let leases = setups[name]!.leases
    for (place, lease) in leases.enumerated().dropLast(Int(rate.burst)) {
      let (count, time) = (Int64(leases.count - place), now.log - lease.time)
      try expect(
        time >= (count - rate.burst) * rate.interval, "\(count) leases of queue \(name) in \(time) ns")
    }
  }

  /// A lease never reached its worker.
  mutating func refund(_ job: Job) {
    guard let setup = setups[job.queue], let rate = setup.rate,
      let place = setup.leases.lastIndex(where: { $0.number == job.lease!.number }),
      setup.leases[place].time == setup.lastLease
    else { return }
    setups[job.queue]!.nextLease = max(0, setup.nextLease - rate.interval)
    setups[job.queue]!.leases.remove(at: place)
  }

  /// Whether a job goes before another: by priority and what time added to it, then by rank.
  func goesBefore(_ a: Job, _ b: Job) -> Bool {
    if a.queue == b.queue { return (place(a), a.rank) < (place(b), b.rank) }
    return (-effectivePriority(a), a.rank) < (-effectivePriority(b), b.rank)
  }

  /// Of jobs of one queue the one with the smaller place goes first: all of them rise alike.
  private func place(_ job: Job) -> Int64 {
    let priority = Int64(job.priority)
    guard let aging = setups[job.queue]?.settings[.aging] else { return -priority }
    return job.readySince - priority * aging * 1_000_000
  }

  private func effectivePriority(_ job: Job) -> Double {
    let priority = Double(job.priority)
    guard let aging = setups[job.queue]?.settings[.aging] else { return priority }
    return priority + Double(now.log - job.readySince) / Double(aging * 1_000_000)
  }

  // MARK: Looking

  func verifySetup(_ name: String, _ image: QueueImage) throws(Violation) {
    let setup = setups[name] ?? Setup()
    try expect(image.settings == setup.settings, "settings of queue \(name)")
    try expect(
      image.isPaused == setup.isPaused && image.pausedUntil == setup.pausedUntil && image.pausedAt == setup.pausedAt,
      "the pause of queue \(name)")
  }
}
