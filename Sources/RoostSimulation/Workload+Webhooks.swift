import RoostCore

/// What is told of events.
extension Workload {
  mutating func webhook(_ model: ReferenceModel) -> Request {
    let key = ReferenceModel.WebhookKey(
      owner: Array(owners.randomElement(using: &random)!.utf8), name: "w\(random.below(3))")
    let known = model.webhooks.keys.sorted { "\($0)" < "\($1)" }
    let any = known.randomElement(using: &random) ?? key
    switch random.below(20) {
    case 0..<2: return .pauseWebhook(random.chance(0.9) ? any : key)
    case 2..<4: return .resumeWebhook(known.first { model.webhooks[$0]!.isPaused } ?? key)
    case 4..<6: return .removeWebhook(random.chance(0.9) ? any : key)
    case 6: return .testWebhook(random.chance(0.9) ? any : key)
    case 7..<9: return .readWebhooks
    case 9: return .setWebhook(any, model.webhooks[any]?.wish ?? hook())
    default: return .setWebhook(random.chance(0.4) ? any : key, hook())
    }
  }

  private mutating func hook() -> ReferenceModel.WebhookWish {
    let host = ["a", "b", "hook"][random.below(3)]
    var wish = ReferenceModel.WebhookWish(
      events: WebhookEvent.subscribable.filter { _ in random.chance(0.6) }, origin: "https://\(host).example")
    if wish.events.isEmpty { wish.events = [.jobDead] }
    if random.chance(0.3) { wish.queues = queues.filter { _ in random.chance(0.5) } }
    if random.chance(0.2) { wish.types = ["t0", "t1"] }
    return wish
  }
}
