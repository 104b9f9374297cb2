import RoostCore

/// Which queues there are: they begin with a job, and go some time after the last one has left, or at `MAX_QUEUES` when
/// another needs the room.
extension ReferenceModel {
  /// Notes which queues hold no job any more, and which do again.
  mutating func noteIdle() {
    let busy = Set(jobs.values.map(\.queue))
    for name in totals.keys {
      if busy.contains(name) || isTold(name) {
        idleSince[name] = nil
      } else if idleSince[name] == nil {
        idleSince[name] = now.log
      }
    }
  }

  /// A job for a queue that is not there comes, and there are as many as may be.
  ///
  /// - Returns: Whether one made room.
  mutating func madeRoom() throws(Violation) -> Bool {
    noteIdle()
    guard totals.count == limits.maxQueues, !idleSince.isEmpty else { return false }
    guard let name = forgotten.popFirst() else { throw Violation(message: "no queue made room for another") }
    try forget(name)
    return true
  }

  /// Queues that went by themselves.
  mutating func forgetIdle(hasMore: Bool) throws(Violation) {
    noteIdle()
    while let name = forgotten.popFirst() {
      let isOver = (idleSince[name] ?? .max) + limits.queueIdleMilliseconds * 1_000_000 <= now.log
      try expect(isOver || totals.count > limits.maxQueues, "queue \(name) went early")
      try forget(name)
    }
    guard !hasMore else { return }
    for (name, since) in idleSince {
      try expect(since + limits.queueIdleMilliseconds * 1_000_000 > now.log, "queue \(name) is there still")
    }
  }

  private mutating func forget(_ name: String) throws(Violation) {
    guard let since = idleSince[name] else { throw Violation(message: "queue \(name) went with its jobs") }
    try expect(!idleSince.values.contains { $0 < since }, "queue \(name) went before one that was idle longer")
    totals[name] = nil
    idleSince[name] = nil
    forgetGroups(of: name)
  }

  /// How many of these names neither a queue has nor a worker waits for.
  func unknownNames(_ names: [String]) -> Int {
    names.filter { name in totals[name] == nil && !waiters.contains { $0.wanted.queues.contains(name) } }.count
  }

  /// Names of queues that are not there and for which workers wait.
  var waitedNames: Int {
    Set(waiters.flatMap(\.wanted.queues)).filter { totals[$0] == nil }.count
  }
}
