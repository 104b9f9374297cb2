extension Command {
  /// Begins to make the jobs of all instants of a schedule between two times, whether they were met before or not.
  package struct Backfill: Sendable, BitwiseCopyable {
    package var owner: ByteRange
    package var name: ByteRange
    /// Seconds since 1970, at least 1; the first and the last that count.
    package var from: Int64
    package var to: Int64

    package init(owner: ByteRange, name: ByteRange, from: Int64, to: Int64) {
      self.owner = owner
      self.name = name
      self.from = from
      self.to = to
    }
  }

  /// Nothing is left of a backfill, or its schedule is gone.
  package struct EndBackfill: Sendable, BitwiseCopyable {
    package var id: UInt64

    package init(id: UInt64) { self.id = id }
  }
}

extension Command.Backfill: StateCommand {
  var mostBytes: Int { OperationBegan.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard state.schedules.find(owner: step.bytes(owner), name: step.bytes(name)) != .none else {
      return step.answer(ticket, .refused(.scheduleNotFound))
    }
    if state.conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    guard state.operations.mayBegin else { return step.answer(ticket, .refused(.tooManyOperations)) }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    let event = OperationBegan(
      id: state.operations.next, at: state.now.wall, kind: .backfill, states: 0, before: to, bound: UInt64(from - 1),
      limit: UInt64(Schedule.mostCaughtUp), queue: none, type: step.bytes(name), owner: step.bytes(owner), group: none,
      target: none)
    event.encode(into: &step.records)
    event.apply(to: &state)
    Command.ReadOperations(id: event.id).decide(in: &state, ticket, &step)
  }
}

extension Command.EndBackfill: StateCommand {
  var meetsWaiters: Bool { false }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if var operation = state.operations.find(id), operation.kind == .backfill, !operation.phase.isOver {
      (operation.phase, operation.endedAt) = (.done, state.now.wall)
      state.advance(operation, &step)
    }
    step.answer(ticket, .nothing)
  }
}

extension StateMachine {
  /// What a backfill is to do next.
  package struct BackfillWork {
    package var id: UInt64
    /// 0: the schedule is gone.
    package var schedule: UInt64
    /// The next instant lies behind this one, and not behind `to`, seconds since 1970.
    package var after: Int64
    package var to: Int64
  }

  /// The first backfill that goes on.
  package var nextBackfill: BackfillWork? {
    guard let operation = operations.backfill, now.log >= backfillHeldUntil else { return nil }
    let slot = schedules.find(owner: ownerNames.bytes(operation.owner), name: typeNames.bytes(operation.type))
    return BackfillWork(
      id: operation.id, schedule: slot == .none ? 0 : schedules[slot].id, after: Int64(operation.cursor),
      to: operation.before)
  }

  /// A backfill passes an instant over whose job is not unique.
  mutating func skipBackfill(_ id: UInt64, to instant: Int64, _ step: inout Step) {
    guard var operation = operations.find(id) else { return }
    (operation.cursor, operation.skipped) = (UInt64(instant), operation.skipped + 1)
    advance(operation, &step)
  }

  /// A backfill made a job, or its job found no room and it waits.
  mutating func advanceBackfill(_ id: UInt64, to instant: Int64, _ step: inout Step) {
    guard var operation = operations.find(id) else { return }
    (operation.cursor, operation.done) = (UInt64(instant), operation.done + 1)
    if operation.done >= operation.limit { (operation.phase, operation.endedAt) = (.done, now.wall) }
    advance(operation, &step)
  }
}
