/// A webhook is this from here on; also written again at the end of a trimmed log.
struct WebhookSet: LogRecord {
  var webhook: Webhook

  static var kind: RecordKind { .webhookSet }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 8, 1, 1, 1, 1] }

  init(_ webhook: Webhook) { self.webhook = webhook }

  // MARK: Bytes

  private static let fixedBytes = 1 + 6 * 8 + 4

  /// What the record of a webhook takes at most, whatever happens to it meanwhile.
  static func mostBytes(definition: Int) -> Int { fixedBytes + 3 * Int(UInt8.max) + definition + 64 }

  private var encodedBytes: Int {
    Self.fixedBytes + webhook.owner.count + webhook.name.count + webhook.state.reason.count
      + webhook.definition.encodedBytes
  }

  @discardableResult
  func encode(into records: inout RecordBuffer) -> RecordPlace {
    let state = webhook.state
    var out = records.open(Self.kind, atMost: encodedBytes)
    out.put(webhook.id)
    out.put(state.createdAt)
    out.put(state.changedAt)
    out.put(state.failingSince)
    out.put(state.pausedAt)
    out.put(state.firstNumber)
    out.put(UInt8(state.isPaused ? 1 : 0))
    out.put(UInt8(webhook.owner.count))
    out.put(UInt8(webhook.name.count))
    out.put(UInt8(state.reason.count))
    for text in [webhook.owner, webhook.name, state.reason] { text.withUnsafeBytes { out.put($0) } }
    webhook.definition.encode(into: &out)
    return records.close(out)
  }

  init?(_ reader: inout RecordReader) {
    let id = reader.get(UInt64.self)
    let (createdAt, changedAt) = (reader.get(Int64.self), reader.get(Int64.self))
    let (failingSince, pausedAt) = (reader.get(Int64.self), reader.get(Int64.self))
    var state = WebhookState(createdAt: createdAt, firstNumber: reader.get())
    (state.changedAt, state.failingSince, state.pausedAt) = (changedAt, failingSince, pausedAt)
    let paused = reader.get(UInt8.self)
    guard paused <= 1 else { return nil }
    state.isPaused = paused == 1
    let (ownerBytes, nameBytes) = (Int(reader.get(UInt8.self)), Int(reader.get(UInt8.self)))
    let reasonBytes = Int(reader.get(UInt8.self))
    let (owner, name) = ([UInt8](reader.get(count: ownerBytes)), [UInt8](reader.get(count: nameBytes)))
    state.reason = [UInt8](reader.get(count: reasonBytes))
    guard let definition = WebhookDefinition(&reader) else { return nil }
    webhook = Webhook(id: id, owner: owner, name: name, definition: definition, state: state)
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let state = webhook.state
    guard (1...RecordBounds.counter).contains(webhook.id), (1...128).contains(webhook.name.count),
      webhook.definition.isPossible, RecordBounds.isWall(state.createdAt), RecordBounds.isWall(state.changedAt),
      state.firstNumber >= 1, state.firstNumber <= JobNumber.limit,
      // They become texts in each delivery.
      String(validating: webhook.owner, as: UTF8.self) != nil, String(validating: webhook.name, as: UTF8.self) != nil
    else { throw .unfit("a webhook within its bounds", "\(webhook.id)", position) }
    try state.checkBounds(webhook.id, machine, at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let known = machine.webhooks.find(owner: webhook.owner, name: webhook.name)
    guard known == machine.webhooks.find(id: webhook.id) else {
      throw .unfit("webhook \(webhook.id)", "another of its name", place.position)
    }
    guard webhook.state.firstNumber <= machine.nextNumber else {
      throw .unfit("job \(machine.nextNumber) or one before", "job \(webhook.state.firstNumber)", place.position)
    }
    apply(at: place, to: &machine)
  }

  func apply(at place: RecordPlace, to machine: inout StateMachine) {
    var webhook = webhook
    webhook.base = place.position.rawValue
    webhook.recordBytes = place.bytes
    let known = machine.webhooks.find(id: webhook.id)
    webhook.ownerID =
      known == .none
      ? webhook.owner.withUnsafeBytes { machine.ownerNames.intern($0) } : machine.webhooks[known].ownerID
    _ = machine.webhooks.set(webhook)
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let known = machine.webhooks.find(owner: webhook.owner, name: webhook.name)
    // Another of its name was removed in what is lost.
    if known != .none, known != machine.webhooks.find(id: webhook.id) { machine.forget(webhook: known) }
    var fitted = self
    fitted.webhook.state.firstNumber = min(webhook.state.firstNumber, machine.nextNumber)
    fitted.apply(at: place, to: &machine)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("webhook", webhook.id)
    webhook.owner.withUnsafeBytes { out.add("owner", name: $0) }
    webhook.name.withUnsafeBytes { out.add("name", name: $0) }
    out.add("url", text: webhook.definition.url)
    let events = WebhookEvent.allCases.filter { webhook.definition.asks(for: $0) }
    out.add("events", text: events.map(\.name).joined(separator: " "))
    for queue in webhook.definition.queues { queue.withUnsafeBytes { out.add("queue", name: $0) } }
    for type in webhook.definition.types { type.withUnsafeBytes { out.add("type", name: $0) } }
    if webhook.state.failingSince != 0 { out.add("failing_since", webhook.state.failingSince) }
    if webhook.state.isPaused { out.add("paused_at_ms", webhook.state.pausedAt) }
    return out
  }
}

extension StateMachine {
  /// A webhook goes from memory.
  mutating func forget(webhook: Slot) {
    let owner = webhooks[webhook].ownerID
    webhooks.remove(webhook)
    ownerNames.release(owner)
  }
}
