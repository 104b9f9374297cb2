/// A job's row comes into states, and goes.
extension StateMachine {
  /// Bytes of the log's records that a job needs.
  func bytes(of slot: Slot) -> Int {
    let cell = existingLeaseCell(slot)?.pointee
    return Int(jobs.cold(slot).pointee.recordBytes) + Int(cell?.historyTotal ?? 0) + Int(cell?.reportBytes ?? 0)
  }

  // MARK: States

  /// A job comes into a state: counts it there and, unless replaying, puts it into its container.
  mutating func enter(_ slot: Slot, _ state: JobState) {
    let row = jobs.hot(slot)
    row.pointee.state = state.rawValue
    let group = groups[row.pointee.group]
    let queue = group.pointee.queue
    queues[Int(queue)].counts[state] += 1
    if state == .running { group.pointee.running += 1 }
    if state == .ready { group.pointee.ready += 1 }
    if state.isWaiting {
      group.pointee.waiting += 1
      queues[Int(queue)].waitingBytes += Int64(jobs.cold(slot).pointee.recordBytes)
      countWaiting(jobs.cold(slot).pointee.owner, jobs: 1, bytes: jobs.cold(slot).pointee.recordBytes)
    }
    if group.pointee.whole != .none { countInWhole(group.pointee.whole, state, came: true) }
    guard isLive else { return }
    noteChange(queue)
    if queues[Int(queue)].isDraining, state != .running, drained.last != queue { drained.append(queue) }
    sets.insert(row.pointee.number, into: Listed.state(state.rawValue))
    if !graph.isEmpty { noteGraph(slot, state, isEntered: true) }
    if batches.hasMembers { noteBatch(slot, state, isEntered: true) }
    if row.pointee.flags & RowFlags.expires != 0, state.isWaiting { expiring.wait(row.pointee.number) }
    let isInOrder = state.isInOrder && queues[Int(queue)].setup != .none && isOrdered(queue)
    if isInOrder { beginOrder(slot) }
    if state == .running, queues[Int(queue)].setup != .none { noteRunning(slot, true) }
    insertIntoContainer(slot)
    if isInOrder { placeTurn(row.pointee.group) }
  }

  /// A job leaves its state: the reverse of `enter`.
  mutating func leave(_ slot: Slot) {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    let group = groups[row.pointee.group]
    let queue = group.pointee.queue
    queues[Int(queue)].counts[state] -= 1
    if state == .running { group.pointee.running -= 1 }
    if state == .ready { group.pointee.ready -= 1 }
    if state.isWaiting {
      group.pointee.waiting -= 1
      queues[Int(queue)].waitingBytes -= Int64(jobs.cold(slot).pointee.recordBytes)
      countWaiting(jobs.cold(slot).pointee.owner, jobs: -1, bytes: jobs.cold(slot).pointee.recordBytes)
    }
    if group.pointee.whole != .none { countInWhole(group.pointee.whole, state, came: false) }
    if state.hasDeadline { row.pointee.forgetForeseen() }
    guard isLive else { return }
    noteChange(queue)
    sets.remove(row.pointee.number, from: Listed.state(state.rawValue))
    if !graph.isEmpty { noteGraph(slot, state, isEntered: false) }
    if batches.hasMembers { noteBatch(slot, state, isEntered: false) }
    if row.pointee.flags & RowFlags.expires != 0, state.isWaiting { expiring.stopWaiting(row.pointee.number) }
    let isInOrder = state.isInOrder && queues[Int(queue)].setup != .none && isOrdered(queue)
    if isInOrder { endOrder(slot) }
    if state == .running, queues[Int(queue)].setup != .none { noteRunning(slot, false) }
    removeFromContainer(slot)
    if row.pointee.flags & RowFlags.pushed != 0, state == .running { endDelivery(slot) }
    if isInOrder { placeTurn(row.pointee.group) }
  }

  /// Takes a job's row away, with its names and its lease; it has left its list, and its key is another's or gone.
  mutating func removeRow(_ slot: Slot) {
    let cold = jobs.cold(slot)
    ownerNames.release(cold.pointee.owner)
    typeNames.release(cold.pointee.type)
    policies.release(cold.pointee.policy)
    freeLeaseCell(slot)
    if jobs.hot(slot).pointee.flags & RowFlags.expires != 0 { expiring.remove(jobs.hot(slot).pointee.number) }
    let group = jobs.hot(slot).pointee.group
    lost(groups[group].pointee.queue)
    lostJob(ofGroup: group)
    let number = jobs.hot(slot).pointee.number
    if !isLive {
      if !replayedDependencies.isEmpty { replayedDependencies[number] = nil }
      if !replayedMembers.isEmpty { replayedMembers[number] = nil }
    } else {
      if !graph.isEmpty { forgetGraph(slot) }
      if batches.hasMembers { batches.leave(slot) }
    }
    jobs.remove(slot)
  }
}
