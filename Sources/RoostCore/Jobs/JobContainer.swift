/// The list or heap that a job stands in: its state says which, here alone.
enum JobContainer {
  /// READY: by queue and priority, in the order in which they became so.
  case ready
  /// RUNNING, by the end of the lease (log time).
  case leases
  /// SCHEDULED by delay, and RETRY (log time).
  case due
  /// SCHEDULED by `run_at` (wall time).
  case wall
  /// ACKED and CANCELLED: in the order of their ends, and by when they may leave (uptime).
  case retention
  /// DEAD, in the order of dying.
  case dead
  /// BLOCKED: neither in a list nor in a heap; `JobGraph` says what it waits for.
  case blocked

  /// Whether its jobs stand by their order numbers, which no two share.
  var isOrdered: Bool {
    switch self {
    case .ready, .retention, .dead: true
    case .leases, .due, .wall, .blocked: false
    }
  }

  /// Whether its jobs stand in a heap, by their deadlines.
  var hasHeap: Bool {
    switch self {
    case .leases, .due, .wall, .retention: true
    case .ready, .dead, .blocked: false
    }
  }
}

extension HotRow {
  @inline(__always)
  var container: JobContainer {
    switch JobState(rawValue: state)! {
    case .ready: .ready
    case .running: .leases
    case .scheduled: flags & RowFlags.wall != 0 ? .wall : .due
    case .retry: .due
    case .acked, .cancelled: .retention
    case .dead: .dead
    case .blocked: .blocked
    }
  }
}

extension StateMachine {
  /// Puts a job into the container of its state; workers that wait for a READY one are met.
  mutating func insertIntoContainer(_ slot: Slot) {
    let row = jobs.hot(slot)
    switch row.pointee.container {
    case .ready:
      enlist(slot)
      wake(queue(of: slot))
    case .leases:
      leaseHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
      // It may have been the last one that may run.
      if isGroupTold(row.pointee.group) { placeTurn(whole(of: row.pointee.group)) }
    case .due: dueHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .wall: wallHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .retention:
      jobs.append(slot, to: &finished)
      if retentionCursor == .none { retentionCursor = slot }
      retentionHeap.insert(slot, deadline: row.pointee.deadline, in: jobs)
    case .dead: enterDead(slot)
    case .blocked: graph.blocked += 1
    }
  }

  /// Takes a job out of the container of its state.
  mutating func removeFromContainer(_ slot: Slot) {
    switch jobs.hot(slot).pointee.container {
    case .ready: delist(slot)
    case .leases:
      leaseHeap.remove(slot, in: jobs)
      // One more may run.
      let group = jobs.hot(slot).pointee.group
      let queue = groups[group].pointee.queue
      if isGroupTold(group) {
        placeTurn(whole(of: group))
        wake(queue)
      }
    case .due: dueHeap.remove(slot, in: jobs)
    case .wall: wallHeap.remove(slot, in: jobs)
    case .retention:
      if retentionCursor == slot { retentionCursor = jobs.hot(slot).pointee.next }
      jobs.remove(slot, from: &finished)
      retentionHeap.remove(slot, in: jobs)
    case .dead: leaveDead(slot)
    case .blocked: graph.blocked -= 1
    }
  }

  // MARK: The end of a replay

  /// Puts a job behind the others of its container, before `orderHeaps`.
  ///
  /// - Parameter died: Takes dead letters, which are sorted before any of them gets its place.
  /// - Returns: False where the job's order number says that it belongs before others, and it was not put in.
  mutating func appendToContainer(_ slot: Slot, died: inout [Slot]) -> Bool {
    let row = jobs.hot(slot)
    switch row.pointee.container {
    case .leases: leaseHeap.appendUnordered(slot, deadline: row.pointee.deadline)
    case .due: dueHeap.appendUnordered(slot, deadline: row.pointee.deadline)
    case .wall: wallHeap.appendUnordered(slot, deadline: row.pointee.deadline)
    case .dead: died.append(slot)
    case .blocked: graph.blocked += 1
    case .ready: return appendToList(slot, ifInOrder: true)
    case .retention:
      retentionHeap.appendUnordered(slot, deadline: row.pointee.deadline)
      return appendToList(slot, ifInOrder: true)
    }
    return true
  }

  /// Puts a job behind the others of its list; one whose container has none stays where it is.
  ///
  /// - Parameter ifInOrder: Only where its order number is the greatest.
  /// - Returns: Whether it was put in.
  @discardableResult
  mutating func appendToList(_ slot: Slot, ifInOrder: Bool) -> Bool {
    let row = jobs.hot(slot)
    switch row.pointee.container {
    case .ready:
      let level = levels.pointer(level(row.pointee.group, row.pointee.priority))
      guard !ifInOrder || goes(slot, behind: level.pointee.jobs.tail) else { return false }
      jobs.append(slot, to: &level.pointee.jobs)
    case .retention:
      guard !ifInOrder || goes(slot, behind: finished.tail) else { return false }
      jobs.append(slot, to: &finished)
    case .leases, .due, .wall, .dead, .blocked: return false
    }
    return true
  }

  private func goes(_ slot: Slot, behind last: Slot) -> Bool {
    last == .none || jobs.hot(last).pointee.order < jobs.hot(slot).pointee.order
  }

  /// Takes every job out of its list.
  mutating func emptyLists() {
    for id in queues.indices {
      for group in groups(of: UInt32(id)) {
        for level in levels(ofGroup: group).map({ levels.pointer($0) }) {
          while level.pointee.jobs.head != .none { jobs.remove(level.pointee.jobs.head, from: &level.pointee.jobs) }
        }
      }
    }
    while finished.head != .none { jobs.remove(finished.head, from: &finished) }
  }

  /// Orders what was appended to the heaps.
  mutating func orderHeaps() {
    leaseHeap.heapify(in: jobs)
    wallHeap.heapify(in: jobs)
    dueHeap.heapify(in: jobs)
    retentionHeap.heapify(in: jobs)
  }
}
