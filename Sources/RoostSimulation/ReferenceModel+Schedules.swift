import RoostCore

/// Schedules: each instant fires once or is missed for a reason, and what follows it is counted here anew.
extension ReferenceModel {
  /// Names as bytes: two may be equal to Unicode.
  struct ScheduleKey: Hashable {
    var owner: [UInt8]
    var name: String
  }

  /// What somebody says of one: instants at equal distances, in seconds.
  struct ScheduleWish {
    var every: Int64
    var from: Int64?
    var overlap: ScheduleOverlap
    var catchUp: ScheduleCatchUp
    /// Seconds.
    var window: Int64?
    var jitterMilliseconds: Int64
    var until: Int64?
    var maxRuns: UInt64?
    var pauseOnFailure: UInt32?
    var job: Submission

    /// The first instant behind one.
    func next(after instant: Int64, anchor: Int64) -> Int64 {
      let first = from ?? anchor
      guard instant >= first else { return first }
      return first + ((instant - first) / every + 1) * every
    }

    func isSame(as other: ScheduleWish) -> Bool {
      var (mine, theirs) = (self, other)
      mine.job = theirs.job
      theirs.job = mine.job
      return "\(mine)" == "\(theirs)" && job.payload == other.job.payload && job.queue == other.job.queue
        && job.type == other.job.type && job.group == other.job.group && job.tags == other.job.tags
        && job.metadata == other.job.metadata && job.traceparent == other.job.traceparent
        && job.maxRetries == other.job.maxRetries && job.priority == other.job.priority
        && job.delayMilliseconds == other.job.delayMilliseconds && job.policy == other.job.policy
        && job.given == other.job.given
    }
  }

  struct Schedule {
    var wish: ScheduleWish
    var anchor: Int64
    var next: Int64?
    var last: Int64?
    var pending: Int64?
    var runs: UInt64 = 0
    var failures: UInt32 = 0
    var misses = [UInt64](repeating: 0, count: ScheduleMiss.allCases.count)
    var isPaused = false
    /// Jobs of it that have not ended.
    var open: Set<UInt64> = []
    /// Until when an instant that found no room may wait (log time).
    var excusedUntil: Int64 = 0

    var isBusy: Bool { !open.isEmpty || pending != nil }

    func allowed(_ next: Int64?, fires: UInt64 = 0) -> Int64? {
      guard let next, next <= wish.until ?? .max, next <= 253_402_300_799 else { return nil }
      return runs + (pending == nil ? 0 : 1) + fires >= wish.maxRuns ?? .max ? nil : next
    }

    mutating func miss(_ reason: ScheduleMiss, _ count: UInt64 = 1) { misses[Int(reason.rawValue) - 1] += count }

    mutating func pause() {
      if pending != nil { miss(.paused) }
      (isPaused, next, pending) = (true, nil, nil)
    }
  }

  /// What a step's records say of schedules.
  enum ScheduleChange {
    case fired(ScheduleKey, ScheduleRun.Kind, instant: Int64, next: Int64?, number: UInt64, deadline: Int64, id: JobID)
    /// No reason: it waits.
    case missed(ScheduleKey, first: Int64, last: Int64, next: Int64?, count: UInt64, ScheduleMiss?)
    /// A run that another takes the place of.
    case stopped(UInt64)
  }

  /// A schedule as it was shown.
  struct SeenSchedule {
    var image: ScheduleImage
    var key: ScheduleKey
  }

  private var dueSecond: Int64 { clocks.due >= 0 ? clocks.due / 1_000 : (clocks.due - 999) / 1_000 }

  // MARK: Requests

  mutating func set(
    _ key: ScheduleKey, _ wish: ScheduleWish, _ answer: Answer, _ seen: [SeenSchedule]
  ) throws(Violation) {
    let known = schedules[key]
    if let known, known.wish.isSame(as: wish) { return try look(at: key, answer, seen) }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "a schedule") }
    if now.conditions.isMemoryLow { return try refused(.memoryLow, answer, "a schedule") }
    if known == nil, schedules.count >= limits.maxSchedules {
      return try refused(.tooManySchedules, answer, "a schedule")
    }
    var schedule = known ?? Schedule(wish: wish, anchor: dueSecond)
    let hasSameTimes = schedule.wish.every == wish.every && schedule.wish.from == wish.from
    schedule.wish = wish
    if schedule.pending != nil, schedule.runs >= wish.maxRuns ?? .max {
      schedule.miss(.superseded)
      schedule.pending = nil
    }
    if !schedule.isPaused {
      let next =
        known != nil && hasSameTimes && schedule.next != nil
        ? schedule.next! : wish.next(after: origin(of: known), anchor: schedule.anchor)
      schedule.next = schedule.allowed(next)
    }
    schedules[key] = schedule
    try look(at: key, answer, seen)
  }

  /// Behind this one the instants of a schedule go on: none comes again, and what is due is not lost.
  private func origin(of schedule: Schedule?) -> Int64 {
    let due = schedule?.next.map { min(dueSecond, $0 - 1) } ?? dueSecond
    return max(due, schedule?.last ?? .min)
  }

  mutating func pause(_ key: ScheduleKey, _ answer: Answer, _ seen: [SeenSchedule]) throws(Violation) {
    guard schedules[key] != nil else { return try refused(.scheduleNotFound, answer, "a pause") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "a pause") }
    if !schedules[key]!.isPaused { schedules[key]!.pause() }
    try look(at: key, answer, seen)
  }

  mutating func resume(_ key: ScheduleKey, _ answer: Answer, _ seen: [SeenSchedule]) throws(Violation) {
    guard var schedule = schedules[key] else { return try refused(.scheduleNotFound, answer, "the end of a pause") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "the end of a pause") }
    if schedule.isPaused {
      (schedule.isPaused, schedule.failures) = (false, 0)
      schedule.next = schedule.allowed(schedule.wish.next(after: origin(of: schedule), anchor: schedule.anchor))
      schedules[key] = schedule
    }
    try look(at: key, answer, seen)
  }

  mutating func remove(_ key: ScheduleKey, _ answer: Answer, _ seen: [SeenSchedule]) throws(Violation) {
    guard schedules[key] != nil else { return try refused(.scheduleNotFound, answer, "a removal") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "a removal") }
    try look(at: key, answer, seen)
    schedules[key] = nil
  }

  mutating func trigger(_ key: ScheduleKey, _ answer: Answer) throws(Violation) {
    guard let schedule = schedules[key] else { return try refused(.scheduleNotFound, answer, "a trigger") }
    guard case .submitted(let accepted) = answer else { return try submit(schedule.wish.job, answer) }
    try submit(made(schedule, at: dueSecond, key), answer)
    schedules[key]!.open.insert(accepted.id.number.rawValue)
  }

  /// The job of an instant.
  private func made(_ schedule: Schedule, at instant: Int64, _ key: ScheduleKey) -> Submission {
    var job = schedule.wish.job
    job.schedule = withUnsafeBytes(of: instant.littleEndian) { Array($0) } + Array(key.name.utf8)
    return job
  }

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
        || totals.count >= limits.maxQueues || isDraining(queue) || groups.keys.contains { $0.queue == queue }
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
    try expect(try hasRoom(for: job, .nothing), "schedule \(key.name) made a job for which there is no room")
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
    case .queueFull, .noRoom:
      isRight = isBeyond || isSuperseded || isTooMany || isLate && wish.catchUp == .none
    case .refused: isRight = count == 1 && setups[wish.job.queue] != nil
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

  // MARK: Looking

  func look(at key: ScheduleKey, _ answer: Answer, _ seen: [SeenSchedule]) throws(Violation) {
    guard schedules[key] != nil else { return try refused(.scheduleNotFound, answer, "a look at a schedule") }
    guard let only = seen.first, seen.count == 1, only.key == key else {
      throw Violation(message: "schedule \(key.name) is not shown")
    }
    try verify(only)
  }

  /// All of them, by owner and name.
  func lookAtSchedules(_ seen: [SeenSchedule]) throws(Violation) {
    let known = schedules.keys.sorted {
      $0.owner == $1.owner ? $0.name < $1.name : $0.owner.lexicographicallyPrecedes($1.owner)
    }
    try expect(seen.map(\.key) == known, "schedules \(seen.map(\.key.name)), should be \(known.map(\.name))")
    for one in seen { try verify(one) }
  }

  private func verify(_ seen: SeenSchedule) throws(Violation) {
    let (mine, image) = (schedules[seen.key]!, seen.image)
    try expect(
      image.next == mine.next && image.last == mine.last && image.pending == mine.pending,
      "schedule \(seen.key.name) is at \(String(describing: image.next)) \(String(describing: image.pending)), should be at "
        + "\(String(describing: mine.next)) \(String(describing: mine.pending))")
    try expect(
      image.runs == mine.runs && image.failures == mine.failures && image.isPaused == mine.isPaused
        && Int(image.openRuns) == mine.open.count, "runs of schedule \(seen.key.name)")
    for (place, count) in mine.misses.enumerated() {
      try expect(image.misses[place] == count, "misses of schedule \(seen.key.name)")
    }
  }
}
