/// The zone data changed: another instant of a schedule is next.
struct ScheduleRescheduled: ScheduleRecord {
  var id: UInt64
  var base: UInt64
  /// Seconds since 1970, or `ScheduleDefinition.none`.
  var next: Int64

  static var kind: RecordKind { .scheduleRescheduled }
  static var layout: [RecordField] { [8, .position, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 32)
    out.put(id)
    out.put(base)
    out.put(next)
    records.close(out)
  }

  init(id: UInt64, base: UInt64, next: Int64) {
    self.id = id
    self.base = base
    self.next = next
  }

  init(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    next = reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isInstant(next) else { throw .unfit("an instant of a schedule", "\(next)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    guard slot != .none else { return }
    guard fits(state.schedules[slot].state) else {
      throw .unfit("an instant behind \(state.schedules[slot].state.last)", "\(next)", place.position)
    }
    apply(to: slot, in: &state)
  }

  /// Whether the schedule waits for an instant, and has met none that comes behind this one.
  private func fits(_ known: ScheduleState) -> Bool {
    let none = ScheduleDefinition.none
    return known.next != none && !known.isPaused && (next == none || next > known.last && next > known.pending)
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    state.schedules[slot].state.next = next
    if state.isLive { state.listSchedule(slot) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.schedules.find(id: id)
    if slot != .none, fits(state.schedules[slot].state) { apply(to: slot, in: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = scheduleDescription
    out.add(instant: next, as: "next")
    return out
  }
}
