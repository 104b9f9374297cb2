/// What records change when they are applied: a job's row with its names and lease, and where the job stands.
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
    if state.hasDeadline { row.pointee.forgetForeseen() }
    guard isLive else { return }
    noteChange(row.pointee.queue)
    sets.remove(row.pointee.number, from: Listed.state(state.rawValue))
    removeFromContainer(slot)
  }

  /// The job's lease cell, nil for a job that was neither leased nor cancelled.
  func existingLeaseCell(_ slot: Slot) -> UnsafeMutablePointer<LeaseCell>? {
    let cell = jobs.cold(slot).pointee.lease
    return cell == .none ? nil : leases.pointer(cell)
  }

  /// The job's lease cell, made with empty names if need be.
  mutating func leaseCell(_ slot: Slot) -> UnsafeMutablePointer<LeaseCell> {
    if let cell = existingLeaseCell(slot) { return cell }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return leaseCell(slot, worker: workerNames.intern(none), keyID: keyNames.intern(none))
  }

  /// The job's lease cell under these names, each counted by its caller.
  ///
  /// A new cell gets them at once: empty ones in between would be made and freed with every first lease.
  mutating func leaseCell(_ slot: Slot, worker: UInt32, keyID: UInt32) -> UnsafeMutablePointer<LeaseCell> {
    if let cell = existingLeaseCell(slot) {
      setNames(of: cell, worker: worker, keyID: keyID)
      return cell
    }
    var cell = LeaseCell()
    (cell.worker, cell.keyID) = (worker, keyID)
    let made = leases.allocate(cell)
    jobs.cold(slot).pointee.lease = made
    return leases.pointer(made)
  }

  private mutating func setNames(of cell: UnsafeMutablePointer<LeaseCell>, worker: UInt32, keyID: UInt32) {
    workerNames.release(cell.pointee.worker)
    keyNames.release(cell.pointee.keyID)
    cell.pointee.worker = worker
    cell.pointee.keyID = keyID
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

  private mutating func freeLeaseCell(_ slot: Slot) {
    let cold = jobs.cold(slot)
    guard cold.pointee.lease != .none else { return }
    let cell = leases.pointer(cold.pointee.lease)
    workerNames.release(cell.pointee.worker)
    keyNames.release(cell.pointee.keyID)
    leases.free(cold.pointee.lease)
    cold.pointee.lease = .none
  }
}
