import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Webhooks as they stand in answers.
extension JSONWriter {
  /// - Parameter signing: Says who signs its deliveries, not with what.
  mutating func webhook(_ webhook: WebhookView, _ signing: SigningSecrets) {
    let definition = webhook.definition
    beginObject()
    field("webhook", webhook.name)
    field("owner_id", webhook.owner)
    let isFailing = webhook.failingSinceMilliseconds != nil
    field("state", webhook.pause != nil ? "paused" : isFailing ? "failing" : "active")
    field("url", definition.url)
    key("events")
    beginArray()
    for event in WebhookEvent.subscribable where definition.asks(for: event) { string(event.name) }
    endArray()
    names("queues", definition.queues)
    names("types", definition.types)
    if !definition.description.isEmpty {
      field("description", String(decoding: definition.description, as: UTF8.self))
    }
    let (now, owner) = (Date(), Name(webhook.owner))
    let isOwn = !signing.listed(.webhook(owner: owner, name: webhook.name), at: now).isEmpty
    let isSigned = isOwn || !signing.live(queue: Webhook.queue, owner: webhook.owner, at: now).isEmpty
    field("signed_with", isOwn ? "webhook" : isSigned ? "owner" : "nothing")
    if let time = webhook.failingSinceMilliseconds { field("failing_since", milliseconds: time) }
    field("paused", webhook.pause != nil)
    if let pause = webhook.pause { self.pause(pause) }
    field("waiting", webhook.waiting)
    field("delivered", webhook.delivered)
    field("failed", webhook.failed)
    key("dropped")
    beginObject()
    for drop in webhook.dropped {
      anyKey(drop.reason.name)
      integer(drop.count)
    }
    endObject()
    field("created_at", milliseconds: webhook.createdAtMilliseconds)
    field("changed_at", milliseconds: webhook.changedAtMilliseconds)
    endObject()
  }

  private mutating func names(_ name: StaticString, _ names: [[UInt8]]) {
    guard !names.isEmpty else { return }
    key(name)
    beginArray()
    for text in names { string(String(decoding: text, as: UTF8.self)) }
    endArray()
  }
}
