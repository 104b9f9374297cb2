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
        && job.given == other.job.given && job.expiry == other.job.expiry && job.unique == other.job.unique
        && job.origin == other.job.origin
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

  var dueSecond: Int64 { clocks.due >= 0 ? clocks.due / 1_000 : (clocks.due - 999) / 1_000 }

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
  func origin(of schedule: Schedule?) -> Int64 {
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
    if case .refused(.notUnique) = answer { return try expect(isTaken(schedule.wish.job), "a trigger is not unique") }
    guard case .submitted(let accepted) = answer else {
      // Whether another is like it is asked behind all that.
      let isTaken = try hasRoom(for: schedule.wish.job, answer) != nil
      return try expect(!isTaken, "a trigger is answered \(answer)")
    }
    try submit(made(schedule, at: dueSecond, key), answer)
    schedules[key]!.open.insert(accepted.id.number.rawValue)
  }

  /// The job of an instant.
  func made(_ schedule: Schedule, at instant: Int64, _ key: ScheduleKey) -> Submission {
    var job = schedule.wish.job
    job.schedule = withUnsafeBytes(of: instant.littleEndian) { Array($0) } + Array(key.name.utf8)
    return job
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
