import RoostCore

/// Which webhook is meant.
package struct WebhookName: Sendable, Hashable {
  package var owner: String
  package var name: String

  package init(owner: String, name: String) {
    self.owner = owner
    self.name = name
  }
}

/// A webhook as it is now.
package struct WebhookView: Sendable {
  package var owner: String
  package var name: String
  package var definition: WebhookDefinition
  package var createdAtMilliseconds: Int64
  package var changedAtMilliseconds: Int64
  /// Wall time of the first delivery that failed since the last that succeeded; nil: none did.
  package var failingSinceMilliseconds: Int64?
  package var pause: QueuePause?
  /// Deliveries that wait.
  package var waiting: Int
  /// Attempts since the daemon started: answered 2xx, and not.
  package var delivered: UInt64
  package var failed: UInt64
  /// Events since then of which no delivery was made, by reason; none where there were none.
  package var dropped: [(reason: WebhookDrop, count: UInt64)]
}

/// Webhooks: who is told of which events.
extension Engine {
  /// Makes a webhook, or changes one: the same definition changes nothing.
  ///
  /// - Returns: The webhook as it is now, and whether it is new.
  /// - Throws: `tooManyWebhooks`, `diskLow`, `memoryLow`, and what every write may meet.
  package func set(
    webhook name: WebhookName, _ definition: WebhookDefinition
  ) async throws(Refusal) -> (webhook: WebhookView, isNew: Bool) {
    var asked = AskedBytes()
    let said = asked.add(definition.bytes)
    let delivery = try await change(name, &asked) { .set(said.from($0)) }
    guard case .webhooks(_, _, _, let isNew) = delivery.answer else { preconditionFailure("a change shows a webhook") }
    return (view(delivery.webhooks[0], delivery), isNew)
  }

  /// Nothing is sent until it is resumed; events of that time are dropped and counted.
  ///
  /// - Parameter reason: At most 255 bytes.
  /// - Throws: `webhookNotFound`.
  package func pause(webhook name: WebhookName, reason: String) async throws(Refusal) -> WebhookView {
    var asked = AskedBytes()
    let text = asked.add(reason)
    let delivery = try await change(name, &asked) { .pause(reason: text.from($0)) }
    return view(delivery.webhooks[0], delivery)
  }

  /// The deliveries that waited are sent, and what happens from here on.
  package func resume(webhook name: WebhookName) async throws(Refusal) -> WebhookView {
    var asked = AskedBytes()
    let delivery = try await change(name, &asked) { _ in .resume }
    return view(delivery.webhooks[0], delivery)
  }

  /// Takes a webhook away; its deliveries that wait are cancelled.
  ///
  /// - Returns: The webhook as it was.
  package func remove(webhook name: WebhookName) async throws(Refusal) -> WebhookView {
    var asked = AskedBytes()
    let delivery = try await change(name, &asked) { _ in .remove }
    return view(delivery.webhooks[0], delivery)
  }

  /// Makes a delivery that says `webhook.test`.
  ///
  /// - Throws: `webhookNotFound`, and as a submit is refused.
  package func test(webhook name: WebhookName) async throws(Refusal) -> Submitted {
    var asked = AskedBytes()
    let delivery = try await change(name, &asked) { _ in .test }
    guard case .submitted(let accepted) = delivery.answer else { preconditionFailure("a test makes a delivery") }
    return submitted(accepted, queue: Webhook.queue)
  }

  package func webhook(_ name: WebhookName) async throws(Refusal) -> WebhookView {
    var asked = AskedBytes()
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    let delivery = try await ask(asked.bytes) { base in
      var read = Command.ReadWebhooks(owner: owner.from(base))
      read.name = text.from(base)
      return .readWebhooks(read)
    }
    return view(delivery.webhooks[0], delivery)
  }

  /// Webhooks by owner and name.
  ///
  /// - Parameters:
  ///   - owner: Nil: everybody's.
  ///   - limit: 1…200.
  ///   - after: The last one of the page before.
  package func webhooks(
    owner: String?, limit: Int, after: WebhookName?
  ) async throws(Refusal) -> (webhooks: [WebhookView], hasMore: Bool) {
    var asked = AskedBytes()
    let (whose, afterOwner, afterName) = (
      asked.add(owner ?? ""), asked.add(after?.owner ?? ""), asked.add(after?.name ?? "")
    )
    let delivery = try await ask(asked.bytes) { base in
      var read = Command.ReadWebhooks(owner: whose.from(base))
      (read.afterOwner, read.afterName, read.limit) = (afterOwner.from(base), afterName.from(base), Int32(limit))
      return .readWebhooks(read)
    }
    guard case .webhooks(_, _, let hasMore, _) = delivery.answer else { preconditionFailure("a list shows webhooks") }
    return (delivery.webhooks.map { view($0, delivery) }, hasMore)
  }

  private func change(
    _ name: WebhookName, _ asked: inout AskedBytes, _ change: (_ base: Int) -> Command.ChangeWebhook.Change
  ) async throws(Refusal) -> Delivery {
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    return try await ask(asked.bytes) { base in
      .changeWebhook(Command.ChangeWebhook(owner: owner.from(base), name: text.from(base), change: change(base)))
    }
  }

  private func view(_ image: WebhookImage, _ delivery: Delivery) -> WebhookView {
    guard let definition = delivery.bytes(image.definition).withUnsafeBytes({ WebhookDefinition($0) }) else {
      preconditionFailure("a webhook is shown as it was set")
    }
    return WebhookView(
      owner: delivery.text(image.owner), name: delivery.text(image.name), definition: definition,
      createdAtMilliseconds: image.createdAt, changedAtMilliseconds: image.changedAt,
      failingSinceMilliseconds: image.failingSince,
      pause: image.isPaused
        ? QueuePause(
          sinceMilliseconds: image.pausedAt, untilMilliseconds: nil, reason: delivery.text(image.pauseReason)) : nil,
      waiting: Int(image.waiting), delivered: image.delivered, failed: image.failed,
      dropped: WebhookDrop.allCases.compactMap { reason in
        let count = image.dropped[Int(reason.rawValue)]
        return count == 0 ? nil : (reason, count)
      })
  }
}
