import RoostCore

/// Groups of jobs: what was said of them, and what they hold back.
extension ReferenceModel {
  /// Names as bytes: two may be equal to Unicode.
  struct GroupKey: Hashable {
    var queue: String
    var owner: [UInt8]
    /// Empty: the owner's jobs that say no group.
    var name: String
  }

  struct Group {
    var settings = QueueSettings()
    var isPaused = false
    /// Wall milliseconds; 0: until somebody says so.
    var pausedUntil: Int64 = 0
    var pausedAt: Int64 = 0
    var reason: [UInt8] = []
    /// Log time.
    var heldUntil: Int64 = 0
    /// As in `Setup`.
    var nextLease: Int64 = 0
    var lastLease: Int64 = 0
    var leases: [(time: Int64, number: UInt64)] = []

    /// Whether it keeps its queue.
    var isTold: Bool { !settings.isEmpty || isPaused }
  }

  /// A group as it was shown.
  struct SeenGroup {
    var image: GroupImage
    var name: String
    var owner: [UInt8]
    var reason: String
  }

  func group(of job: Submission) -> GroupKey {
    GroupKey(queue: job.queue, owner: owner(of: job, in: job.queue), name: job.group)
  }

  func group(of job: Job) -> GroupKey {
    GroupKey(queue: job.queue, owner: owner(of: job.wanted, in: job.queue), name: job.wanted.group)
  }

  /// Whose a job's group is: nobody's where the queue says so.
  private func owner(of job: Submission, in queue: String) -> [UInt8] { isShared(queue) ? [] : Array(job.owner.utf8) }

  func isShared(_ queue: String) -> Bool { setups[queue]?.settings[.groupScope] != nil }

  /// The group that a request names.
  private func meant(_ key: GroupKey) -> GroupKey {
    var key = key
    if isShared(key.queue) { key.owner = [] }
    return key
  }

  /// Whether a filter for a group takes a job.
  func isOf(_ filter: String?, _ job: Job) -> Bool {
    filter.map { ($0 == "_" ? "" : $0) == job.wanted.group } ?? true
  }

  func jobs(of key: GroupKey) -> [Job] { jobs.values.filter { group(of: $0) == key } }

  // MARK: Changes

  mutating func configure(
    _ key: GroupKey, _ change: QueueSettingsChange, _ answer: Answer, _ seen: [SeenGroup]
  ) throws(Violation) {
    let key = meant(key)
    var group = groups[key] ?? Group()
    let old = group.settings
    for setting in change.cleared { group.settings[setting] = nil }
    for setting in QueueSetting.allCases { if let value = change.settings[setting] { group.settings[setting] = value } }
    guard group.settings != old else { return try look(at: key, seen) }
    if now.conditions.isMemoryLow, groups[key]?.isTold != true {
      return try refused(.memoryLow, answer, "a group's setting")
    }
    guard try mayChange(key.queue, answer) else { return }
    if QueueSetting.ofRate.map({ old[$0] }) != QueueSetting.ofRate.map({ group.settings[$0] }) {
      fit(&group, to: rate(of: key, group.settings))
    }
    try set(group, key, seen)
  }

  mutating func pause(
    _ key: GroupKey, _ reason: [UInt8], _ until: Int64, _ answer: Answer, _ seen: [SeenGroup]
  ) throws(Violation) {
    let key = meant(key)
    var group = groups[key] ?? Group()
    if now.conditions.isMemoryLow, !group.isTold { return try refused(.memoryLow, answer, "a group's pause") }
    guard try mayChange(key.queue, answer) else { return }
    (group.isPaused, group.pausedUntil, group.pausedAt, group.reason) = (true, until, now.wall, reason)
    try set(group, key, seen)
  }

  mutating func resume(_ key: GroupKey, _ answer: Answer, _ seen: [SeenGroup]) throws(Violation) {
    let key = meant(key)
    guard var group = groups[key], group.isPaused || group.heldUntil > now.log else { return try look(at: key, seen) }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "resume") }
    (group.isPaused, group.pausedUntil, group.pausedAt, group.reason) = (false, 0, 0, [])
    group.heldUntil = 0
    try set(group, key, seen)
  }

  private mutating func set(_ group: Group, _ key: GroupKey, _ seen: [SeenGroup]) throws(Violation) {
    totals[key.queue] = totals[key.queue] ?? QueueTotals()
    let wasTold = isTold(key.queue)
    groups[key] = group
    if wasTold != isTold(key.queue) { idleSince[key.queue] = nil }
    forgetTurns(of: key.queue)
    try look(at: key, seen)
  }

  /// The rate that a queue sets for each of its groups is another.
  mutating func fitGroups(of queue: String) {
    for key in groups.keys where key.queue == queue && groups[key]!.settings[.rateLimit] == nil {
      var group = groups[key]!
      fit(&group, to: rate(of: key, group.settings))
      groups[key] = group
    }
  }

  private func fit(_ group: inout Group, to rate: Setup.Rate?) {
    group.leases = []
    group.nextLease = rate.map { min(group.nextLease, now.log + $0.burst * $0.interval) } ?? 0
  }

  func isTold(_ queue: String) -> Bool {
    setups[queue] != nil || groups.contains { $0.key.queue == queue && $0.value.isTold }
  }

  mutating func forgetGroups(of queue: String) {
    groups = groups.filter { $0.key.queue != queue }
    forgetTurns(of: queue)
  }

  /// A worker asked that the group waits; there must be room for that.
  mutating func hold(_ key: GroupKey, milliseconds: Int64) {
    guard milliseconds > 0, now.conditions.diskLevel == 0 else { return }
    let until = now.log + milliseconds * 1_000_000
    groups[key, default: Group()].heldUntil = max(groups[key]?.heldUntil ?? 0, until)
    forgetTurns(of: key.queue)
  }

  /// Pauses that ended by themselves.
  mutating func endGroupPauses(hasMore: Bool) throws(Violation) {
    while let key = resumedGroups.popFirst() {
      // A copy of one that is not paused says so, too.
      guard var group = groups[key], group.isPaused else { continue }
      try expect(group.pausedUntil > 0 && group.pausedUntil <= clocks.due, "the pause of group \(key) ended early")
      let wasTold = isTold(key.queue)
      (group.isPaused, group.pausedUntil, group.pausedAt, group.reason) = (false, 0, 0, [])
      groups[key] = group
      if wasTold != isTold(key.queue) { idleSince[key.queue] = nil }
      forgetTurns(of: key.queue)
    }
    guard !hasMore else { return }
    for (key, group) in groups where group.isPaused && group.pausedUntil > 0 {
      try expect(group.pausedUntil > clocks.due, "group \(key) is paused still")
    }
  }

  // MARK: Leases

  private func rate(of key: GroupKey, _ own: QueueSettings) -> Setup.Rate? {
    if let rate = Setup.Rate(own, .rateLimit, .ratePeriod, .rateBurst) { return rate }
    guard let settings = setups[key.queue]?.settings else { return nil }
    return Setup.Rate(settings, .groupRateLimit, .groupRatePeriod, .groupRateBurst)
  }

  /// Whether time alone may let the job's group or queue go on.
  func isTimed(_ job: Job) -> Bool {
    let key = group(of: job)
    return setups[job.queue]?.rate != nil || groups[key] != nil
      || rate(of: key, groups[key]?.settings ?? QueueSettings()) != nil
  }

  /// Why a group gives nothing now.
  ///
  /// - Parameters:
  ///   - origin: Of the jobs that say the same target; those of each have an order of their own.
  ///   - isWithoutTooOld: Once those of its jobs that are too old have left.
  ///   - isGoingOn: To a lease that has taken one already, where one takes several in their order.
  func hold(
    _ key: GroupKey, origin: String = "", isWithoutTooOld: Bool = false, isGoingOn: Bool = false
  ) -> GroupHold? {
    let group = groups[key] ?? Group()
    if group.isPaused { return .paused }
    if group.heldUntil > now.log { return .held }
    let own = group.settings[.concurrency] ?? setups[key.queue]?.settings[.groupConcurrency]
    let sequence = sequence(of: key.queue)
    let most = sequence == .strict ? 1 : own
    let running = jobs(of: key).filter { $0.state == .running }
    if let most, running.count >= most { return .concurrency }
    let mine = jobs(of: key).filter { $0.wanted.origin == origin }
    let first = mine.filter { $0.state.isInOrder && !(isWithoutTooOld && isTooOld($0)) }.min { $0.number < $1.number }
    let ahead = running.filter { $0.wanted.origin == origin }.map(\.number).min()
    if sequence == .perLease, !isGoingOn, let ahead, first?.number ?? .max > ahead {
      return .concurrency
    }
    if let rate = rate(of: key, group.settings), group.nextLease - (rate.burst - 1) * rate.interval > now.log {
      return .rate
    }
    guard sequence != nil else { return nil }
    return first.map { $0.state == .ready } ?? true ? nil : .order
  }

  /// A job of a group was leased; whatever the window, there are never more leases than allowed.
  mutating func leased(from key: GroupKey, _ number: UInt64) throws(Violation) {
    var group = groups[key] ?? Group()
    guard let rate = rate(of: key, group.settings) else { return }
    group.nextLease = max(group.nextLease, now.log) + rate.interval
    group.lastLease = now.log
    group.leases.append((now.log, number))
    for (place, lease) in group.leases.enumerated().dropLast(Int(rate.burst)) {
      let (count, time) = (Int64(group.leases.count - place), now.log - lease.time)
      try expect(time >= (count - rate.burst) * rate.interval, "\(count) leases of group \(key) in \(time) ns")
    }
    groups[key] = group
  }

  /// A lease never reached its worker.
  mutating func refundGroup(_ job: Job) {
    let key = group(of: job)
    guard var group = groups[key], let rate = rate(of: key, group.settings),
      let place = group.leases.lastIndex(where: { $0.number == job.lease!.number }),
      group.leases[place].time == group.lastLease
    else { return }
    group.nextLease = max(0, group.nextLease - rate.interval)
    group.leases.remove(at: place)
    groups[key] = group
    forgetTurns(of: key.queue)
  }

  // MARK: Looking

  private func look(at key: GroupKey, _ seen: [SeenGroup]) throws(Violation) {
    if jobs(of: key).isEmpty, groups[key]?.isTold != true {
      return try expect(seen.count <= 1, "group \(key) is shown twice")
    }
    guard let only = seen.first, seen.count == 1 else { throw Violation(message: "group \(key) is not shown") }
    try verify(key, only)
  }

  func look(atGroupsOf queue: String, _ viewer: Viewer, _ seen: [SeenGroup]) throws(Violation) {
    var shown: Set<GroupKey> = []
    for group in seen {
      let key = GroupKey(queue: queue, owner: group.owner, name: group.name)
      try expect(shown.insert(key).inserted, "group \(key) is shown twice")
      let owner = String(decoding: group.owner, as: UTF8.self)
      try expect(viewer.sees(queue: queue, owner: owner), "group \(key) is shown to \(viewer)")
      try verify(key, group)
    }
    let known = Set(jobs.values.map { self.group(of: $0) }).union(groups.filter { $0.value.isTold }.keys)
    for key in known where key.queue == queue && !shown.contains(key) {
      let owner = String(decoding: key.owner, as: UTF8.self)
      try expect(!viewer.sees(queue: queue, owner: owner), "group \(key) is not shown")
    }
  }

  private func verify(_ key: GroupKey, _ seen: SeenGroup) throws(Violation) {
    let (mine, group) = (jobs(of: key), groups[key] ?? Group())
    let image = seen.image
    try expect(
      Int(image.waiting) == mine.count { $0.state.isWaiting } && Int(image.ready) == mine.count { $0.state == .ready }
        && Int(image.running) == mine.count { $0.state == .running } && Int(image.jobs) == mine.count,
      "counts of group \(key)")
    try expect(image.settings == group.settings, "settings of group \(key)")
    try expect(
      image.isPaused == group.isPaused && image.pausedUntil == group.pausedUntil && image.pausedAt == group.pausedAt
        && (!group.isPaused || seen.reason == String(decoding: group.reason, as: UTF8.self)),
      "the pause of group \(key)")
    // A wait that is over ends with the next look.
    let hold = hold(key)
    try expect(image.hold == hold, "group \(key) is held by \(image.hold as Any), not \(hold as Any)")
  }
}
