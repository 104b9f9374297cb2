/// A record of what happened to a schedule.
///
/// It carries the schedule's number and its *base*, the position of its `scheduleSet` record, so that a replay of a
/// trimmed log can tell a schedule that is gone, or whose copy is to come, from one that is missing.
protocol ScheduleRecord: LogRecord {
  var id: UInt64 { get }
  var base: UInt64 { get }
}

extension ScheduleRecord {
  /// The schedule that it names; `.none` if its base was trimmed away.
  func locate(in state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) -> Slot {
    let slot = state.schedules.find(id: id)
    if slot == .none {
      guard base < state.firstPosition.rawValue, id > 0, id <= RecordBounds.counter else {
        throw .unfit("schedule \(id)", "none such in the log before it", position)
      }
    } else if state.schedules[slot].base != base {
      throw .unfit("base \(state.schedules[slot].base) of schedule \(id)", "base \(base)", position)
    }
    return slot
  }

  /// A description that names the schedule.
  var scheduleDescription: RecordDescription {
    var out = RecordDescription(Self.kind)
    out.add("schedule", id)
    out.add("base", hex: base)
    return out
  }
}

extension RecordBounds {
  /// Whether seconds are an instant that a schedule may fire at, or none.
  static func isInstant(_ seconds: Int64) -> Bool {
    seconds == ScheduleDefinition.none || Schedule.instants.contains(seconds)
  }
}
