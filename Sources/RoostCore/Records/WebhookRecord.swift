/// A record of what happened to a webhook.
///
/// It carries the webhook's number and its *base*, the position of its `webhookSet` record, so that a replay of a
/// trimmed log can tell a webhook that is gone, or whose copy is to come, from one that is missing.
protocol WebhookRecord: LogRecord {
  var id: UInt64 { get }
  var base: UInt64 { get }
}

extension WebhookRecord {
  /// The webhook that it names; `.none` if its base was trimmed away.
  func locate(in state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) -> Slot {
    let slot = state.webhooks.find(id: id)
    if slot == .none {
      guard base < state.firstPosition.rawValue, id > 0, id <= RecordBounds.counter else {
        throw .unfit("webhook \(id)", "none such in the log before it", position)
      }
    } else if state.webhooks[slot].base != base {
      throw .unfit("base \(state.webhooks[slot].base) of webhook \(id)", "base \(base)", position)
    }
    return slot
  }

  /// A description that names the webhook.
  var webhookDescription: RecordDescription {
    var out = RecordDescription(Self.kind)
    out.add("webhook", id)
    out.add("base", hex: base)
    return out
  }
}

extension WebhookState {
  /// Checks what a record says of how a webhook is.
  func checkBounds(_ id: UInt64, _ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isWall(pausedAt), isPaused || pausedAt == 0 && reason.isEmpty else {
      throw .unfit("the pause of webhook \(id)", "since \(pausedAt)", position)
    }
    // A log begins at time 0, which stands for "never" here.
    try RecordBounds.check(failingSince, in: 0...max(1, machine.now.log), "log time", at: position)
  }
}
