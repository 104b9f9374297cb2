/// Whose turn it is: of a queue's groups that have READY jobs and may give one, the first in the order of the queue.
///
/// Without `fair` the groups stand by their first jobs, so that the queue gives its jobs by priority, then age, as if it
/// had no groups. With it they take turns in virtual time (Parekh and Gallager, "A generalized processor sharing
/// approach to flow control", 1993; start-time fair queueing, Goyal et al., 1996): a turn costs a group 1 / weight, and the
/// one whose time is the earliest goes first. Who comes, or comes back, joins one turn behind the present. None of this is
/// logged: a start begins a new round.
extension StateMachine {
  /// In what order the groups of a queue go.
  enum QueueOrder: Equatable {
    /// By the priority of their first jobs, then by those's age.
    case jobs
    /// The same, where what waits rises by one priority for so many nanoseconds.
    case aging(Int64)
    case turns
    /// Turns among those whose first jobs have the highest priority.
    case turnsOfPriority
  }

  /// Where turns are taken within priorities, each has a clock.
  struct TurnClass: Hashable {
    var queue: UInt32
    var priority: Int8
  }

  private static var turnCost: Int64 { 1_000_000 }

  func order(of queue: UInt32) -> QueueOrder {
    guard let settings = setup(queue)?.pointee.settings else { return .jobs }
    if settings[.groupFair] == 1, !defects.contains(.turnsIgnored) {
      return settings[.groupPriority] == GroupPriority.first.rawValue ? .turnsOfPriority : .turns
    }
    if let aging = settings[.aging], !defects.contains(.agingIgnored) { return .aging(aging.nanoseconds) }
    return .jobs
  }

  // MARK: First jobs

  /// The job that a queue would grant next, `.none` when it has none, or may give none now.
  func firstReady(_ queue: UInt32) -> Slot {
    let group = queues[Int(queue)].turns
    guard group != .none else { return .none }
    if queues[Int(queue)].setup == .none, !queues[Int(queue)].isDraining { return firstReady(ofGroup: group) }
    guard hold(queue) == nil else { return .none }
    let first = firstReady(ofGroup: group)
    return isTooOld(first) ? .none : first
  }

  /// The job of the group whose turn it is; a queue with READY jobs that may be given has one.
  func next(of queue: UInt32) -> Slot { firstReady(ofGroup: queues[Int(queue)].turns) }

  /// The job that a group with READY jobs would give next.
  func firstReady(ofGroup group: Slot) -> Slot {
    let queue = groups[group].pointee.queue
    if queues[Int(queue)].setup != .none, isOrdered(queue), !defects.contains(.orderIgnored) {
      return firstWaiting(ofGroup: group)
    }
    let first = levels.pointer(groups[group].pointee.levels)
    var best = self.first(of: first.pointee)
    guard first.pointee.next != .none, let aging = aging(of: queue) else { return best }
    var at = first.pointee.next
    while at != .none {
      let level = levels.pointer(at)
      let head = self.first(of: level.pointee)
      if jobKey(head, .aging(aging)) < jobKey(best, .aging(aging)) { best = head }
      at = level.pointee.next
    }
    return best
  }

  /// Nanoseconds in which what waits rises by one priority.
  private func aging(of queue: UInt32) -> Int64? {
    guard !defects.contains(.agingIgnored) else { return nil }
    return setup(queue)?.pointee.settings[.aging]?.nanoseconds
  }

  /// Where a job stands among the READY ones of its queue: what rises with time rises alike, so that no place changes.
  private func jobKey(_ slot: Slot, _ order: QueueOrder) -> TurnKey {
    let row = jobs.hot(slot)
    let priority = Int64(row.pointee.priority)
    guard case .aging(let aging) = order else { return TurnKey(major: -priority, minor: row.pointee.order) }
    return TurnKey(major: row.pointee.deadline - priority * aging, minor: row.pointee.order)
  }

  // MARK: Places

  /// Puts a group where it belongs: its first job, or whether it may give one, may have changed.
  @inline(__always)
  mutating func placeTurn(_ group: Slot) {
    let row = groups[group]
    // Most queues have one group and no settings: alone it is the first, whatever its key says.
    let isAlone = row.pointee.turn.isIn && row.pointee.turn.left == .none && row.pointee.turn.parent == .none
    if isAlone, row.pointee.levels != .none, !isGroupTold(group) { return }
    placeAmongOthers(group)
  }

  @inline(never)
  private mutating func placeAmongOthers(_ group: Slot) {
    let row = groups[group]
    let queue = row.pointee.queue
    if row.pointee.parked.first != .none { unpark(fromWhole: group) }
    if isDelivered(group), !defects.contains(.deliveryLeased) { return placeLine(group) }
    if row.pointee.line.place != .none { leaveLine(group) }
    guard row.pointee.levels != .none else {
      row.pointee.isOwedTurn = false
      return leaveTurns(group)
    }
    guard hold(ofGroup: group) == nil else {
      if row.pointee.turn.isIn { noteOwedTurn(group) }
      return leaveTurns(group)
    }
    let order = order(of: queue)
    let isIn = row.pointee.turn.isIn
    var key: TurnKey
    switch order {
    case .jobs, .aging: key = jobKey(firstReady(ofGroup: group), order)
    case .turns, .turnsOfPriority:
      let priority = order == .turns ? 0 : turnPriority(group)
      let isOfClass = row.pointee.turnKey.major == -Int64(priority)
      if !isIn || !isOfClass {
        let clock = turnClock(of: queue, order, priority)
        let behind = clock + Self.turnCost / weight(ofGroup: group)
        // Whoever pauses and resumes a group again and again would keep it from its turn.
        let isOwed = row.pointee.isOwedTurn && isOfClass
        row.pointee.virtualTime = isOwed ? min(max(row.pointee.virtualTime, clock), behind) : behind
        row.pointee.isOwedTurn = false
      }
      key = TurnKey(major: -Int64(priority), minor: UInt64(row.pointee.virtualTime))
    }
    guard !isIn || key != row.pointee.turnKey else { return }
    if isIn { leaveTurns(group) }
    row.pointee.turnKey = key
    let first = queues[Int(queue)].turns
    if order == .jobs, first != .none, groups[first].pointee.turn.left == .none {
      // While it was alone its key was not kept.
      groups[first].pointee.turnKey = jobKey(firstReady(ofGroup: first), order)
    }
    var heap = GroupHeap<TurnOrder>(groups.view, root: queues[Int(queue)].turns)
    heap.insert(group)
    queues[Int(queue)].turns = heap.root
    if !isIn { wake(queue) }
  }

  /// How far the turns have come that a group takes part in.
  private func turnClock(of queue: UInt32, _ order: QueueOrder, _ priority: Int8) -> Int64 {
    order == .turns
      ? queues[Int(queue)].turnClock : turnClocks[TurnClass(queue: queue, priority: priority)] ?? 0
  }

  /// A group that stands among those that may give a job may not any more: it keeps its place if others had a turn while
  /// it waited for its own.
  private mutating func noteOwedTurn(_ group: Slot) {
    let row = groups[group]
    let order = order(of: row.pointee.queue)
    guard order == .turns || order == .turnsOfPriority else { return }
    let clock = turnClock(of: row.pointee.queue, order, Int8(clamping: -row.pointee.turnKey.major))
    row.pointee.isOwedTurn = row.pointee.virtualTime < clock + Self.turnCost / weight(ofGroup: group)
  }

  mutating func leaveTurns(_ group: Slot) {
    let row = groups[group]
    guard row.pointee.turn.isIn else { return }
    var heap = GroupHeap<TurnOrder>(groups.view, root: queues[Int(row.pointee.queue)].turns)
    heap.remove(group)
    queues[Int(row.pointee.queue)].turns = heap.root
  }

  /// A group gives a job: its next turn is that much later.
  mutating func takeTurn(_ group: Slot) {
    let queue = groups[group].pointee.queue
    let order = order(of: queue)
    guard order == .turns || order == .turnsOfPriority, groups[group].pointee.turn.isIn, group != turnTaken else {
      return
    }
    let time = groups[group].pointee.virtualTime
    if order == .turns {
      queues[Int(queue)].turnClock = max(queues[Int(queue)].turnClock, time)
    } else {
      let priority = turnPriority(group)
      let turn = TurnClass(queue: queue, priority: priority)
      turnClocks[turn] = max(turnClocks[turn] ?? 0, time)
    }
    // Placed again at once, as one that comes.
    groups[group].pointee.isOwedTurn = false
    leaveTurns(group)
  }

  /// Puts every group of a queue where it belongs by what its settings say now. O(groups).
  ///
  /// - Parameter anew: The groups go in another order: a new round begins. Other changes take nobody's turn away.
  mutating func placeAllTurns(of queue: UInt32, anew: Bool) {
    if anew { forgetClocks(of: queue) }
    for group in groups(of: queue) {
      if anew {
        groups[group].pointee.isOwedTurn = false
        leaveTurns(group)
      }
      placeTurn(group)
      awaitGroup(group)
      closeSetup(ofGroup: group)
    }
  }

  /// Among which groups one with READY jobs takes its turns, where priorities go before turns.
  private func turnPriority(_ group: Slot) -> Int8 {
    if isOrdered(groups[group].pointee.queue) { return jobs.hot(firstReady(ofGroup: group)).pointee.priority }
    return levels.pointer(groups[group].pointee.levels).pointee.priority
  }

  mutating func forgetClocks(of queue: UInt32) {
    queues[Int(queue)].turnClock = 0
    if !turnClocks.isEmpty { turnClocks = turnClocks.filter { $0.key.queue != queue } }
  }

  // MARK: Ages

  /// Puts a group with READY jobs where its longest-READY one belongs; one group alone needs no place.
  @inline(__always)
  mutating func placeAge(_ group: Slot) {
    if queues[Int(groups[group].pointee.queue)].groups > 1 || groups[group].pointee.age.isIn {
      placeAgeAmongOthers(group)
    }
  }

  @inline(never)
  private mutating func placeAgeAmongOthers(_ group: Slot) {
    let row = groups[group]
    let queue = Int(row.pointee.queue)
    let since = readySince(ofGroup: group)
    guard !row.pointee.age.isIn || since != row.pointee.readySince else { return }
    var heap = GroupHeap<AgeOrder>(groups.view, root: queues[queue].ages)
    if row.pointee.age.isIn { heap.remove(group) }
    row.pointee.readySince = since
    if since >= 0 { heap.insert(group) }
    queues[queue].ages = heap.root
  }

  /// Log time since when the queue's longest-READY job has been so; −1 when none is.
  func readySince(_ queue: UInt32) -> Int64 {
    let oldest = queues[Int(queue)].ages
    if oldest != .none { return groups[oldest].pointee.readySince }
    let only = queues[Int(queue)].firstGroup
    return only == .none || queues[Int(queue)].groups > 1 ? -1 : readySince(ofGroup: only)
  }
}
