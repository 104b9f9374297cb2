extension Command {
  /// Makes a schedule, changes one, or takes one away.
  package struct ChangeSchedule: Sendable, BitwiseCopyable {
    package enum Change: Sendable, BitwiseCopyable {
      /// `ScheduleDefinition.bytes`.
      case set(ByteRange)
      /// Why, at most 255 bytes.
      case pause(reason: ByteRange)
      case resume
      case remove
    }

    package var owner: ByteRange
    package var name: ByteRange
    package var change: Change
    /// Handed in: the instant that is next from now on, by a definition that is set, or goes on; nil: none.
    package var next: Int64?
    /// Handed in: how long the definition is that goes on, or is paused.
    package var definitionBytes: UInt32 = 0

    package init(owner: ByteRange, name: ByteRange, change: Change) {
      self.owner = owner
      self.name = name
      self.change = change
    }
  }
}

extension Command.ChangeSchedule: StateCommand {
  var mostBytes: Int {
    if case .set(let definition) = change { return ScheduleSet.mostBytes(definition: Int(definition.count)) + 1_024 }
    if case .remove = change { return 1_024 }
    return ScheduleSet.mostBytes(definition: Int(definitionBytes)) + 1_024
  }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.schedules.find(owner: step.bytes(owner), name: step.bytes(name))
    guard case .set(let definition) = change else { return decide(on: slot, in: &state, ticket, &step) }
    guard let said = ScheduleDefinition(step.bytes(definition)) else {
      preconditionFailure("a handler encodes the schedule it sets")
    }
    guard slot != .none else { return make(said, in: &state, ticket, &step) }
    var row = state.schedules[slot]
    guard row.definition.bytes != said.bytes else { return answer(isNew: false, in: &state, ticket, &step) }
    if let refusal = Self.refusal(in: state) { return step.answer(ticket, .refused(refusal)) }
    let goesOn = row.definition.timing == said.timing && row.state.next != ScheduleDefinition.none
    row.definition = said
    row.state.changedAt = state.now.wall
    // It would be one run more than there may be now.
    if row.state.runs >= said.maxRuns ?? .max { row.state.missPending(.superseded) }
    if !row.state.isPaused {
      let next = goesOn && !state.defects.contains(.editRepeats) ? row.state.next : next ?? ScheduleDefinition.none
      row.state.next = state.following(next, of: row)
    }
    state.tell(row, &step)
    answer(isNew: false, in: &state, ticket, &step)
  }

  private func make(
    _ said: ScheduleDefinition, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step
  ) {
    if let refusal = Self.refusal(in: state) { return step.answer(ticket, .refused(refusal)) }
    guard state.schedules.count < state.limits.maxSchedules else {
      return step.answer(ticket, .refused(.tooManySchedules))
    }
    var row = Schedule(
      id: state.schedules.nextID, owner: [UInt8](step.bytes(owner)), name: [UInt8](step.bytes(name)), definition: said,
      state: ScheduleState(createdAt: state.now.wall, anchor: state.dueSecond))
    row.state.next = state.following(next ?? ScheduleDefinition.none, of: row)
    state.tell(row, &step)
    answer(isNew: true, in: &state, ticket, &step)
  }

  private func decide(on slot: Slot, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard slot != .none else { return step.answer(ticket, .refused(.scheduleNotFound)) }
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    var row = state.schedules[slot]
    switch change {
    case .set: return
    case .pause(let reason):
      guard !row.state.isPaused else { break }
      row.state.pause(at: state.now.wall, because: [UInt8](step.bytes(reason)))
      state.tell(row, &step)
    case .resume:
      guard row.state.isPaused else { break }
      (row.state.isPaused, row.state.pausedAt, row.state.reason, row.state.failures) = (false, 0, [], 0)
      row.state.next = state.following(next ?? ScheduleDefinition.none, of: row)
      state.tell(row, &step)
    case .remove:
      let first = step.schedules.count
      step.schedules.append(state.image(ofSchedule: slot, &step))
      let event = ScheduleRemoved(id: row.id, base: row.base)
      event.encode(into: &step.records)
      event.apply(to: slot, in: &state)
      return step.answer(ticket, .schedules(first: Int32(first), count: 1, hasMore: false, isNew: false))
    }
    answer(isNew: false, in: &state, ticket, &step)
  }

  private func answer(isNew: Bool, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.schedules.find(owner: step.bytes(owner), name: step.bytes(name))
    let first = step.schedules.count
    step.schedules.append(state.image(ofSchedule: slot, &step))
    step.answer(ticket, .schedules(first: Int32(first), count: 1, hasMore: false, isNew: isNew))
  }

  private static func refusal(in state: borrowing StateMachine) -> Refusal? {
    state.conditions.diskLevel >= 1 ? .diskLow : state.conditions.isMemoryLow ? .memoryLow : nil
  }
}

extension StateMachine {
  /// Writes a schedule as it is from here on, and applies it.
  mutating func tell(_ schedule: Schedule, _ step: inout Step) {
    // One that waited for the end of a run is missed where it is paused, or edited to have no more runs.
    let slot = schedules.find(id: schedule.id)
    if slot != .none { scheduleFigures.noteMisses(from: schedules[slot].state, to: schedule.state) }
    let event = ScheduleSet(schedule)
    event.apply(at: event.encode(into: &step.records), to: &self)
  }

  /// The instant behind those that a schedule has met, as it allows it.
  func following(_ next: Int64, of row: borrowing Schedule, fires: UInt64 = 0) -> Int64 {
    let waits: UInt64 = row.state.pending == ScheduleDefinition.none ? 0 : 1
    let runs = defects.contains(.runsUnbounded) ? 0 : row.state.runs + waits + fires
    return row.following(next, runs: runs)
  }
}
