/// Batches, as the machine runs them: who joins, what becomes of them when their jobs end.
extension StateMachine {
  /// What batch ids are sealed with: none passes for a job's.
  var batchSecret: SipKey { SipKey(k0: secret.k0 ^ 0x6261_7463_6865_7321, k1: secret.k1) }

  func id(ofBatch slot: Slot) -> JobID {
    JobID(
      number: JobNumber(rawValue: batches[slot].id), createdMilliseconds: batches[slot].state.createdAt,
      key: batchSecret)
  }

  /// A batch, if the whole id is right and it is the owner's; `.none` otherwise, by the same path.
  ///
  /// - Parameter owner: Empty: anybody's.
  func findBatch(_ id: JobID, owner: UnsafeRawBufferPointer) -> Slot {
    let slot = batches.find(id.number.rawValue)
    guard slot != .none, self.id(ofBatch: slot) == id, owner.isEmpty || batches[slot].owner.elementsEqual(owner) else {
      return .none
    }
    return slot
  }

  // MARK: Joining

  /// The batch that a job is to join; nil: none.
  func batchToJoin(_ command: Command.Submit, _ body: JobBodyLayout) throws(Refusal) -> Slot? {
    guard !body.options.isEmpty, let id = BatchMembership.id(in: body.options) else { return nil }
    let slot = findBatch(id, owner: body.owner)
    guard slot != .none else { throw .unknownBatch }
    let state = batches[slot].state
    guard state.completedAt == 0, state.cancelledAt == 0 else { throw .batchClosed }
    if state.closedAt == 0 || isRunningMember(of: slot, command.lease) || defects.contains(.closedBatchTakes) {
      return slot
    }
    throw .batchClosed
  }

  /// Whether a lease is that of a job of the batch.
  private func isRunningMember(of batch: Slot, _ lease: LeaseID) -> Bool {
    let job = batches.member(under: lease)
    return job != .none && batches.batch(of: job) == batch
  }

  /// A job with options came: it joins its batch, at once or at the end of the replay.
  mutating func noteOptions(_ options: JobOptions, of slot: Slot) {
    guard let id = BatchMembership.id(in: options) else { return }
    if isLive { join(slot, id) } else { replayedMembers[jobs.hot(slot).pointee.number] = id }
  }

  private mutating func join(_ slot: Slot, _ id: JobID) {
    let batch = findBatch(id, owner: ownerNames.bytes(jobs.cold(slot).pointee.owner))
    guard batch != .none, batches.batch(of: slot) == .none else { return }
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    batches.join(slot, batch, state)
    if state == .running, let cell = existingLeaseCell(slot) { batches.hold(slot, under: cell.pointee.id) }
  }

  /// A job of a batch comes into a state, or leaves one.
  mutating func noteBatch(_ slot: Slot, _ state: JobState, isEntered: Bool) {
    let batch = batches.batch(of: slot)
    if state == .running, let cell = existingLeaseCell(slot) {
      // Its batch may have been forgotten meanwhile.
      if !isEntered {
        batches.release(slot, under: cell.pointee.id)
      } else if batch != .none {
        batches.hold(slot, under: cell.pointee.id)
      }
    }
    guard batch != .none else { return }
    if isEntered { batches[batch].counts[state] += 1 } else { batches[batch].counts[state] -= 1 }
    if isEntered, state.isFinished { batches.doubt(batch) }
  }

  /// A job of a batch is to leave: how it ended is counted on.
  mutating func countLeaver(_ slot: Slot, _ step: inout Step) {
    let batch = batches.batch(of: slot)
    guard batch != .none else { return }
    let event = BatchCounted(
      id: batches[batch].id, base: batches[batch].base, number: jobs.hot(slot).pointee.number,
      state: JobState(rawValue: jobs.hot(slot).pointee.state)!)
    if !defects.contains(.leaversUncounted) { event.encode(into: &step.records) }
    event.apply(to: batch, in: &self)
  }

  // MARK: Ends

  /// What is due of batches: those that close by themselves, jobs of those that were called off, completions, and members
  /// of those that were forgotten.
  mutating func endBatches(atMost most: Int, _ step: inout Step) -> Int {
    var (done, looks, leavers) = (0, 0, 0)
    while done < most, looks < Self.mostBatchLooks {
      looks += 1
      if let first = batches.closeHeap.minimum, first.deadline <= now.log {
        _ = batches.closeHeap.popMinimum()
        guard batches.isUsed(first.slot), batches[first.slot].state.closedAt == 0,
          batches[first.slot].state.closesAt == first.deadline
        else { continue }
        close(batch: first.slot, isCancel: false, &step)
        done += 1
      } else if !batches.cancelling.isEmpty {
        guard let job = batches.nextCancelled() else { continue }
        stop(job, because: .batch, &step)
        if !endedJobs.isEmpty { answerEnds(&step) }
        done += 1
      } else if let batch = batches.doubtful.popLast() {
        batches[batch].isDoubtful = false
        guard batches[batch].isComplete else { continue }
        complete(batch, &step)
        done += 1
      } else if let first = batches.forgetHeap.minimum, first.deadline <= uptime {
        _ = batches.forgetHeap.popMinimum()
        guard isForgettable(first) else { continue }
        forget(batch: first.slot, &step)
        done += 1
      } else if !batches.leaving.isEmpty, leavers < Self.mostBatchLeavers {
        batches.dropLeaver()
        leavers += 1
      } else {
        break
      }
    }
    return done
  }

  private static var mostBatchLooks: Int { 16_384 }
  /// Members of batches that were forgotten that are let go in a step: some tenths of a millisecond.
  static var mostBatchLeavers: Int { 1_024 }

  var batchesOwe: Bool { !batches.doubtful.isEmpty || !batches.cancelling.isEmpty || !batches.leaving.isEmpty }

  /// Whether an entry of `forgetHeap` is of a batch that is complete still.
  private func isForgettable(_ entry: (deadline: Int64, slot: Slot)) -> Bool {
    batches.isUsed(entry.slot) && batches[entry.slot].state.completedAt != 0
      && forgetTime(ofBatch: entry.slot) == entry.deadline
  }

  /// Forgets the batch that was complete first, to make room for a new one. Returns false where none is complete.
  mutating func forgetCompleteBatch(_ step: inout Step) -> Bool {
    while let first = batches.forgetHeap.popMinimum() {
      guard isForgettable(first) else { continue }
      forget(batch: first.slot, &step)
      return true
    }
    return false
  }

  func forgetTime(ofBatch slot: Slot) -> Int64 {
    batches[slot].state.completedUptime + limits.retentionMilliseconds.nanoseconds
  }

  mutating func forget(batch: Slot, _ step: inout Step) {
    let event = BatchForgotten(id: batches[batch].id, base: batches[batch].base)
    event.encode(into: &step.records)
    event.apply(to: batch, in: &self)
  }

  /// A batch takes no more jobs, and may be called off.
  mutating func close(batch slot: Slot, isCancel: Bool, _ step: inout Step) {
    let batch = batches[slot]
    let event = BatchChanged(
      id: batch.id, base: batch.base, closedAt: batch.state.closedAt == 0 ? now.wall : batch.state.closedAt,
      cancelledAt: isCancel ? now.wall : batch.state.cancelledAt)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }

  /// Makes the job of a batch whose jobs have all ended. Nothing may refuse it: its room is kept.
  private mutating func complete(_ batch: Slot, _ step: inout Step) {
    var number: UInt64 = 0
    if batches[batch].state.cancelledAt == 0, let then = batches[batch].state.then {
      number = makeCompletion(then, &step)
    }
    let event = BatchCompleted(
      id: batches[batch].id, base: batches[batch].base, at: now.wall, uptime: uptime, number: number)
    if !defects.contains(.completionUnlogged) { event.encode(into: &step.records) }
    event.apply(to: batch, in: &self)
  }

  private mutating func makeCompletion(_ then: ScheduleDefinition, _ step: inout Step) -> UInt64 {
    guard nextNumber < JobNumber.limit else { return 0 }
    return then.body.withUnsafeBytes { bytes in
      guard let body = JobBodyLayout(bytes) else { preconditionFailure("a batch's job was checked when it was set") }
      _ = makeRoom(for: body.queue, &step)
      var job = then.job
      fillIn(&job, settings(ofQueue: body.queue))
      let (deadline, isWall) = dueTime(of: job)
      let event = Submitted(
        number: nextNumber, created: now.wall, order: deadline == 0 ? nextOrder : 0, deadline: deadline, isWall: isWall,
        command: job, keyFields: UnsafeRawBufferPointer(start: nil, count: 0), body: bytes)
      let place = event.encode(into: &step.records)
      event.apply(body, at: place, to: &self)
      return event.number
    }
  }

  // MARK: Replay

  /// Jobs join their batches at the end of a replay; what is owed is begun again.
  mutating func linkBatches() {
    for (number, id) in replayedMembers.sorted(by: { $0.key < $1.key }) {
      let slot = jobs.find(number)
      if slot != .none { join(slot, id) }
    }
    replayedMembers = [:]
    for id in batches.order {
      let slot = batches.find(id)
      listBatch(slot)
    }
  }

  /// What of a batch ends by itself is waited for.
  mutating func listBatch(_ slot: Slot) {
    let state = batches[slot].state
    guard state.completedAt == 0 else { return batches.forgetHeap.insert(slot, deadline: forgetTime(ofBatch: slot)) }
    if state.closedAt == 0, state.closesAt > 0 { batches.closeHeap.insert(slot, deadline: state.closesAt) }
    if state.cancelledAt != 0 { batches.beginCancel(slot) }
    if state.closedAt != 0 { batches.doubt(slot) }
  }
}

/// `JobOption.batch`: the id of a batch.
package enum BatchMembership {
  package static func encode(_ id: JobID) -> [UInt8] {
    [id.high, id.low].flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
  }

  package static func id(in options: JobOptions) -> JobID? {
    guard let bytes = options[.batch], bytes.count == 16 else { return nil }
    return JobID(
      high: UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)),
      low: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
  }
}
