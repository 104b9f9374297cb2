/// A webhook is gone; the deliveries that it left are cancelled as their turns come.
struct WebhookRemoved: WebhookRecord {
  var id: UInt64
  var base: UInt64

  static var kind: RecordKind { .webhookRemoved }
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

  func apply(to slot: Slot, in state: inout StateMachine) { state.forget(webhook: slot) }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.webhooks.find(id: id)
    if slot != .none { apply(to: slot, in: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? { webhookDescription }
}
