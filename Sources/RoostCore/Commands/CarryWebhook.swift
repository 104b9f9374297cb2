extension Command {
  /// A webhook whose record stands in the segment that a trim takes, to be written again.
  package struct CarryWebhook: Sendable, BitwiseCopyable {
    fileprivate let id: UInt64
    fileprivate let base: UInt64
    let mostBytes: Int
  }
}

extension Command.CarryWebhook: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.webhooks.find(id: id)
    // What was set meanwhile stands behind the segment.
    if slot != .none, state.webhooks[slot].base == base, !state.defects.contains(.webhookNotCarried) {
      let place = WebhookSet(state.webhooks[slot]).encode(into: &step.records)
      state.webhooks[slot].base = place.position.rawValue
      state.webhooks[slot].recordBytes = place.bytes
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  /// What carries the webhooks whose records stand before a position. They need not be the last of a trim: what comes
  /// after a copy names it.
  package func webhookCarries(before end: LogPosition) -> [Command] {
    webhooks.order.compactMap { slot in
      let row = webhooks[slot]
      guard row.base < end.rawValue else { return nil }
      return .carryWebhook(
        Command.CarryWebhook(
          id: row.id, base: row.base, mostBytes: WebhookSet.mostBytes(definition: row.definition.encodedBytes)))
    }
  }
}
