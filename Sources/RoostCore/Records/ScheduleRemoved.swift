/// A schedule is gone; the jobs that it made stay.
struct ScheduleRemoved: ScheduleRecord {
  var id: UInt64
  var base: UInt64

  static var kind: RecordKind { .scheduleRemoved }
  static var layout: [RecordField] { [8, .position] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 17)
    out.put(id)
    out.put(base)
    records.close(out)
  }

  init(id: UInt64, base: UInt64) {
    self.id = id
    self.base = base
  }

  init(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
  }

  // MARK: Replay

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    let slot = try locate(in: state, at: place.position)
    if slot != .none { apply(to: slot, in: &state) }
  }

  func apply(to slot: Slot, in state: inout StateMachine) { state.schedules.remove(slot) }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.schedules.find(id: id)
    if slot != .none { apply(to: slot, in: &state) }
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    ScheduleRemoved(whole: record).map {
      LoggedEvent(.scheduleRemoved, .schedule(base: LogPosition(rawValue: $0.base)))
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? { scheduleDescription }
}
