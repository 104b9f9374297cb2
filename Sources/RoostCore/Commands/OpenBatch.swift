extension Command {
  /// A new batch.
  package struct OpenBatch: Sendable, BitwiseCopyable {
    package var owner: ByteRange
    package var name: ByteRange
    /// The job that is made when all have ended, as a schedule would have it; empty: none.
    package var then: ByteRange
    package var isEnded: Bool
    /// Until it closes by itself; 0: it does not.
    package var milliseconds: Int64

    package init(owner: ByteRange, name: ByteRange, then: ByteRange, isEnded: Bool, milliseconds: Int64) {
      self.owner = owner
      self.name = name
      self.then = then
      self.isEnded = isEnded
      self.milliseconds = milliseconds
    }
  }

  /// A batch is closed, or called off.
  package struct ChangeBatch: Sendable, BitwiseCopyable {
    package var batch: JobID
    /// Empty: anybody's.
    package var owner: ByteRange
    package var isCancel: Bool

    package init(batch: JobID, owner: ByteRange, isCancel: Bool) {
      self.batch = batch
      self.owner = owner
      self.isCancel = isCancel
    }
  }

  /// A batch, or those of an owner, the newest first.
  package struct ReadBatches: Sendable, BitwiseCopyable {
    /// Empty: everybody's.
    package var owner: ByteRange
    /// Nil: all of them.
    package var batch: JobID?
    /// With smaller numbers; 0: from the newest.
    package var below: UInt64
    package var limit: Int32

    package init(owner: ByteRange, batch: JobID?, below: UInt64, limit: Int) {
      self.owner = owner
      self.batch = batch
      self.below = below
      self.limit = Int32(limit)
    }
  }

  /// A batch, to be written again in each trim.
  package struct CarryBatch: Sendable, BitwiseCopyable {
    fileprivate let id: UInt64
    let mostBytes: Int
  }
}

extension Command.OpenBatch: StateCommand {
  var mostBytes: Int { Int(owner.count) + Int(name.count) + Int(then.count) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if state.conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    if state.conditions.isMemoryLow { return step.answer(ticket, .refused(.memoryLow)) }
    guard state.makeRoomForBatch(&step) else { return step.answer(ticket, .refused(.tooManyBatches)) }
    let batch = Batch(
      id: state.batches.next, owner: [UInt8](step.bytes(owner)),
      state: BatchState(
        name: [UInt8](step.bytes(name)), createdAt: state.now.wall, isEnded: isEnded,
        closesAt: milliseconds == 0 ? 0 : state.now.log + milliseconds.nanoseconds,
        foreseen: milliseconds == 0 ? 0 : state.now.wall + milliseconds,
        then: then.isEmpty ? nil : ScheduleDefinition(step.bytes(then))))
    let event = BatchSet(batch)
    let place = event.encode(into: &step.records)
    event.apply(at: place, to: &state)
    state.answer(batches: [state.batches.find(batch.id)], next: 0, ticket, &step)
  }
}

extension Command.ChangeBatch: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.findBatch(batch, owner: step.bytes(owner))
    guard slot != .none else { return step.answer(ticket, .refused(.batchNotFound)) }
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let known = state.batches[slot].state
    let isDone = known.completedAt != 0 || (isCancel ? known.cancelledAt : known.closedAt) != 0
    if !isDone { state.close(batch: slot, isCancel: isCancel, &step) }
    state.answer(batches: [slot], next: 0, ticket, &step)
  }
}

extension Command.ReadBatches: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let owner = step.bytes(owner)
    if let batch {
      let slot = state.findBatch(batch, owner: owner)
      guard slot != .none else { return step.answer(ticket, .refused(.batchNotFound)) }
      return state.answer(batches: [slot], next: 0, ticket, &step)
    }
    let numbers = state.batches.numbers(ofOwner: owner)
    let end = below == 0 ? numbers.count : Batches.place(of: below, in: numbers)
    let page = numbers[max(0, end - Int(limit))..<end].reversed()
    let next = page.count < end ? page.last ?? 0 : 0
    state.answer(batches: page.map { state.batches.find($0) }, next: next, ticket, &step)
  }
}

extension Command.CarryBatch: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.batches.find(id)
    if slot != .none, !state.defects.contains(.batchNotCarried) {
      let place = BatchSet(state.batches[slot]).encode(into: &step.records)
      state.batches[slot].base = place.position.rawValue
      state.batches[slot].recordBytes = place.bytes
    }
    step.answer(ticket, .carried(true))
  }
}

/// A batch as it is shown.
package struct BatchImage: Sendable, BitwiseCopyable {
  package var id: JobID
  // In `Step.text`.
  package var owner: ByteRange
  package var name: ByteRange
  package var phase: BatchPhase
  package var isEnded: Bool
  package var hasJob: Bool
  /// Wall milliseconds; 0: never.
  package var createdAt: Int64
  package var closesAt: Int64
  package var closedAt: Int64
  package var completedAt: Int64
  /// The job that was made.
  package var job: JobID?
  /// Of the jobs that are there.
  package var counts: StateCounts
  /// Of those that have left: ACKED, DEAD, CANCELLED.
  package var acked: UInt64
  package var dead: UInt64
  package var cancelled: UInt64
}

extension StateMachine {
  fileprivate mutating func makeRoomForBatch(_ step: inout Step) -> Bool {
    guard batches.count >= limits.maxBatches else { return true }
    return batches.count == limits.maxBatches && forgetCompleteBatch(&step)
  }

  fileprivate mutating func answer(batches slots: [Slot], next: UInt64, _ ticket: UInt64, _ step: inout Step) {
    let first = step.batches.count
    for slot in slots { step.batches.append(image(ofBatch: slot, &step)) }
    step.answer(ticket, .batches(first: Int32(first), count: Int32(slots.count), next: next))
  }

  private func image(ofBatch slot: Slot, _ step: inout Step) -> BatchImage {
    let batch = batches[slot]
    let state = batch.state
    return BatchImage(
      id: id(ofBatch: slot), owner: batch.owner.withUnsafeBytes { step.copy($0) },
      name: state.name.withUnsafeBytes { step.copy($0) }, phase: batch.phase, isEnded: state.isEnded,
      hasJob: state.then != nil, createdAt: state.createdAt,
      closesAt: closingTime(state), closedAt: state.closedAt,
      completedAt: state.completedAt,
      job: state.job == 0
        ? nil : JobID(number: JobNumber(rawValue: state.job), createdMilliseconds: state.completedAt, key: secret),
      counts: batch.counts, acked: state.left.acked, dead: state.left.dead, cancelled: state.left.cancelled)
  }

  /// Wall milliseconds at which a batch closes by itself; 0: it does not, or is closed.
  private func closingTime(_ state: BatchState) -> Int64 {
    guard state.closedAt == 0, state.closesAt != 0 else { return 0 }
    return state.foreseen != 0 ? state.foreseen : wall(ofLog: state.closesAt)
  }

  /// What carries all batches: absolute counts are the last of a trim.
  var batchCarries: [Command] {
    batches.order.map {
      .carryBatch(Command.CarryBatch(id: $0, mostBytes: BatchSet.mostBytes(of: batches[batches.find($0)])))
    }
  }
}
