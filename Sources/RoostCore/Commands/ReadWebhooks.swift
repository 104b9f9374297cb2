extension Command {
  /// Shows a webhook, or those of an owner, or all, by owner and name.
  package struct ReadWebhooks: Sendable, BitwiseCopyable {
    /// Empty, without a name: everybody's.
    package var owner: ByteRange
    /// Empty: all of them.
    package var name = ByteRange.empty
    /// Those behind this owner and name.
    package var afterOwner = ByteRange.empty
    package var afterName = ByteRange.empty
    package var limit: Int32 = 1

    package init(owner: ByteRange) { self.owner = owner }
  }
}

extension Command.ReadWebhooks: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard name.isEmpty else {
      let slot = state.webhooks.find(owner: step.bytes(owner), name: step.bytes(name))
      guard slot != .none else { return step.answer(ticket, .refused(.webhookNotFound)) }
      return state.answer(webhook: slot, isNew: false, ticket, &step)
    }
    let isOfAll = owner.isEmpty
    let from = step.bytes(isOfAll ? afterOwner : owner)
    var place = state.webhooks.place(owner: from, name: step.bytes(afterName))
    let first = step.webhooks.count
    var hasMore = false
    while place < state.webhooks.count {
      let slot = state.webhooks.order[place]
      let row = state.webhooks[slot]
      guard isOfAll || row.owner.elementsEqual(step.bytes(owner)) else { break }
      place += 1
      // The last of the page before.
      if !afterName.isEmpty, row.name.elementsEqual(step.bytes(afterName)), row.owner.elementsEqual(from) { continue }
      guard step.webhooks.count - first < Int(limit) else {
        hasMore = true
        break
      }
      step.webhooks.append(state.image(ofWebhook: slot, &step))
    }
    step.answer(
      ticket,
      .webhooks(first: Int32(first), count: Int32(step.webhooks.count - first), hasMore: hasMore, isNew: false))
  }
}

/// A webhook as it is shown.
package struct WebhookImage: Sendable, BitwiseCopyable {
  // In `Step.text`.
  package var owner: ByteRange
  package var name: ByteRange
  /// `WebhookDefinition.bytes`.
  package var definition: ByteRange
  package var pauseReason: ByteRange
  /// Wall milliseconds.
  package var createdAt: Int64
  package var changedAt: Int64
  /// Wall milliseconds, as log time says it; nil: its last delivery succeeded, or there was none.
  package var failingSince: Int64?
  package var isPaused: Bool
  /// Wall milliseconds.
  package var pausedAt: Int64
  /// Deliveries that wait.
  package var waiting: UInt32
  /// Attempts since the daemon started: answered 2xx, and not.
  package var delivered: UInt64
  package var failed: UInt64
  /// Events since then of which no delivery was made, in the order of `WebhookDrop`.
  package var dropped: InlineArray<6, UInt64>
}

extension StateMachine {
  mutating func image(ofWebhook slot: Slot, _ step: inout Step) -> WebhookImage {
    let (row, state) = (webhooks[slot], webhooks[slot].state)
    return WebhookImage(
      owner: row.owner.withUnsafeBytes { step.copy($0) }, name: row.name.withUnsafeBytes { step.copy($0) },
      definition: row.definition.bytes.withUnsafeBytes { step.copy($0) },
      pauseReason: state.reason.withUnsafeBytes { step.copy($0) }, createdAt: state.createdAt,
      changedAt: state.changedAt, failingSince: state.failingSince == 0 ? nil : wall(ofLog: state.failingSince),
      isPaused: state.isPaused, pausedAt: state.pausedAt, waiting: waitingDeliveries(of: slot),
      delivered: row.figures.delivered, failed: row.figures.failed, dropped: row.figures.dropped)
  }

  private mutating func waitingDeliveries(of slot: Slot) -> UInt32 {
    let (owner, name) = (webhooks[slot].ownerID, webhooks[slot].name)
    let group = name.withUnsafeBytes {
      findGroup(queue: queueNames.find(Webhook.queueBytes), owner: owner, name: $0)
    }
    return group == .none ? 0 : groups[group].pointee.waiting
  }

  mutating func answer(webhook slot: Slot, isNew: Bool, _ ticket: UInt64, _ step: inout Step) {
    let first = step.webhooks.count
    step.webhooks.append(image(ofWebhook: slot, &step))
    step.answer(ticket, .webhooks(first: Int32(first), count: 1, hasMore: false, isNew: isNew))
  }
}
