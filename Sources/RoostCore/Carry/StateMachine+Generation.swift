/// A state that moves to a new log: counters jump, so that nothing given out before comes again, and what was moved can
/// be compared with what arrived.
extension StateMachine {
  /// How far a restored or repaired directory's epoch lies behind any that the old one could reach by restarts.
  package static var epochStride: UInt64 { 1 << 20 }
  /// The same of its job numbers.
  package static var numberStride: UInt64 { 1 << 30 }

  /// Raises epoch and job numbers by so many strides. Call it on a machine that replays no more.
  ///
  /// - Parameter known: An epoch that there was besides those that were replayed.
  package mutating func beginGeneration(_ generations: UInt64, after known: UInt64 = 0) {
    // A frame may name any epoch; no log gets that far.
    epoch =
      min(max(epoch, known <= RecordBounds.counter ? known : 0), RecordBounds.counter) + generations * Self.epochStride
    // Such a log opens, and takes no jobs any more.
    nextNumber = min(nextNumber + generations * Self.numberStride, JobNumber.limit)
    // Another machine's boot clock says nothing here: downtime is told by the wall clock.
    bootID = 0
    lastBoot = nil
  }

  /// A sum over all jobs, keys and queues that is the same for two machines which say the same of them, wherever their
  /// records stand.
  package var fingerprint: UInt64 {
    var sum: UInt64 = 0
    let key = SipKey(k0: 1, k1: 2)
    func mix(_ a: UInt64, _ b: UInt64) { sum &+= key.hash(a, b) }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let (hot, cold) = (jobs.hot(slot).pointee, jobs.cold(slot).pointee)
      mix(hot.number, hot.check)
      mix(hot.order, UInt64(bitPattern: hot.deadline))
      mix(hot.number, UInt64(hot.state) << 32 | UInt64(hot.attempts) << 16 | UInt64(hot.maxAttempts))
      mix(hot.number ^ 1 << 63, UInt64(UInt8(bitPattern: hot.priority)) << 16 | UInt64(hot.flags))
      mix(hot.number, UInt64(bitPattern: cold.created))
      if case let key = keyEntry(of: slot), key != .none { mix(keys.entry(key).pointee.hash.low, hot.number) }
      if let cell = existingLeaseCell(slot)?.pointee { mix(cell.id.epoch ^ hot.number, cell.id.number) }
      // What one waited for that has ended says nothing any more.
      guard !JobState(rawValue: hot.state)!.isFinished else { continue }
      graph.forEachEdge(of: slot) { _, edge in
        let job = graph.nodes.pointer(edge.node).pointee.job
        if job != .none { mix(hot.number << 3 | UInt64(edge.mode.rawValue), jobs.hot(job).pointee.number) }
        return true
      }
    }
    for entry in stubHeap.slots {
      let key = keys.entry(entry).pointee
      mix(key.hash.high, stubs.pointer(key.target).pointee.number)
    }
    for cell in uniques.holders {
      let unique = uniques.cell(cell).pointee
      mix(unique.hash.high, UInt64(bitPattern: unique.until) ^ UInt64(unique.waited))
    }
    for id in queues.indices where queues[id].exists {
      mix(queues[id].totals.submitted, queues[id].totals.acked)
      mix(queues[id].totals.dead, UInt64(queueNames.bytes(UInt32(id)).count))
      guard let setup = setup(UInt32(id))?.pointee else { continue }
      mix(
        UInt64(bitPattern: setup.rate.theoretical),
        UInt64(bitPattern: setup.pausedUntil) << 1 | (setup.isPaused ? 1 : 0))
      for setting in QueueSetting.allCases {
        if let value = setup.settings[setting] { mix(UInt64(setting.rawValue), UInt64(bitPattern: value)) }
      }
    }
    for cell in quotas {
      for byte in ownerNames.bytes(cell.owner) { mix(UInt64(byte), cell.quota.waitingJobs ?? .max) }
      mix(
        cell.quota.waitingBytes ?? .max, UInt64(cell.quota.requestsPerSecond ?? .max) << 32 | UInt64(cell.quota.burst))
    }
    for id in batches.order {
      let batch = batches[batches.find(id)]
      let state = batch.state
      mix(id, UInt64(bitPattern: state.createdAt) ^ UInt64(bitPattern: state.closesAt) << 1)
      mix(UInt64(bitPattern: state.closedAt), UInt64(bitPattern: state.cancelledAt) ^ (state.isEnded ? 1 : 0))
      mix(UInt64(bitPattern: state.completedAt), state.job)
      mix(state.left.acked, state.left.dead << 32 ^ state.left.cancelled)
      for byte in batch.owner + state.name + (state.then?.bytes ?? []) { sum = sum &* 31 &+ UInt64(byte) }
    }
    for slot in schedules.order {
      let (row, state) = (schedules[slot], schedules[slot].state)
      mix(row.id, UInt64(bitPattern: state.next) ^ UInt64(bitPattern: state.last) << 1)
      mix(state.runs, state.misses.reduce(0, &+) << 1 | (state.isPaused ? 1 : 0))
      for byte in row.definition.bytes { sum = sum &* 31 &+ UInt64(byte) }
      for number in state.open { mix(row.id, number) }
    }
    return sum
  }

  /// Jobs by state.
  package var stateCounts: [(state: JobState, jobs: Int)] {
    JobState.allCases.map { state in
      (state, queues.indices.reduce(0) { $0 + (queues[$1].exists ? Int(queues[$1].counts[state]) : 0) })
    }
  }

  /// Stubs: idempotency keys whose jobs have left.
  package var stubCount: Int { stubHeap.slots.count }
  /// Queues with a job or a history.
  package var queueCount: Int { existingQueues }
}
