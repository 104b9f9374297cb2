/// Schedules, as the machine runs them: which are due, what becomes of their instants, and how their runs end.
extension StateMachine {
  /// The second in which schedules are judged.
  package var dueSecond: Int64 {
    let (quotient, rest) = now.dueWall.quotientAndRemainder(dividingBy: 1_000)
    return rest < 0 ? quotient - 1 : quotient
  }

  package var scheduleCount: Int { schedules.count }

  // MARK: What is to be done

  /// Something that a schedule is to do, for which its next instants are wanted.
  package struct ScheduleWork {
    package var id: UInt64
    /// The instant that is due, or that waited for the end of a run.
    package var instant: Int64
    package var isStart: Bool
    /// Late instants beyond these are missed.
    package var catchUp: ScheduleCatchUp
    package var windowSeconds: Int64?
    /// Why the instant has found no room so far.
    package var hold: ScheduleMiss?
    /// The instant that follows a start.
    package var next: Int64
  }

  /// The first schedule that is to fire; nil when none is, and while the wall clock is not believed.
  package mutating func nextScheduleWork() -> ScheduleWork? {
    guard !conditions.isWallSuspect || defects.contains(.firesWhileSuspect) else { return nil }
    endScheduleHolds()
    while let slot = schedules.startable.first {
      if schedules.isUsed(slot), schedules[slot].mayStart { return work(slot, isStart: true) }
      schedules.startable.removeFirst()
    }
    while let first = scheduleHeap.minimum, first.deadline <= dueSecond {
      if schedules.isUsed(first.slot), schedules[first.slot].state.next == first.deadline {
        return work(first.slot, isStart: false)
      }
      _ = scheduleHeap.popMinimum()
    }
    return nil
  }

  private func work(_ slot: Slot, isStart: Bool) -> ScheduleWork {
    let row = schedules[slot]
    return ScheduleWork(
      id: row.id, instant: isStart ? row.state.pending : row.state.next, isStart: isStart,
      catchUp: row.definition.catchUp, windowSeconds: row.windowSeconds, hold: row.hold, next: row.state.next)
  }

  /// What is said of a schedule, and where its `every` counts from; nil where there is none of this number.
  package func scheduleDefinition(_ id: UInt64) -> (definition: ScheduleDefinition, anchor: Int64)? {
    let slot = schedules.find(id: id)
    return slot == .none ? nil : (schedules[slot].definition, schedules[slot].state.anchor)
  }

  /// The name of a schedule; empty where there is none of this number.
  package func scheduleName(_ id: UInt64) -> [UInt8] {
    let slot = schedules.find(id: id)
    return slot == .none ? [] : schedules[slot].name
  }

  /// Where the instants of a schedule go on that is set or resumed now: behind this one.
  ///
  /// None up to the last that fired comes again, and one that is due and has not fired yet is not lost.
  package func scheduleOrigin(
    owner: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer
  ) -> (id: UInt64, after: Int64, anchor: Int64) {
    let slot = schedules.find(owner: owner, name: name)
    guard slot != .none else { return (0, dueSecond, dueSecond) }
    let (id, state) = (schedules[slot].id, schedules[slot].state)
    let due = state.next == ScheduleDefinition.none ? dueSecond : min(dueSecond, state.next - 1)
    return (id, defects.contains(.editRepeats) ? due - 3_600 : max(due, state.last), state.anchor)
  }

  // MARK: Instants

  /// A schedule's next instant, or another after it changed, is waited for.
  mutating func listSchedule(_ slot: Slot) {
    let row = schedules[slot]
    if row.state.next != ScheduleDefinition.none, row.listed != row.state.next {
      scheduleHeap.insert(slot, deadline: row.state.next)
      schedules[slot].listed = row.state.next
    }
    if row.mayStart, !schedules.startable.contains(slot) { schedules.startable.append(slot) }
    // Instants that an edit took back leave entries behind.
    if scheduleHeap.count > 2 * schedules.count + 64 { listScheduleInstants() }
  }

  private mutating func listScheduleInstants() {
    scheduleHeap = ExpiryHeap()
    for slot in schedules.order where schedules[slot].state.next != ScheduleDefinition.none {
      scheduleHeap.insert(slot, deadline: schedules[slot].state.next)
      schedules[slot].listed = schedules[slot].state.next
    }
  }

  /// What is not logged of schedules, at the end of a replay; runs of which the log does not say that they ended, and
  /// whose jobs have, are noted.
  mutating func listSchedules() {
    listScheduleInstants()
    for slot in schedules.order {
      for number in schedules[slot].state.open {
        let job = jobs.find(number)
        let state = job == .none ? 0 : jobs.hot(job).pointee.state
        if job == .none || JobState(rawValue: state)!.isFinished {
          schedules.ended.append(Schedules.EndedRun(number: number, state: state))
        }
      }
      if schedules[slot].mayStart { schedules.startable.append(slot) }
    }
  }

  /// An instant found no room: it is tried again a little later.
  mutating func hold(schedule slot: Slot, because reason: ScheduleMiss) {
    schedules[slot].hold = reason
    schedules[slot].heldUntil = now.log + Schedule.pause
    scheduleHoldHeap.insert(slot, deadline: now.log + Schedule.pause)
    schedules.startable.removeAll { $0 == slot }
    if scheduleHeap.minimum?.slot == slot { _ = scheduleHeap.popMinimum() }
  }

  /// The same of a schedule by its number.
  package mutating func hold(schedule id: UInt64, because reason: ScheduleMiss) {
    let slot = schedules.find(id: id)
    if slot != .none { hold(schedule: slot, because: reason) }
  }

  private mutating func endScheduleHolds() {
    while let first = scheduleHoldHeap.minimum, first.deadline <= now.log {
      _ = scheduleHoldHeap.popMinimum()
      guard schedules.isUsed(first.slot), schedules[first.slot].heldUntil == first.deadline else { continue }
      schedules[first.slot].heldUntil = 0
      schedules[first.slot].listed = ScheduleDefinition.none
      listSchedule(first.slot)
    }
  }

  // MARK: Runs

  /// A job that a schedule made has ended.
  mutating func noteRunEnd(_ slot: Slot) {
    let row = jobs.hot(slot).pointee
    guard schedules.schedule(ofRun: row.number) != .none else { return }
    schedules.ended.append(Schedules.EndedRun(number: row.number, state: row.state))
  }

  /// Writes down which runs ended. A schedule pauses itself where too many of them did so DEAD.
  mutating func endRuns(_ step: inout Step) {
    for run in schedules.ended {
      let slot = schedules.schedule(ofRun: run.number)
      guard slot != .none else { continue }
      let (row, state) = (schedules[slot], JobState(rawValue: run.state))
      let failures =
        switch state {
        case .dead: row.state.failures &+ 1
        case .acked: UInt32(0)
        default: row.state.failures
        }
      let isTooMany = state == .dead && failures >= row.definition.pauseOnFailure ?? .max
      let event = ScheduleRan(
        id: row.id, base: row.base, number: run.number, at: now.wall, failures: failures, outcome: run.state,
        pauses: isTooMany && !row.state.isPaused && !defects.contains(.failuresIgnored))
      event.encode(into: &step.records)
      event.apply(to: slot, in: &self)
    }
    schedules.ended.removeAll(keepingCapacity: true)
  }
}
