/// A batch is closed, or called off.
struct BatchChanged: BatchRecord {
  var id: UInt64
  var base: UInt64
  /// Wall milliseconds.
  var closedAt: Int64
  /// Wall milliseconds; 0: it is not called off.
  var cancelledAt: Int64

  static var kind: RecordKind { .batchChanged }
  static var layout: [RecordField] { [8, .position, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 40)
    out.put(id)
    out.put(base)
    out.put(closedAt)
    out.put(cancelledAt)
    records.close(out)
  }

  init(id: UInt64, base: UInt64, closedAt: Int64, cancelledAt: Int64) {
    self.id = id
    self.base = base
    self.closedAt = closedAt
    self.cancelledAt = cancelledAt
  }

  init(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    closedAt = reader.get()
    cancelledAt = reader.get()
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard closedAt != 0, RecordBounds.isWall(closedAt), RecordBounds.isWall(cancelledAt) else {
      throw .unfit("a batch that is closed", "batch \(id)", position)
    }
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    guard slot != .none else { return }
    let state = machine.batches[slot].state
    guard state.completedAt == 0, state.cancelledAt == 0, state.closedAt == 0 || state.closedAt == closedAt else {
      throw .unfit("a batch that goes on", "batch \(id)", place.position)
    }
    apply(to: slot, in: &machine)
  }

  func apply(to slot: Slot, in machine: inout StateMachine) {
    machine.batches[slot].state.closedAt = closedAt
    machine.batches[slot].state.cancelledAt = cancelledAt
    if machine.isLive { machine.listBatch(slot) }
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = machine.batches.find(id)
    if slot != .none, machine.batches[slot].state.completedAt == 0 { apply(to: slot, in: &machine) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = batchDescription
    out.add("closed_at_ms", closedAt)
    if cancelledAt != 0 { out.add("cancelled_at_ms", cancelledAt) }
    return out
  }
}
