import RoostCore

/// What schedules do at their instants, and what becomes of their runs.
extension ReferenceModel {
  // MARK: Runs

  /// A job ended.
  mutating func runEnded(_ number: UInt64, _ state: JobState) {
    guard let key = schedules.first(where: { $0.value.open.contains(number) })?.key else { return }
    var schedule = schedules[key]!
    schedule.open.remove(number)
    if state == .acked { schedule.failures = 0 }
    if state == .dead {
      schedule.failures += 1
      if schedule.failures >= schedule.wish.pauseOnFailure ?? .max, !schedule.isPaused { schedule.pause() }
    }
    schedules[key] = schedule
  }

  // MARK: Instants

  /// What schedules did in this step, behind everything else that was due.
  ///
  /// - Parameter isShort: The disk may have had no room for something.
  mutating func fired(hasMore: Bool, isShort: Bool) throws(Violation) {
    let changes = scheduleChanges
    scheduleChanges = []
    for change in changes {
      switch change {
      case .fired(let key, let kind, let instant, let next, let number, let deadline, let id):
        try expect(!now.isWallSuspect, "schedule \(key.name) fired while the wall clock is doubted")
        try fire(key, kind, instant, next, number, deadline, id)
      case .missed(let key, let first, let last, let next, let count, let reason):
        try expect(!now.isWallSuspect, "schedule \(key.name) went on while the wall clock is doubted")
        try miss(key, first, last, next, count, reason)
      case .stopped(let number):
        guard var job = jobs[number],
          let schedule = schedules.values.first(where: { $0.open.contains(number) }),
          schedule.wish.overlap == .cancelOther, schedule.pending != nil
        else { throw Violation(message: "job \(number) was cancelled for a run that does not take its place") }
        let text = Array(CancelReason.nextRun.rawValue.utf8)
        if job.state == .running {
          job.isCancelRequested = true
          job.history.insert(Entry(outcome: .cancelRequested, attempt: 0, text: text), at: 0)
          jobs[number] = job
        } else {
          end(&job, .cancelled, .cancelled, text)
          jobs[number] = job
        }
      }
    }
    try excuse(isShort: isShort)
    guard !hasMore, !now.isWallSuspect, !now.isReadOnly else { return }
    for (key, schedule) in schedules where schedule.excusedUntil < now.log {
      try expect(schedule.next ?? .max > dueSecond, "schedule \(key.name) did not fire at \(schedule.next ?? 0)")
      try expect(
        schedule.pending == nil || !schedule.open.isEmpty,
        "schedule \(key.name): the run of \(schedule.pending ?? 0) waits")
    }
  }

  /// Where a job may find no room it is tried again a second later.
  private mutating func excuse(isShort: Bool) throws(Violation) {
    for (key, schedule) in schedules {
      let queue = schedule.wish.job.queue
      let mayLackRoom =
        isShort || now.conditions.diskLevel > 0 || now.conditions.isMemoryLow || setups[queue] != nil
        || totals.count >= limits.maxQueues || schedule.wish.job.unique != nil || isDraining(queue)
        || groups.keys.contains { $0.queue == queue } || quotas[key.owner] != nil
      if mayLackRoom { schedules[key]!.excusedUntil = now.log + 1_000_000_000 }
    }
  }

  private mutating func fire(
    _ key: ScheduleKey, _ kind: ScheduleRun.Kind, _ instant: Int64, _ next: Int64?, _ number: UInt64, _ deadline: Int64,
    _ id: JobID
  ) throws(Violation) {
    guard var schedule = schedules[key] else { throw Violation(message: "schedule \(key.name) fired and is not there") }
    let wish = schedule.wish
    try expect(!schedule.isPaused, "schedule \(key.name) fired while it is paused")
    if kind == .fired {
      try expect(schedule.next == instant, "schedule \(key.name) fired at \(instant), not at \(schedule.next ?? 0)")
      try expect(instant <= dueSecond, "schedule \(key.name) fired before \(instant)")
      try expect(!schedule.isBusy || wish.overlap == .allow, "schedule \(key.name) fired while a run has not ended")
      let following = wish.next(after: instant, anchor: schedule.anchor)
      if instant < dueSecond - 60 {
        let isWithin = instant >= dueSecond - (wish.window ?? (wish.catchUp == .all ? 86_400 : .max / 4))
        try expect(
          wish.catchUp == .all ? isWithin : wish.catchUp == .last && isWithin && following > dueSecond,
          "schedule \(key.name) fired at \(instant), too late")
      }
      schedule.next = schedule.allowed(following, fires: 1)
      schedule.last = instant
    } else {
      try expect(
        kind == .started && schedule.pending == instant && schedule.open.isEmpty,
        "schedule \(key.name) began a run of \(instant), which did not wait")
      schedule.pending = nil
    }
    schedule.runs += 1
    // A run that waited was promised before an edit.
    try expect(kind == .started || schedule.runs <= wish.maxRuns ?? .max, "schedule \(key.name) fired too often")
    try expect(next == schedule.next, "schedule \(key.name) goes on at \(next ?? 0), not at \(schedule.next ?? 0)")
    schedules[key] = schedule
    var job = filledIn(made(schedule, at: instant, key))
    if wish.jitterMilliseconds > 0 {
      let delay = deadline == 0 ? 0 : (deadline - now.log) / 1_000_000
      try expect(
        (job.delayMilliseconds...job.delayMilliseconds + wish.jitterMilliseconds).contains(delay),
        "a jitter of \(delay) ms")
      job.delayMilliseconds = delay
    }
    job.given.insert(.due)
    try expect(!isTaken(job, wasFreed: true), "schedule \(key.name) made a job like another")
    try expect(try hasRoom(for: job, .nothing) != nil, "schedule \(key.name) made a job for which there is no room")
    try expect(try enter(job, id).number == number, "schedule \(key.name) made another job")
    schedules[key]!.open.insert(number)
  }

  private mutating func miss(
    _ key: ScheduleKey, _ first: Int64, _ last: Int64, _ next: Int64?, _ count: UInt64, _ reason: ScheduleMiss?
  ) throws(Violation) {
    guard var schedule = schedules[key] else {
      throw Violation(message: "schedule \(key.name) missed, and is not there")
    }
    let wish = schedule.wish
    try expect(schedule.next == first && last <= dueSecond, "schedule \(key.name) missed \(first), not its next")
    try expect(
      last == first + Int64(count - 1) * wish.every, "schedule \(key.name): \(count) from \(first) to \(last)")
    let following = wish.next(after: last, anchor: schedule.anchor)
    let isLate = last < dueSecond - 60
    let isBeyond = isLate && last < dueSecond - (wish.window ?? (wish.catchUp == .all ? 86_400 : .max / 4))
    let due = (dueSecond - first) / wish.every + 1
    let isSuperseded = wish.catchUp == .last && isLate && following <= dueSecond
    let isTooMany = wish.catchUp == .all && isLate && Int64(count) == due - 1_000
    let isPassed = isBeyond || isSuperseded || isTooMany || isLate && wish.catchUp == .none
    let isRight: Bool
    switch reason {
    case nil:
      isRight =
        count == 1 && schedule.isBusy
        && (wish.overlap == .cancelOther || wish.overlap == .bufferOne && schedule.pending == nil)
    case .overlap:
      let isHeld = wish.overlap == .allow ? schedule.open.count >= 1_000 : wish.overlap != .cancelOther
      isRight = count == 1 && schedule.isBusy && isHeld
    case .late: isRight = isBeyond || isLate && wish.catchUp == .none
    case .superseded: isRight = isSuperseded
    case .tooMany: isRight = isTooMany
    // Held back by one of these, then not made up for: what held it back is the reason.
    case .queueFull, .noRoom: isRight = isPassed
    case .refused: isRight = count == 1 && setups[wish.job.queue] != nil
    case .notUnique: isRight = isPassed || count == 1 && isTaken(wish.job)
    case .paused: isRight = false
    }
    let why = reason.map { "\($0)" } ?? "waits"
    try expect(
      isRight,
      "schedule \(key.name) missed \(count) from \(first) on, \(why): \(wish.overlap), \(wish.catchUp), runs "
        + "\(schedule.open.count), due \(due)")
    if let reason {
      schedule.miss(reason, count)
    } else {
      if schedule.pending != nil { schedule.miss(.superseded) }
      schedule.pending = first
    }
    schedule.last = last
    // One that waits is counted already.
    schedule.next = schedule.allowed(following)
    try expect(next == schedule.next, "schedule \(key.name) goes on at \(next ?? 0), not at \(schedule.next ?? 0)")
    schedules[key] = schedule
  }
}
