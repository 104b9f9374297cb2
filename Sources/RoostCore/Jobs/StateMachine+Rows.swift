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
    queues[Int(row.pointee.queue)].counts[state] += 1
    if state.isWaiting {
      queues[Int(row.pointee.queue)].waitingBytes += Int64(jobs.cold(slot).pointee.recordBytes)
    }
    guard isLive else { return }
    noteChange(row.pointee.queue)
    sets.insert(row.pointee.number, into: Listed.state(state.rawValue))
    insertIntoContainer(slot)
  }

  /// A job leaves its state: the reverse of `enter`.
  mutating func leave(_ slot: Slot) {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    queues[Int(row.pointee.queue)].counts[state] -= 1
    if state.isWaiting {
      queues[Int(row.pointee.queue)].waitingBytes -= Int64(jobs.cold(slot).pointee.recordBytes)
    }
    if state.hasDeadline { row.pointee.forgetForeseen() }
    guard isLive else { return }
    noteChange(row.pointee.queue)
    sets.remove(row.pointee.number, from: Listed.state(state.rawValue))
    removeFromContainer(slot)
  }

  /// Takes a job's row away, with its names and its lease; it has left its list, and its key is another's or gone.
  mutating func removeRow(_ slot: Slot) {
    let cold = jobs.cold(slot)
    ownerNames.release(cold.pointee.owner)
    typeNames.release(cold.pointee.type)
    policies.release(cold.pointee.policy)
    freeLeaseCell(slot)
    lost(jobs.hot(slot).pointee.queue)
    jobs.remove(slot)
  }
}
