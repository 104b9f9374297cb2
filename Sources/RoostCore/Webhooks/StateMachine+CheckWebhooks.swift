/// Webhooks, in the image of the whole state, and what contradicts itself of them.
extension StateMachine {
  var webhookImages: [String] {
    webhooks.order.map { slot in
      let row = webhooks[slot]
      let (owner, name) = (String(decoding: row.owner, as: UTF8.self), String(decoding: row.name, as: UTF8.self))
      return "\(row.id) \(owner) \(name) \(row.base) \(row.recordBytes) \(row.definition.bytes) \(row.state)"
    }
  }

  func brokenWebhooks() -> [String] {
    var found: [String] = []
    var (used, records) = (0, 0)
    for slot in webhooks.order {
      let row = webhooks[slot]
      used += row.usedBytes
      records += Int(row.recordBytes)
      if webhooks.find(id: row.id) != slot || webhooks.find(owner: row.owner, name: row.name) != slot {
        found.append("webhook \(row.id) is not found")
      }
      if !webhooks.of(owner: row.ownerID).contains(slot) || !ownerNames.bytes(row.ownerID).elementsEqual(row.owner) {
        found.append("webhook \(row.id) is told of nothing")
      }
      let watches = row.definition.events & WebhookEvent.queueBits != 0
      if webhooks.watchers.contains(slot) != watches { found.append("webhook \(row.id) and events of queues") }
    }
    if used != webhooks.usedBytes { found.append("memory of webhooks \(webhooks.usedBytes), counted \(used)") }
    if records != webhooks.recordBytes { found.append("records of webhooks") }
    if webhooks.pendingBytes != 0 { found.append("an event is behind, and nobody was told of it") }
    return found
  }
}
