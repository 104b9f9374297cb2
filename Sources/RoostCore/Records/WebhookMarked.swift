/// A webhook began to fail, or does so no longer; or it is paused, or goes on.
struct WebhookMarked: WebhookRecord {
  var id: UInt64
  var base: UInt64
  /// Of it `failingSince`, `isPaused`, `pausedAt` and `reason`.
  var state: WebhookState

  static var kind: RecordKind { .webhookMarked }
  static var layout: [RecordField] { [8, .position, 8, 8, 1, 1] }

  // MARK: Bytes

  static let mostBytes = 1 + 2 * 8 + 2 * 8 + 2 + Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(base)
    out.put(state.failingSince)
    out.put(state.pausedAt)
    out.put(UInt8(state.isPaused ? 1 : 0))
    out.put(UInt8(state.reason.count))
    state.reason.withUnsafeBytes { out.put($0) }
    records.close(out)
  }

  init(id: UInt64, base: UInt64, _ state: WebhookState) {
    self.id = id
    self.base = base
    self.state = state
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    state = WebhookState(createdAt: 0, firstNumber: 1)
    state.failingSince = reader.get()
    state.pausedAt = reader.get()
    let paused = reader.get(UInt8.self)
    guard paused <= 1 else { return nil }
    state.isPaused = paused == 1
    state.reason = [UInt8](reader.get(count: Int(reader.get(UInt8.self))))
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    try state.checkBounds(id, machine, at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  func apply(to slot: Slot, in machine: inout StateMachine) {
    machine.webhooks[slot].state.failingSince = state.failingSince
    machine.webhooks[slot].state.isPaused = state.isPaused
    machine.webhooks[slot].state.pausedAt = state.pausedAt
    machine.webhooks[slot].state.reason = state.reason
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = machine.webhooks.find(id: id)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = webhookDescription
    if state.failingSince != 0 { out.add("failing_since", state.failingSince) }
    if state.isPaused {
      out.add("paused_at_ms", state.pausedAt)
      state.reason.withUnsafeBytes { out.add("reason", content: $0) }
    }
    return out
  }
}
