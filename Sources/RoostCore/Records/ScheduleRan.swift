/// A run of a schedule ended; the schedule pauses itself where too many did so DEAD.
struct ScheduleRan: ScheduleRecord {
  var id: UInt64
  var base: UInt64
  /// The job's.
  var number: UInt64
  /// Wall time, milliseconds.
  var at: Int64
  /// DEAD runs, one behind the other, with this one.
  var failures: UInt32
  /// `JobState` of the job; 0: it left before anybody looked.
  var outcome: UInt8
  var pauses: Bool

  static var kind: RecordKind { .scheduleRan }
  static var layout: [RecordField] { [8, .position, 8, 8, 4, 1, 1] }
  static let mostBytes = 1 + 4 * 8 + 4 + 2

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(base)
    out.put(number)
    out.put(at)
    out.put(failures)
    out.put(outcome)
    out.put(UInt8(pauses ? 1 : 0))
    records.close(out)
  }

  init(id: UInt64, base: UInt64, number: UInt64, at: Int64, failures: UInt32, outcome: UInt8, pauses: Bool) {
    self.id = id
    self.base = base
    self.number = number
    self.at = at
    self.failures = failures
    self.outcome = outcome
    self.pauses = pauses
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    number = reader.get()
    at = reader.get()
    failures = reader.get()
    outcome = reader.get()
    let paused = reader.get(UInt8.self)
    guard paused <= 1 else { return nil }
    pauses = paused == 1
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isWall(at), outcome == 0 || JobState(rawValue: outcome)?.isFinished == true else {
      throw .unfit("the end of a run", "outcome \(outcome)", position)
    }
    try RecordBounds.checkNumber(number, at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    guard slot != .none else { return }
    guard state.schedules.schedule(ofRun: number) == slot, !pauses || !state.schedules[slot].state.isPaused else {
      throw .unfit("a run of schedule \(id)", "job \(number)", place.position)
    }
    apply(to: slot, in: &state)
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    state.schedules.close(number, of: slot)
    let place = state.schedules[slot].state.recent.lastIndex { $0.number == number }
    if let place { state.schedules[slot].state.recent[place].detail = outcome }
    state.schedules[slot].state.failures = failures
    if pauses {
      if state.schedules[slot].state.pending != ScheduleDefinition.none, state.isLive {
        state.scheduleFigures.miss(.paused)
      }
      state.schedules[slot].state.pause(at: at, because: Array("\(failures) runs in a row failed".utf8))
    }
    if state.isLive { state.listSchedule(slot) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.schedules.find(id: id)
    guard slot != .none, state.schedules.schedule(ofRun: number) == slot, !state.schedules[slot].state.isPaused else {
      return
    }
    apply(to: slot, in: &state)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = scheduleDescription
    out.add("number", number)
    out.add("state", text: JobState(rawValue: outcome)?.name ?? "gone")
    out.add("failures", failures)
    if pauses { out.add("pauses", true) }
    return out
  }
}
