/// Groups whose jobs run in the order of their submits: the first that waits decides, and where it is not READY the group
/// gives none. Which job that is a set of numbers tells, in reverse: the largest is found first.
///
/// With `strict` one of them runs at a time. With `per_lease` one lease takes several, one behind the other; what is behind
/// a job that runs waits until that has ended, and what came back goes before what runs still.
extension StateMachine {
  /// A set is named by 24 bits.
  static var mostOrderedGroups: Slot { 1 << 24 - 1 }

  func isOrdered(_ queue: UInt32) -> Bool { setup(queue)?.pointee.settings[.groupOrdered] != nil }

  func sequence(of queue: UInt32) -> GroupSequence? {
    setup(queue)?.pointee.settings[.groupOrdered].flatMap { GroupSequence(rawValue: $0) }
  }

  /// The waiting job of an ordered group that was submitted first; `.none` where none waits.
  func firstWaiting(ofGroup group: Slot) -> Slot {
    guard group < Self.mostOrderedGroups else { return .none }
    var masks = Int.max
    let waiting = NumberSets.Intersection(Listed.waiting(group))
    guard case .number(let place) = sets.last(below: 1 << 42, in: waiting, masks: &masks) else { return .none }
    return jobs.find(Self.place(inOrder: place))
  }

  /// A job of an ordered group begins to wait.
  mutating func beginOrder(_ slot: Slot) {
    let row = jobs.hot(slot)
    sets.insert(Self.place(inOrder: row.pointee.number), into: Listed.waiting(row.pointee.group))
  }

  /// A job of an ordered group waits no longer.
  mutating func endOrder(_ slot: Slot) {
    let row = jobs.hot(slot)
    sets.remove(Self.place(inOrder: row.pointee.number), from: Listed.waiting(row.pointee.group))
  }

  /// The reverse of a number, and of that the number.
  static func place(inOrder number: UInt64) -> UInt64 { (1 << 40) - number }

  // MARK: Several with one lease

  /// The number below which a group's waiting jobs may go: that of the first that runs; the largest there is where none
  /// does.
  func firstRunning(ofGroup group: Slot) -> UInt64 {
    guard group < Self.mostOrderedGroups else { return .max }
    return sets.first(of: Listed.running(group)) ?? .max
  }

  /// Whether what is next in a group stands behind a job that runs.
  func isBehindRunning(_ group: Slot) -> Bool {
    // Those of its parts that run, too, have an order of their own.
    guard groups[group].pointee.running > 0, case let running = firstRunning(ofGroup: group), running != .max else {
      return false
    }
    let first = firstWaiting(ofGroup: group)
    return first == .none || jobs.hot(first).pointee.number > running
  }

  /// A job begins to run, or does no longer: of a group of which a lease takes several it is noted.
  mutating func noteRunning(_ slot: Slot, _ isRunning: Bool) {
    let row = jobs.hot(slot)
    guard sequence(of: queue(of: slot)) == .perLease, row.pointee.group < Self.mostOrderedGroups else { return }
    if isRunning {
      sets.insert(row.pointee.number, into: Listed.running(row.pointee.group))
    } else {
      sets.remove(row.pointee.number, from: Listed.running(row.pointee.group))
    }
  }

  /// A lease of several is about to take a job. What it takes behind others of its group costs no turn.
  mutating func noteOrder(_ slot: Slot, _ several: inout Several) {
    let group = jobs.hot(slot).pointee.group
    let queue = groups[group].pointee.queue
    turnTaken = .none
    guard queues[Int(queue)].setup != .none, sequence(of: queue) == .perLease else { return several.group = .none }
    if several.group == group { return turnTaken = group }
    (several.group, several.bound) = (group, firstRunning(ofGroup: group))
  }

  /// The job behind those that a lease took of a group; `.none` where there is none that it may take, too.
  func next(behind several: Several) -> Slot {
    let group = several.group
    guard group != .none, hold(groups[group].pointee.queue) == nil, hold(ofGroup: group, isGoingOn: true) == nil,
      case let slot = firstWaiting(ofGroup: group), slot != .none, jobs.hot(slot).pointee.number < several.bound,
      !isTooOld(slot), mayBegin(slot)
    else { return .none }
    return slot
  }

  // MARK: The end of a replay

  /// Which jobs wait, and which run.
  mutating func listOrdered() {
    guard queues.indices.contains(where: { isOrdered(UInt32($0)) }) else { return }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      guard isOrdered(queue(of: slot)) else { continue }
      let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
      if state.isInOrder { beginOrder(slot) }
      if state == .running { noteRunning(slot, true) }
    }
  }
}
