/// A job of a batch is to leave; the batch goes on counting how it ended.
struct BatchCounted: BatchRecord {
  var id: UInt64
  var base: UInt64
  var number: UInt64
  var state: JobState

  static var kind: RecordKind { .batchCounted }
  static var layout: [RecordField] { [8, .position, 8, 1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 26)
    out.put(id)
    out.put(base)
    out.put(number)
    out.put(state.rawValue)
    records.close(out)
  }

  init(id: UInt64, base: UInt64, number: UInt64, state: JobState) {
    self.id = id
    self.base = base
    self.number = number
    self.state = state
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    number = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard state.isFinished, RecordBounds.isNumber(number), number < machine.nextNumber else {
      throw .unfit("a job that ended", "job \(number), \(state.name)", position)
    }
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  func apply(to slot: Slot, in machine: inout StateMachine) { machine.batches[slot].state.left.add(state) }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = machine.batches.find(id)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = batchDescription
    out.add("number", number)
    out.add("state", text: state.name)
    return out
  }
}
