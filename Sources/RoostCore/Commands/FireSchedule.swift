extension Command {
  /// A schedule makes a job: an instant of it is due, one that waited may begin, or somebody asks for it.
  package struct FireSchedule: Sendable, BitwiseCopyable {
    /// 0: the schedule is named.
    package var id: UInt64
    package var owner = ByteRange.empty
    package var name = ByteRange.empty
    package var kind: ScheduleRun.Kind
    /// Seconds since 1970.
    package var instant: Int64
    /// Handed in: the instant behind one that is due; nil: none.
    package var next: Int64?
    /// Of a backfill: its operation.
    package var operation: UInt64 = 0
    /// Handed in: the job.
    package var submit: Submit?

    package init(id: UInt64, kind: ScheduleRun.Kind, instant: Int64) {
      self.id = id
      self.kind = kind
      self.instant = instant
    }
  }
}

extension Command.FireSchedule: StateCommand {
  /// With as many ends of runs as a schedule that takes their place may cancel.
  var mostBytes: Int { Int(submit?.body.count ?? 0) + 2_048 + (kind == .fired ? 400 * Schedule.mostCancels : 0) }

  /// What is due comes by many at once: `meetWaiters` follows the last.
  var meetsWaiters: Bool { kind == .triggered }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot =
      id == 0
      ? state.schedules.find(owner: step.bytes(owner), name: step.bytes(name)) : state.schedules.find(id: id)
    guard slot != .none, let submit else { return step.answer(ticket, .refused(.scheduleNotFound)) }
    switch kind {
    case .fired: state.meet(self, submit, slot, ticket, &step)
    case .started: state.start(self, submit, slot, ticket, &step)
    case .triggered, .backfilled, .missed: state.fire(self, submit, slot, ticket, &step)
    }
  }
}

extension StateMachine {
  /// An instant is due: it fires, waits for the end of a run, or is missed.
  fileprivate mutating func meet(
    _ command: Command.FireSchedule, _ submit: Command.Submit, _ slot: Slot, _ ticket: UInt64, _ step: inout Step
  ) {
    let row = schedules[slot]
    guard row.state.next == command.instant, command.instant <= dueSecond else { return step.answer(ticket, .nothing) }
    let isBusy = !row.state.open.isEmpty || row.state.pending != ScheduleDefinition.none
    guard isBusy, !defects.contains(.overlapIgnored) else { return fire(command, submit, slot, ticket, &step) }
    switch row.definition.overlap {
    case .allow where row.state.open.count < Schedule.mostOpen: return fire(command, submit, slot, ticket, &step)
    case .allow, .skip: pass(command, slot, .overlap, &step)
    case .bufferOne: pass(command, slot, row.state.pending == ScheduleDefinition.none ? nil : .overlap, &step)
    case .cancelOther:
      pass(command, slot, nil, &step)
      for number in row.state.open.prefix(Schedule.mostCancels) {
        let job = jobs.find(number)
        if job != .none { stop(job, because: .nextRun, &step) }
      }
    }
    step.answer(ticket, .nothing)
  }

  /// The run before has ended.
  fileprivate mutating func start(
    _ command: Command.FireSchedule, _ submit: Command.Submit, _ slot: Slot, _ ticket: UInt64, _ step: inout Step
  ) {
    guard schedules[slot].mayStart, schedules[slot].state.pending == command.instant else {
      return step.answer(ticket, .nothing)
    }
    fire(command, submit, slot, ticket, &step)
  }

  /// Makes the job, and says so in the same frame. An instant whose job finds no room waits.
  fileprivate mutating func fire(
    _ command: Command.FireSchedule, _ submit: Command.Submit, _ slot: Slot, _ ticket: UInt64, _ step: inout Step
  ) {
    let row = schedules[slot]
    let isTimed = command.kind == .fired || command.kind == .started
    if command.kind == .triggered, row.state.open.count >= Schedule.mostOpen {
      return step.answer(ticket, .refused(.overloaded))
    }
    let job: Slot
    do throws(Refusal) {
      let jitter = isTimed ? random(below: row.definition.jitterMilliseconds + 1, for: nextNumber) : 0
      job = try make(submit, laterMilliseconds: jitter, &step)
    } catch {
      if command.kind == .backfilled, error == .notUnique {
        skipBackfill(command.operation, to: command.instant, &step)
        return step.answer(ticket, .nothing)
      }
      if command.kind == .backfilled { backfillHeldUntil = now.log + Schedule.pause }
      guard isTimed else { return step.answer(ticket, .refused(error)) }
      fail(command, slot, because: error, &step)
      return step.answer(ticket, .nothing)
    }
    let next =
      command.kind == .fired
      ? following(command.next ?? ScheduleDefinition.none, of: row, fires: 1) : row.state.next
    let event = ScheduleFired(
      id: row.id, base: row.base, instant: command.instant, next: next, number: jobs.hot(job).pointee.number,
      kind: command.kind)
    if !defects.contains(.fireUnlogged) || command.kind != .fired { event.encode(into: &step.records) }
    event.apply(to: slot, in: &self)
    if command.kind == .backfilled { advanceBackfill(command.operation, to: command.instant, &step) }
    step.answer(ticket, .submitted(accepted(job)))
  }

  /// The job of an instant was refused: where that may pass the instant waits, else it is missed.
  private mutating func fail(
    _ command: Command.FireSchedule, _ slot: Slot, because refusal: Refusal, _ step: inout Step
  ) {
    switch refusal {
    case .queueFull: hold(schedule: slot, because: .queueFull)
    case .payloadTooLarge, .priorityInOrder, .callbackInOrder, .replaceInOrder, .tooLarge, .notUnique:
      let reason: ScheduleMiss = refusal == .notUnique ? .notUnique : .refused
      guard command.kind == .fired else { return hold(schedule: slot, because: reason) }
      pass(command, slot, reason, &step)
    default: hold(schedule: slot, because: .noRoom)
    }
  }

  /// An instant is behind the schedule, and did not fire.
  ///
  /// - Parameter reason: Nil: it waits for the end of a run.
  private mutating func pass(
    _ command: Command.FireSchedule, _ slot: Slot, _ reason: ScheduleMiss?, _ step: inout Step
  ) {
    let row = schedules[slot]
    let waits: UInt64 = reason == nil && row.state.pending == ScheduleDefinition.none ? 1 : 0
    let event = ScheduleMissed(
      id: row.id, base: row.base, first: command.instant, last: command.instant,
      next: following(command.next ?? ScheduleDefinition.none, of: row, fires: waits), count: 1, reason: reason)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}

extension Command {
  /// Instants of a schedule that came and do not fire.
  package struct MissInstants: Sendable, BitwiseCopyable {
    package var id: UInt64
    package var first: Int64
    package var last: Int64
    /// Handed in: the instant behind them; nil: none.
    package var next: Int64?
    package var count: UInt64
    package var reason: ScheduleMiss

    package init(id: UInt64, first: Int64, last: Int64, next: Int64?, count: UInt64, reason: ScheduleMiss) {
      self.id = id
      self.first = first
      self.last = last
      self.next = next
      self.count = count
      self.reason = reason
    }
  }
}

extension Command.MissInstants: StateCommand {
  var meetsWaiters: Bool { false }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.schedules.find(id: id)
    if slot != .none, state.schedules[slot].state.next == first {
      let row = state.schedules[slot]
      let event = ScheduleMissed(
        id: id, base: row.base, first: first, last: last,
        next: state.following(next ?? ScheduleDefinition.none, of: row), count: count, reason: reason)
      event.encode(into: &step.records)
      event.apply(to: slot, in: &state)
    }
    step.answer(ticket, .nothing)
  }
}
