extension Command {
  /// Shows a schedule, or those of an owner, or all, by owner and name.
  package struct ReadSchedules: Sendable, BitwiseCopyable {
    /// Empty, without a name: everybody's.
    package var owner: ByteRange
    /// Empty: all of them.
    package var name = ByteRange.empty
    /// Those behind this owner and name.
    package var afterOwner = ByteRange.empty
    package var afterName = ByteRange.empty
    package var limit: Int32 = 1

    package init(owner: ByteRange) { self.owner = owner }
  }
}

extension Command.ReadSchedules: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard name.isEmpty else {
      let slot = state.schedules.find(owner: step.bytes(owner), name: step.bytes(name))
      guard slot != .none else { return step.answer(ticket, .refused(.scheduleNotFound)) }
      return answer([slot], hasMore: false, in: &state, ticket, &step)
    }
    let (after, isOfAll) = (step.bytes(afterName), owner.isEmpty)
    var place = state.schedules.place(owner: step.bytes(isOfAll ? afterOwner : owner), name: after)
    var found: [Slot] = []
    while place < state.schedules.order.count {
      let slot = state.schedules.order[place]
      let row = state.schedules[slot]
      guard isOfAll || row.owner.elementsEqual(step.bytes(owner)) else { break }
      // The last of the page before.
      let isBefore =
        !after.isEmpty && found.isEmpty && row.name.elementsEqual(after)
        && row.owner.elementsEqual(step.bytes(isOfAll ? afterOwner : owner))
      if !isBefore {
        guard found.count < limit else { return answer(found, hasMore: true, in: &state, ticket, &step) }
        found.append(slot)
      }
      place += 1
    }
    answer(found, hasMore: false, in: &state, ticket, &step)
  }

  private func answer(
    _ found: [Slot], hasMore: Bool, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step
  ) {
    let first = step.schedules.count
    for slot in found { step.schedules.append(state.image(ofSchedule: slot, &step)) }
    step.answer(ticket, .schedules(first: Int32(first), count: Int32(found.count), hasMore: hasMore, isNew: false))
  }
}

/// A schedule as it is shown. Instants are seconds since 1970, nil where there is none.
package struct ScheduleImage: Sendable, BitwiseCopyable {
  // In `Step.text`.
  package var owner: ByteRange
  package var name: ByteRange
  /// `ScheduleDefinition.bytes`.
  package var definition: ByteRange
  /// `ScheduleRun` behind `ScheduleRun`, the latest last; of jobs that are still there with the states that they are in.
  package var recent: ByteRange
  package var pauseReason: ByteRange
  /// Wall milliseconds.
  package var createdAt: Int64
  package var changedAt: Int64
  package var anchor: Int64
  package var next: Int64?
  package var last: Int64?
  package var pending: Int64?
  package var runs: UInt64
  package var failures: UInt32
  package var openRuns: Int32
  package var isPaused: Bool
  /// Wall milliseconds.
  package var pausedAt: Int64
  /// Why an instant waits that is due.
  package var hold: ScheduleMiss?
  /// In the order of `ScheduleMiss`.
  package var misses: InlineArray<9, UInt64>
}

extension StateMachine {
  func image(ofSchedule slot: Slot, _ step: inout Step) -> ScheduleImage {
    let row = schedules[slot]
    let state = row.state
    func instant(_ seconds: Int64) -> Int64? { seconds == ScheduleDefinition.none ? nil : seconds }
    var misses = InlineArray<9, UInt64>(repeating: 0)
    for (place, count) in state.misses.enumerated() { misses[place] = count }
    return ScheduleImage(
      owner: row.owner.withUnsafeBytes { step.copy($0) }, name: row.name.withUnsafeBytes { step.copy($0) },
      definition: row.definition.bytes.withUnsafeBytes { step.copy($0) },
      recent: recentBytes(of: state).withUnsafeBytes { step.copy($0) },
      pauseReason: state.reason.withUnsafeBytes { step.copy($0) }, createdAt: state.createdAt,
      changedAt: state.changedAt, anchor: state.anchor, next: instant(state.next), last: instant(state.last),
      pending: instant(state.pending), runs: state.runs, failures: state.failures, openRuns: Int32(state.open.count),
      isPaused: state.isPaused, pausedAt: state.pausedAt, hold: row.hold, misses: misses)
  }

  private func recentBytes(of state: ScheduleState) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: ScheduleRun.bytes * state.recent.count) { memory, filled in
      guard let start = memory.baseAddress else { return }
      var out = RecordWriter(at: start)
      for var run in state.recent {
        let job = run.number == 0 ? .none : jobs.find(run.number)
        if job != .none { run.detail = jobs.hot(job).pointee.state }
        run.encode(into: &out)
      }
      filled = ScheduleRun.bytes * state.recent.count
    }
  }
}
