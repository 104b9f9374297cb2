/// Instants of a schedule came and did not fire: they are missed, or one of them waits for the end of a run.
struct ScheduleMissed: ScheduleRecord {
  var id: UInt64
  var base: UInt64
  /// The first and the last of them; the same where there is one.
  var first: Int64
  var last: Int64
  /// The instant that follows.
  var next: Int64
  var count: UInt64
  /// Nil: the instant waits, and the one that waited before it is missed.
  var reason: ScheduleMiss?

  static var kind: RecordKind { .scheduleMissed }
  static var layout: [RecordField] { [8, .position, 8, 8, 8, 8, 1] }
  static let mostBytes = 1 + 6 * 8 + 1

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(base)
    out.put(first)
    out.put(last)
    out.put(next)
    out.put(count)
    out.put(reason?.rawValue ?? 0)
    records.close(out)
  }

  init(
    id: UInt64, base: UInt64, first: Int64, last: Int64, next: Int64, count: UInt64, reason: ScheduleMiss?
  ) {
    self.id = id
    self.base = base
    self.first = first
    self.last = last
    self.next = next
    self.count = count
    self.reason = reason
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    first = reader.get()
    last = reader.get()
    next = reader.get()
    count = reader.get()
    let raw = reader.get(UInt8.self)
    reason = ScheduleMiss(rawValue: raw)
    if raw != 0, reason == nil { return nil }
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard Schedule.instants.contains(first), Schedule.instants.contains(last), first <= last,
      RecordBounds.isInstant(next), next == ScheduleDefinition.none || next > last,
      count >= 1, count - 1 <= UInt64(last - first), (count == 1) == (first == last), reason != nil || count == 1
    else { throw .unfit("instants of a schedule", "\(count) from \(first) to \(last), then \(next)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    guard slot != .none else { return }
    let known = state.schedules[slot].state
    guard known.next == first else {
      throw .unfit("schedule \(id) at \(known.next)", "one that missed \(first)", place.position)
    }
    apply(to: slot, in: &state)
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    let waited = state.schedules[slot].state.pending
    if let reason {
      var run = ScheduleRun(at: first, kind: .missed, detail: reason.rawValue)
      run.count = count
      state.schedules[slot].state.miss(reason, count)
      state.schedules[slot].state.note(run)
    } else {
      if waited != ScheduleDefinition.none {
        state.schedules[slot].state.miss(.superseded)
        state.schedules[slot].state.note(
          ScheduleRun(at: waited, kind: .missed, detail: ScheduleMiss.superseded.rawValue))
      }
      state.schedules[slot].state.pending = first
    }
    state.schedules[slot].state.last = last
    state.schedules[slot].state.next = next
    state.schedules[slot].hold = nil
    guard state.isLive else { return }
    state.listSchedule(slot)
    if let reason {
      state.scheduleFigures.miss(reason, count)
    } else if waited != ScheduleDefinition.none {
      state.scheduleFigures.miss(.superseded)
    }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.schedules.find(id: id)
    guard slot != .none, !state.schedules[slot].state.isPaused, first > state.schedules[slot].state.last else { return }
    apply(to: slot, in: &state)
  }

  // MARK: Events

  /// What waits for the end of a run may fire yet.
  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    guard let missed = ScheduleMissed(whole: record), let reason = missed.reason else { return nil }
    var event = LoggedEvent(.scheduleMissed, .schedule(base: LogPosition(rawValue: missed.base)))
    (event.instant, event.count, event.miss) = (missed.last, missed.count, reason)
    return event
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = scheduleDescription
    out.add(instant: first, as: "first")
    out.add(instant: last, as: "last")
    out.add(instant: next, as: "next")
    out.add("count", count)
    out.add("reason", text: reason?.name ?? "waits")
    return out
  }
}
