/// What is known of a job's last lease and of how it ended; only for jobs that were leased or cancelled.
package struct LeaseCell: BitwiseCopyable {
  /// In memory, for each job that was leased.
  package static var bytes: Int { MemoryLayout<Self>.stride }

  var id = LeaseID(epoch: 0, number: 0)
  /// Nanoseconds.
  var duration: Int64 = 0
  /// Log time at which the attempt is over, however often its lease is extended; 0: it has no such time.
  var attemptEnds: Int64 = 0
  /// The same as wall milliseconds, as foreseen when it was decided.
  var attemptForeseen: Int64 = 0
  /// Wall times, milliseconds.
  var leasedAt: Int64 = 0
  var endedAt: Int64 = 0
  /// Uptime when the job last ended.
  var endedUptime: Int64 = 0
  /// The record with the newest history entry; 0 when there is none.
  var history: UInt64 = 0
  var historyBytes: UInt32 = 0
  /// Of the history records since the last carry what the next one would keep, bytes.
  var historyTotal: UInt32 = 0
  /// The record with what the worker last said of its progress; 0 when it said nothing in this attempt.
  var report: UInt64 = 0
  /// Milliseconds of the last pause before a retry.
  var pause: UInt32 = 0
  /// Interned names.
  var worker: UInt32 = 0
  var keyID: UInt32 = 0
  /// CRC32C of the result or error with which the last lease ended; 0 for none.
  var said: UInt32 = 0
  /// Of the record at `report`.
  var reportBytes: UInt16 = 0
  /// Of the attempts that are spent: how many ended because their leases did.
  var expiries: UInt16 = 0
  /// Attempts that were handed back, and are not spent; counted as far as the number goes.
  var interruptions: UInt16 = 0
  /// `Outcome` of the last lease; 0 while it is held.
  var lastOutcome: UInt8 = 0

  /// The job begins anew: what became of its attempts so far does not count.
  mutating func beginAnew() { (expiries, interruptions) = (0, 0) }
}

extension StateMachine {
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

  mutating func freeLeaseCell(_ slot: Slot) {
    let cold = jobs.cold(slot)
    guard cold.pointee.lease != .none else { return }
    let cell = leases.pointer(cold.pointee.lease)
    workerNames.release(cell.pointee.worker)
    keyNames.release(cell.pointee.keyID)
    leases.free(cold.pointee.lease)
    cold.pointee.lease = .none
  }
}
