/// Queues come with their first job and go when they have held none for a while: `MAX_QUEUES` bounds those that live, and
/// at that bound the one that has been without a job longest makes room at once.
///
/// A queue with settings, or a paused one, stays.
///
/// Going is an event of its own, so that a replay need not know the limits of that time. It begins the queue's totals
/// anew; the idle time stands in `carriedQueue`, so that a restart does not prolong it.
extension StateMachine {
  // MARK: Coming

  /// A job was put into a queue.
  mutating func gained(_ queue: UInt32) {
    let id = Int(queue)
    queues[id].jobs += 1
    guard queues[id].jobs == 1 else { return }
    queues[id].idleSince = -1
    if isLive { leaveIdle(queue) }
  }

  /// A job has left a queue for good.
  mutating func lost(_ queue: UInt32) {
    let id = Int(queue)
    queues[id].jobs -= 1
    guard queues[id].jobs == 0 else { return }
    queues[id].idleSince = now.log
    if isLive, !isTold(queue) { joinIdle(queue) }
  }

  /// Whether a job for this queue can be taken; the queue that makes room for it is forgotten.
  ///
  /// - Returns: False where there are as many queues as may be, and none of them is without jobs.
  mutating func makeRoom(for name: UnsafeRawBufferPointer, _ step: inout Step) -> Bool {
    guard existingQueues >= limits.maxQueues else { return true }
    let found = queueNames.find(name)
    if found != .none, queues[Int(found)].exists { return true }
    guard existingQueues == limits.maxQueues, firstIdle != .none else { return false }
    forget(queue: firstIdle, &step)
    return true
  }

  /// Whether something was said of the queue, or of a group of it: then it stays.
  func isTold(_ queue: UInt32) -> Bool {
    queues[Int(queue)].setup != .none || queues[Int(queue)].toldGroups > 0
  }

  // MARK: Going

  mutating func forget(queue: UInt32, _ step: inout Step) {
    let event = QueueForgotten(name: queueNames.bytes(queue))
    if !defects.contains(.queueForgottenUnlogged) { event.encode(into: &step.records) }
    QueueForgotten.apply(to: queue, in: &self)
  }

  // MARK: Their list

  mutating func joinIdle(_ queue: UInt32) {
    queues[Int(queue)].previousIdle = lastIdle
    queues[Int(queue)].nextIdle = .none
    if lastIdle == .none { firstIdle = queue } else { queues[Int(lastIdle)].nextIdle = queue }
    lastIdle = queue
  }

  /// Takes a queue off the list, if it stands there.
  mutating func leaveIdle(_ queue: UInt32) {
    let (previous, next) = (queues[Int(queue)].previousIdle, queues[Int(queue)].nextIdle)
    guard previous != .none || next != .none || firstIdle == queue else { return }
    if previous == .none { firstIdle = next } else { queues[Int(previous)].nextIdle = next }
    if next == .none { lastIdle = previous } else { queues[Int(next)].previousIdle = previous }
    queues[Int(queue)].previousIdle = .none
    queues[Int(queue)].nextIdle = .none
  }

  /// Builds the list at the end of a replay.
  mutating func listIdleQueues() {
    var idle = queues.indices.filter { queues[$0].exists && queues[$0].jobs == 0 }
    // A salvage may have lost what said since when.
    for id in idle where queues[id].idleSince < 0 { queues[id].idleSince = now.log }
    idle.sort { (queues[$0].idleSince, $0) < (queues[$1].idleSince, $1) }
    for id in idle where !isTold(UInt32(id)) { joinIdle(UInt32(id)) }
    for id in queues.indices where queues[id].exists { noteChange(UInt32(id)) }
  }
}
