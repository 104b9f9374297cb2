/// Settings of a queue with many groups changed: its groups are placed by them piece by piece, and the queue gives no job
/// meanwhile. Nothing of it is logged: a start places all groups at once.
struct Regrouping: BitwiseCopyable {
  /// The next group to be placed, of those that there were at the change; `.none`: none is left.
  var next: Slot = .none
  /// They go in another order: a new round begins.
  var isAnew = false
  /// Log time at which the rate for each group changed: how far their leases have come counts as far as it fitted then;
  /// −1: it did not change.
  var ratesSince: Int64 = -1
}

extension StateMachine {
  @inline(__always)
  func isRegrouping(_ queue: UInt32) -> Bool { queues[Int(queue)].regrouping.next != .none }

  /// Whether the groups of a queue are too many to be placed in one step.
  func isRegroupedByPieces(_ queue: UInt32) -> Bool {
    isLive && Int(queues[Int(queue)].groups) > limits.groupsPerStep
  }

  /// Another rate is about to hold for each group of a queue: what the one before decides is decided first. O(groups) where
  /// that changed a moment ago, else O(1).
  mutating func settleRates(ofGroupsOf queue: UInt32) {
    let since = queues[Int(queue)].regrouping.ratesSince
    guard since >= 0 else { return }
    fitRates(ofGroupsOf: queue, at: since)
    queues[Int(queue)].regrouping.ratesSince = -1
  }

  /// Begins to place the groups of a queue, or begins with the first again.
  mutating func beginRegrouping(of queue: UInt32, anew: Bool, changesRates: Bool) {
    if anew { forgetClocks(of: queue) }
    if !regroupingQueues.contains(queue) { regroupingQueues.append(queue) }
    let before = queues[Int(queue)].regrouping
    queues[Int(queue)].regrouping = Regrouping(
      next: queues[Int(queue)].firstGroup, isAnew: anew || before.isAnew,
      ratesSince: changesRates ? now.log : before.ratesSince)
  }

  /// Places some groups of a queue.
  ///
  /// - Returns: How many.
  mutating func placeSomeTurns(of queue: UInt32, atMost most: Int) -> Int {
    var placed = 0
    while placed < most, case let group = queues[Int(queue)].regrouping.next, group != .none {
      queues[Int(queue)].regrouping.next = groups[group].pointee.next
      placed += 1
      regroupSteps += 1
      let regrouping = queues[Int(queue)].regrouping
      if regrouping.ratesSince >= 0 { fitRate(ofGroup: group, at: regrouping.ratesSince) }
      if regrouping.isAnew {
        groups[group].pointee.isOwedTurn = false
        leaveTurns(group)
      }
      placeTurn(group)
      awaitGroup(group)
      closeSetup(ofGroup: group)
    }
    guard queues[Int(queue)].regrouping.next == .none else { return placed }
    queues[Int(queue)].regrouping = Regrouping()
    regroupingQueues.removeAll { $0 == queue }
    if queues[Int(queue)].exists { noteChange(queue) }
    wake(queue)
    return placed
  }

  /// A group goes: it need not be placed.
  @inline(__always)
  mutating func passOver(_ group: Slot, in queue: Int) {
    if queues[queue].regrouping.next == group { queues[queue].regrouping.next = groups[group].pointee.next }
  }

  /// How far the leases of a group have come, whether it was placed already or not.
  func settledRate(ofGroup group: Slot) -> RateState {
    guard let setup = setup(ofGroup: group) else { return RateState() }
    let since = queues[Int(groups[group].pointee.queue)].regrouping.ratesSince
    guard since >= 0, ownSettings(ofGroup: group)?[.rateLimit] == nil else { return setup.pointee.rate }
    return fitted(setup.pointee.rate, to: rate(ofGroup: group), at: since)
  }

  mutating func fitRate(ofGroup group: Slot, at time: Int64) {
    guard let setup = setup(ofGroup: group), ownSettings(ofGroup: group)?[.rateLimit] == nil else { return }
    setup.pointee.rate = fitted(setup.pointee.rate, to: rate(ofGroup: group), at: time)
  }
}
