/// A batch is complete: its job, if it has one, was made before it in the same frame.
struct BatchCompleted: BatchRecord {
  var id: UInt64
  var base: UInt64
  /// Wall milliseconds.
  var at: Int64
  var uptime: Int64
  /// Of the job; 0: none was made.
  var number: UInt64

  static var kind: RecordKind { .batchCompleted }
  static var layout: [RecordField] { [8, .position, 8, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 48)
    out.put(id)
    out.put(base)
    out.put(at)
    out.put(uptime)
    out.put(number)
    records.close(out)
  }

  init(id: UInt64, base: UInt64, at: Int64, uptime: Int64, number: UInt64) {
    self.id = id
    self.base = base
    self.at = at
    self.uptime = uptime
    self.number = number
  }

  init(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    at = reader.get()
    uptime = reader.get()
    number = reader.get()
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isWall(at), at != 0, number == 0 || RecordBounds.isNumber(number) && number < machine.nextNumber
    else { throw .unfit("the end of a batch", "job \(number)", position) }
    try RecordBounds.check(uptime, in: 0...machine.now.log, "uptime", at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    guard slot != .none else { return }
    let state = machine.batches[slot].state
    guard state.completedAt == 0, state.closedAt != 0, number == 0 || state.then != nil else {
      throw .unfit("a batch that is not complete", "batch \(id)", place.position)
    }
    apply(to: slot, in: &machine)
  }

  func apply(to slot: Slot, in machine: inout StateMachine) {
    machine.batches[slot].state.completedAt = at
    machine.batches[slot].state.completedUptime = uptime
    machine.batches[slot].state.job = number
    if machine.isLive { machine.listBatch(slot) }
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = machine.batches.find(id)
    guard slot != .none else { return }
    if machine.batches[slot].state.closedAt == 0 { machine.batches[slot].state.closedAt = at }
    apply(to: slot, in: &machine)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = batchDescription
    out.add("at_ms", at)
    if number != 0 { out.add("number", number) }
    return out
  }
}
