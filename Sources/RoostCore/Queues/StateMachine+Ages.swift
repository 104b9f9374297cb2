/// Jobs that are READY for longer than their queue lets them: they leave, CANCELLED, whether or not somebody asks for them.
/// Time counts from when a job became READY last.
extension StateMachine {
  /// Whether a READY job has been so for too long.
  func isTooOld(_ slot: Slot) -> Bool {
    guard let most = maxAge(queue(of: slot)) else { return false }
    return now.log - jobs.hot(slot).pointee.deadline >= most
  }

  /// Nanoseconds that a job of a queue may be READY; nil: without end.
  private func maxAge(_ queue: UInt32) -> Int64? {
    defects.contains(.maxAgeIgnored) ? nil : setup(queue)?.pointee.settings[.maxAge]?.nanoseconds
  }

  /// Cancels the job that a queue would give next, if it is too old.
  ///
  /// - Returns: Whether it was.
  mutating func leavesTooOld(_ queue: UInt32, _ step: inout Step) -> Bool {
    guard conditions.dueItemsLeft > 0, maxAge(queue) != nil,
      queues[Int(queue)].turns != .none, hold(queue) == nil, case let slot = next(of: queue), isTooOld(slot)
    else { return false }
    conditions.dueItemsLeft -= 1
    cancel(slot, because: .tooOld, &step)
    // Others may have waited longer for what stands behind it than the one who asks.
    wake(queue)
    return true
  }

  /// How many jobs a lease may find too old before what is left of them leaves with the step: their ends fit what it may
  /// add to a batch.
  static var mostTooOld: Int { 4 }

  // MARK: Those that nobody asks for

  /// The job of a queue that has been READY longest, of the first ones of its levels; `.none` where none is.
  func longestReady(_ queue: UInt32) -> Slot {
    let oldest = queues[Int(queue)].ages
    let group = oldest != .none ? oldest : queues[Int(queue)].firstGroup
    guard group != .none, oldest != .none || queues[Int(queue)].groups == 1 else { return .none }
    return longestReady(ofGroup: group)
  }

  /// The queue is looked at when its longest-READY job will be too old.
  mutating func awaitAge(_ queue: UInt32) {
    guard let most = maxAge(queue), case let since = readySince(queue), since >= 0,
      case let next = since + most, next < queues[Int(queue)].ageAwaited
    else { return }
    queues[Int(queue)].ageAwaited = next
    ageHeap.insert(queue, deadline: next)
  }

  /// The first queue with a job that is too old; entries of those that have none any more are made anew.
  mutating func firstTooOld() -> UInt32? {
    while let first = ageHeap.minimum, first.deadline <= now.log {
      let slot = longestReady(first.slot)
      if slot != .none, isTooOld(slot) { return first.slot }
      _ = ageHeap.popMinimum()
      if first.deadline >= queues[Int(first.slot)].ageAwaited { queues[Int(first.slot)].ageAwaited = .max }
      awaitAge(first.slot)
    }
    return nil
  }

  /// When each queue is looked at, at the end of a replay.
  mutating func listAges() {
    for queue in queues.indices where queues[queue].exists && queues[queue].setup != .none { awaitAge(UInt32(queue)) }
  }
}
