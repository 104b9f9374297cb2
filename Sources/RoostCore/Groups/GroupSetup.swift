/// What was said of a group beyond its jobs, and how far its leases have come. Most groups have none.
struct GroupSetup: BitwiseCopyable {
  var group: Slot
  /// Where it stands in `StateMachine.toldGroups`.
  var place: Int
  /// Its own settings, in `StateMachine.groupSettings`; the others are its queue's to say.
  var settings: Slot = .none
  var rate = RateState()
  /// The latest theoretical time that the log may tell: a lease that was given back lies behind it in the log, and is skipped
  /// there once its job is gone with a trimmed segment. Until then a trim says how far the leases are.
  var rateTold: Int64 = 0
  /// Log time until which a worker asked it to wait.
  var heldUntil: Int64 = 0
  /// Wall time, milliseconds; 0 while it is not paused.
  var pausedAt: Int64 = 0
  /// Wall time, milliseconds; 0: until somebody says so.
  var pausedUntil: Int64 = 0
  /// In `StateMachine.reasons`, while it is paused.
  var reason: UInt32 = .none
  var isPaused = false
  /// Whether it keeps its queue from going for want of jobs.
  var isTold: Bool { settings != .none || isPaused }
  /// The earliest log time at which it stands in `StateMachine.groupHeap`; the last one there is: nowhere.
  var awaited = Int64.max
}

/// Why a group gives none of its READY jobs at the moment.
package enum GroupHold: String, Sendable, BitwiseCopyable {
  case paused
  case concurrency
  case rate
  /// A worker asked for it.
  case held
  /// The job that is next in its order is not READY.
  case order
}

extension StateMachine {
  func setup(ofGroup group: Slot) -> UnsafeMutablePointer<GroupSetup>? {
    let cell = groups[whole(of: group)].pointee.setup
    return cell == .none ? nil : groupSetups.pointer(cell)
  }

  /// The group's cell, made if need be.
  mutating func openSetup(ofGroup group: Slot) -> UnsafeMutablePointer<GroupSetup> {
    if let setup = setup(ofGroup: group) { return setup }
    let group = whole(of: group)
    let cell = groupSetups.allocate(GroupSetup(group: group, place: toldGroups.count))
    groups[group].pointee.setup = cell
    toldGroups.append(cell)
    return groupSetups.pointer(cell)
  }

  /// A cell of which a timer knows; nil where it is free.
  func groupSetup(_ cell: Slot) -> GroupSetup? {
    guard groupSetups.hasMemory(cell) else { return nil }
    let setup = groupSetups.pointer(cell).pointee
    return toldGroups.indices.contains(setup.place) && toldGroups[setup.place] == cell ? setup : nil
  }

  /// Frees the cell where it says nothing any more, and the group where it has no jobs besides.
  mutating func closeSetup(ofGroup group: Slot) {
    let group = whole(of: group)
    guard let setup = setup(ofGroup: group), !saysSomething(setup.pointee) else { return }
    freeSetup(ofGroup: group)
    closeGroup(group)
  }

  /// Whether the cell says what may decide something from now on.
  func saysSomething(_ setup: GroupSetup) -> Bool {
    setup.settings != .none || setup.isPaused || setup.heldUntil > now.log || setup.rate.theoretical > now.log
      || setup.rateTold > now.log
  }

  mutating func freeSetup(ofGroup group: Slot) {
    let cell = groups[group].pointee.setup
    guard cell != .none else { return }
    let setup = groupSetups.pointer(cell).pointee
    if setup.settings != .none { groupSettings.free(setup.settings) }
    if setup.isPaused { reasons.release(setup.reason) }
    let last = toldGroups.removeLast()
    if last != cell {
      toldGroups[setup.place] = last
      groupSetups.pointer(last).pointee.place = setup.place
    }
    groupSetups.free(cell)
    groups[group].pointee.setup = .none
  }

  /// A group got settings or a pause, or lost the last of them. While a queue has such groups it stays.
  mutating func noteTold(_ group: Slot, was: Bool, is: Bool) {
    guard was != `is` else { return }
    let queue = groups[group].pointee.queue
    let wasTold = isTold(queue)
    queues[Int(queue)].toldGroups = `is` ? queues[Int(queue)].toldGroups + 1 : queues[Int(queue)].toldGroups - 1
    guard queues[Int(queue)].jobs == 0, wasTold != isTold(queue) else { return }
    if wasTold { queues[Int(queue)].idleSince = now.log }
    guard isLive else { return }
    if wasTold { joinIdle(queue) } else { leaveIdle(queue) }
  }

  // MARK: What counts

  /// The settings that were made for this group alone.
  func ownSettings(ofGroup group: Slot) -> QueueSettings? {
    guard let setup = setup(ofGroup: group), setup.pointee.settings != .none else { return nil }
    return groupSettings.pointer(setup.pointee.settings).pointee
  }

  private func limit(_ own: QueueSetting, _ ofEach: QueueSetting, _ group: Slot) -> Int64? {
    if let value = ownSettings(ofGroup: group)?[own] { return value }
    return setup(groups[group].pointee.queue)?.pointee.settings[ofEach]
  }

  func concurrency(ofGroup group: Slot) -> Int64? { limit(.concurrency, .groupConcurrency, group) }
  func maxLength(ofGroup group: Slot) -> Int64? { limit(.maxLength, .groupMaxLength, group) }

  func rate(ofGroup group: Slot) -> LeaseRate? {
    if let own = ownSettings(ofGroup: group), let rate = LeaseRate(own) { return rate }
    guard let settings = setup(groups[group].pointee.queue)?.pointee.settings else { return nil }
    return LeaseRate(ofEachGroup: settings)
  }

  /// 1…1,000.
  func weight(ofGroup group: Slot) -> Int64 { ownSettings(ofGroup: group)?[.weight] ?? 1 }

  /// Why the group gives no job now; nil where it may.
  ///
  /// - Parameter isGoingOn: To a lease that has taken one already, where one takes several in their order.
  func hold(ofGroup group: Slot, isGoingOn: Bool = false) -> GroupHold? {
    let queue = groups[group].pointee.queue
    let setup = setup(ofGroup: group)?.pointee
    guard setup != nil || self.setup(queue)?.pointee.settings.limitsGroups == true else { return nil }
    if let setup {
      if setup.isPaused, !defects.contains(.groupPauseIgnored) { return .paused }
      if setup.heldUntil > now.log, !defects.contains(.groupHoldIgnored) { return .held }
    }
    let sequence = sequence(of: queue)
    let most = sequence == .strict ? 1 : concurrency(ofGroup: group)
    if let most, groups[whole(of: group)].pointee.running >= most, !defects.contains(.groupLimitIgnored) {
      return .concurrency
    }
    if sequence == .perLease, !isGoingOn, isLive, isBehindRunning(group), !defects.contains(.perLeaseIgnored) {
      return .concurrency
    }
    if let setup, let rate = rate(ofGroup: group), rate.next(after: setup.rate.theoretical) > now.log { return .rate }
    return sequence != nil && isOutOfOrder(group) ? .order : nil
  }

  /// Whether the job that is next in the order of a group is not READY.
  func isOutOfOrder(_ group: Slot) -> Bool {
    guard isLive, !defects.contains(.orderIgnored) else { return false }
    let first = firstWaiting(ofGroup: group)
    return first != .none && jobs.hot(first).pointee.state != JobState.ready.rawValue
  }

  /// Whether something decides, besides its jobs, whether the group may give one.
  @inline(__always)
  func isGroupTold(_ group: Slot) -> Bool {
    groups[whole(of: group)].pointee.setup != .none || queues[Int(groups[group].pointee.queue)].setup != .none
  }

  // MARK: Leases

  /// A lease was granted, or the log says so.
  mutating func spendGroup(_ group: Slot, _ lease: LeaseID) {
    guard let rate = rate(ofGroup: group) else { return }
    let setup = openSetup(ofGroup: group)
    setup.pointee.rate.spend(lease, by: rate, at: now.log)
    setup.pointee.rateTold = max(setup.pointee.rateTold, setup.pointee.rate.theoretical)
    if isLive { awaitGroup(group) }
  }

  /// A lease never reached its worker.
  mutating func refundGroup(_ group: Slot, _ lease: LeaseID) {
    guard let setup = setup(ofGroup: group), let rate = rate(ofGroup: group),
      setup.pointee.rate.refund(lease, by: rate), isLive
    else { return }
    placeTurn(whole(of: group))
    awaitGroup(group)
  }

  /// The queue's rate for each group is another: how far their leases have come counts as far as it fits.
  mutating func fitRates(ofGroupsOf queue: UInt32) {
    for group in groups(of: queue) {
      guard let setup = setup(ofGroup: group), ownSettings(ofGroup: group)?[.rateLimit] == nil else { continue }
      setup.pointee.rate = fitted(setup.pointee.rate, to: rate(ofGroup: group))
    }
  }

  /// How far leases have come, under another rate.
  func fitted(_ state: RateState, to rate: LeaseRate?) -> RateState {
    guard let rate else { return RateState() }
    // Of another rate nothing can be given back.
    return RateState(theoretical: min(state.theoretical, rate.latest(at: now.log)))
  }

  // MARK: Waits

  /// The group is looked at again when it may go on, or when its cell says nothing any more.
  mutating func awaitGroup(_ group: Slot) {
    guard let setup = setup(ofGroup: group) else { return }
    var next = Int64.max
    if setup.pointee.heldUntil > now.log { next = setup.pointee.heldUntil }
    if setup.pointee.rateTold > now.log { next = min(next, setup.pointee.rateTold) }
    if setup.pointee.rate.theoretical > now.log {
      let full = setup.pointee.rate.theoretical
      let allowed = rate(ofGroup: group)?.next(after: full) ?? full
      next = min(next, allowed > now.log ? allowed : full)
    }
    guard next < setup.pointee.awaited else { return }
    setup.pointee.awaited = next
    groupHeap.insert(groups[whole(of: group)].pointee.setup, deadline: next)
    // What went, or waits no longer, leaves entries behind.
    if groupHeap.count > 2 * toldGroups.count + 64 { listGroupWaits() }
  }

  private mutating func listGroupWaits() {
    groupHeap = ExpiryHeap()
    for cell in toldGroups { groupSetups.pointer(cell).pointee.awaited = .max }
    for cell in toldGroups { awaitGroup(groupSetups.pointer(cell).pointee.group) }
  }

  /// Groups that may go on, and cells that say nothing any more.
  mutating func endGroupWaits() {
    while let first = groupHeap.minimum, first.deadline <= now.log {
      _ = groupHeap.popMinimum()
      // The cell may be another group's by now, or free.
      guard let group = groupSetup(first.slot)?.group else { continue }
      if first.deadline >= groupSetups.pointer(first.slot).pointee.awaited {
        groupSetups.pointer(first.slot).pointee.awaited = .max
      }
      placeTurn(group)
      awaitGroup(group)
      closeSetup(ofGroup: group)
    }
  }
}
