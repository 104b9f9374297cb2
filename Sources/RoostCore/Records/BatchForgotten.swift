/// A batch that was complete is forgotten; its jobs stay.
struct BatchForgotten: BatchRecord {
  var id: UInt64
  var base: UInt64

  static var kind: RecordKind { .batchForgotten }
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

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    let slot = try locate(in: machine, at: place.position)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  func apply(to slot: Slot, in machine: inout StateMachine) { machine.batches.remove(slot) }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = machine.batches.find(id)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? { batchDescription }
}
