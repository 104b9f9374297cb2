/// The end of a replay: what rows alone do not hold is built from them.
extension StateMachine {
  /// Builds lists and heaps. From here on commands may be handled.
  package mutating func endReplay() {
    if let boot = lastBoot { raiseLeases(boot) }
    isLive = true
    var unordered: [Slot] = []
    var lastFinished: UInt64 = 0
    var lastDead: UInt64 = 0
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot)
      switch JobState(rawValue: row.pointee.state)! {
      case .ready:
        let level = levels.pointer(level(row.pointee.queue, row.pointee.priority))
        if level.pointee.jobs.tail == .none || jobs.hot(level.pointee.jobs.tail).pointee.order < row.pointee.order {
          jobs.append(slot, to: &level.pointee.jobs)
        } else {
          unordered.append(slot)
        }
      case .running: leaseHeap.appendUnordered(slot, deadline: row.pointee.deadline)
      case .scheduled where row.pointee.flags & RowFlags.wall != 0:
        wallHeap.appendUnordered(slot, deadline: row.pointee.deadline)
      case .scheduled, .retry: dueHeap.appendUnordered(slot, deadline: row.pointee.deadline)
      case .acked, .cancelled:
        retentionHeap.appendUnordered(slot, deadline: row.pointee.deadline)
        if row.pointee.order > lastFinished {
          jobs.append(slot, to: &finished)
          lastFinished = row.pointee.order
        } else {
          unordered.append(slot)
        }
      case .dead:
        if row.pointee.order > lastDead {
          jobs.append(slot, to: &dead)
          lastDead = row.pointee.order
        } else {
          unordered.append(slot)
        }
      }
    }
    if !unordered.isEmpty { relist() }
    leaseHeap.heapify(in: jobs)
    wallHeap.heapify(in: jobs)
    dueHeap.heapify(in: jobs)
    retentionHeap.heapify(in: jobs)
    enlistStubs()
  }

  /// Slots were not in the order of the lists: takes every listed job out and sorts them all.
  private mutating func relist() {
    var listed: [(order: UInt64, slot: Slot)] = []
    for id in queues.indices {
      var at = queues[id].levels
      while at != .none {
        let level = levels.pointer(at)
        while level.pointee.jobs.head != .none { jobs.remove(level.pointee.jobs.head, from: &level.pointee.jobs) }
        at = level.pointee.next
      }
    }
    while finished.head != .none { jobs.remove(finished.head, from: &finished) }
    while dead.head != .none { jobs.remove(dead.head, from: &dead) }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      switch JobState(rawValue: jobs.hot(slot).pointee.state)! {
      case .ready, .acked, .cancelled, .dead: listed.append((jobs.hot(slot).pointee.order, slot))
      case .running, .scheduled, .retry: break
      }
    }
    listed.sort { $0.order < $1.order }
    for (_, slot) in listed {
      let row = jobs.hot(slot)
      switch JobState(rawValue: row.pointee.state)! {
      case .ready:
        let level = levels.pointer(level(row.pointee.queue, row.pointee.priority))
        jobs.append(slot, to: &level.pointee.jobs)
      case .dead: jobs.append(slot, to: &dead)
      case .acked, .cancelled: jobs.append(slot, to: &finished)
      case .running, .scheduled, .retry: break
      }
    }
  }

  private mutating func enlistStubs() {
    for entry in replayedStubs.sorted() {
      stubHeap.insert(entry, deadline: stubs.pointer(keys.entry(entry).pointee.target).pointee.until)
    }
    replayedStubs = []
  }
}
