extension Command {
  /// A schedule whose record stands in the segment that a trim takes, to be written again.
  package struct CarrySchedule: Sendable, BitwiseCopyable {
    fileprivate let id: UInt64
    fileprivate let base: UInt64
    let mostBytes: Int
  }
}

extension Command.CarrySchedule: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.schedules.find(id: id)
    // What was set meanwhile stands behind the segment.
    if slot != .none, state.schedules[slot].base == base, !state.defects.contains(.scheduleNotCarried) {
      let event = ScheduleSet(state.schedules[slot])
      let place = event.encode(into: &step.records)
      state.schedules[slot].base = place.position.rawValue
      state.schedules[slot].recordBytes = place.bytes
    }
    step.answer(ticket, .carried(true))
  }
}

extension LogPosition {
  /// Behind every record.
  package static var end: LogPosition { LogPosition(rawValue: .max) }
}

extension StateMachine {
  /// What carries the schedules whose records stand before a position. They need not be the last of a trim: what comes
  /// after a copy names it.
  package func scheduleCarries(before end: LogPosition) -> [Command] {
    schedules.order.compactMap { slot in
      let row = schedules[slot]
      guard row.base < end.rawValue else { return nil }
      return .carrySchedule(
        Command.CarrySchedule(
          id: row.id, base: row.base,
          mostBytes: ScheduleSet.mostBytes(definition: row.definition.encodedBytes)))
    }
  }
}
