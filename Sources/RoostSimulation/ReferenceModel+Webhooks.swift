import RoostCore

/// Webhooks: each event of an owner's jobs is told once to each webhook of that owner that asks for it, with the event
/// itself.
extension ReferenceModel {
  /// Names as bytes: two may be equal to Unicode.
  struct WebhookKey: Hashable {
    var owner: [UInt8]
    var name: String
  }

  struct WebhookWish: Equatable {
    var events: [WebhookEvent]
    var queues: [String] = []
    var types: [String] = []
    /// Scheme and host.
    var origin: String
  }

  struct Hook {
    var wish: WebhookWish
    /// Deliveries with smaller numbers are of another that had its name.
    var firstNumber: UInt64
    var isPaused = false
    /// Log time; 0: its last delivery succeeded, or there was none.
    var failingSince: Int64 = 0
  }

  /// That a webhook is to be told of an event.
  struct Notice: Equatable {
    var key: WebhookKey
    var event: WebhookEvent
    var job: JobID?
    var queue: String
  }

  /// A delivery, as the step's records say it was made.
  struct SeenNotice {
    var id: JobID
    var notice: Notice
  }

  /// A webhook as it was shown.
  struct SeenWebhook {
    var image: WebhookImage
    var key: WebhookKey
    var definition: WebhookDefinition?
  }

  static let webhookQueue = RoostCore.Webhook.queue

  /// Queues that `MAX_QUEUES` counts.
  var countedQueues: Int { totals.count - (totals[Self.webhookQueue] == nil ? 0 : 1) }

  // MARK: Requests

  mutating func set(
    _ key: WebhookKey, _ wish: WebhookWish, _ answer: Answer, _ seen: [SeenWebhook]
  ) throws(Violation) {
    if webhooks[key]?.wish == wish { return try look(at: key, seen) }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "a webhook") }
    if now.conditions.isMemoryLow { return try refused(.memoryLow, answer, "a webhook") }
    if webhooks[key] == nil, webhooks.keys.count(where: { $0.owner == key.owner }) >= limits.maxWebhooks {
      return try refused(.tooManyWebhooks, answer, "a webhook")
    }
    var hook = webhooks[key] ?? Hook(wish: wish, firstNumber: lastNumber + 1)
    if hook.wish.origin != wish.origin { hook.failingSince = 0 }
    hook.wish = wish
    webhooks[key] = hook
    try look(at: key, seen)
  }

  mutating func pause(_ key: WebhookKey, _ answer: Answer, _ seen: [SeenWebhook]) throws(Violation) {
    guard let hook = try existing(key, answer) else { return }
    if !hook.isPaused { pause(key, because: "why") }
    try look(at: key, seen)
  }

  mutating func resume(_ key: WebhookKey, _ answer: Answer, _ seen: [SeenWebhook]) throws(Violation) {
    guard let hook = try existing(key, answer) else { return }
    if hook.isPaused { (webhooks[key]!.isPaused, webhooks[key]!.failingSince) = (false, 0) }
    endHold(of: key)
    try look(at: key, seen)
  }

  mutating func remove(_ key: WebhookKey, _ answer: Answer, _ seen: [SeenWebhook]) throws(Violation) {
    guard try existing(key, answer) != nil else { return }
    try look(at: key, seen)
    endHold(of: key)
    webhooks[key] = nil
    notices.removeAll { $0.key == key }
  }

  mutating func test(_ key: WebhookKey, _ answer: Answer) throws(Violation) {
    guard let hook = webhooks[key] else { return try refused(.webhookNotFound, answer, "a webhook's test") }
    if let refusal = whyNotTold(key) { return try refused(refusal, answer, "a webhook's test") }
    guard case .submitted(let accepted) = answer else { throw Violation(message: "a webhook's test: \(answer)") }
    let made = try enter(delivery(of: .test, key, hook), accepted.id)
    try expect(accepted.state == .ready && made.state == .ready, "a test delivery is \(accepted.state.name)")
  }

  func lookAtWebhooks(_ seen: [SeenWebhook]) throws(Violation) {
    try expect(
      seen.count == webhooks.count && Set(seen.map(\.key)) == Set(webhooks.keys), "webhooks \(seen.map(\.key.name))")
    for one in seen { try verify(one) }
  }

  private func existing(_ key: WebhookKey, _ answer: Answer) throws(Violation) -> Hook? {
    guard let hook = webhooks[key] else {
      try refused(.webhookNotFound, answer, "a webhook")
      return nil
    }
    if now.conditions.diskLevel >= 3 {
      try refused(.diskLow, answer, "a webhook")
      return nil
    }
    return hook
  }

  private func look(at key: WebhookKey, _ seen: [SeenWebhook]) throws(Violation) {
    guard let only = seen.first, seen.count == 1, only.key == key else {
      throw Violation(message: "webhook \(key.name) is not shown")
    }
    try verify(only)
  }

  private func verify(_ seen: SeenWebhook) throws(Violation) {
    guard let hook = webhooks[seen.key] else { throw Violation(message: "webhook \(seen.key.name) is shown") }
    let (image, name) = (seen.image, seen.key.name)
    try expect(seen.definition == hook.wish.definition, "webhook \(name) is \(seen.definition as Any)")
    try expect(image.isPaused == hook.isPaused, "the pause of webhook \(name)")
    try expect((image.failingSince != nil) == (hook.failingSince != 0), "the failures of webhook \(name)")
    let waiting = jobs(of: group(ofWebhook: seen.key)).count { $0.state.isWaiting }
    try expect(Int(image.waiting) == waiting, "\(image.waiting) deliveries of webhook \(name) wait, not \(waiting)")
  }

  // MARK: Events

  /// An attempt of a job, or its waiting, ended.
  mutating func noteWebhooks(_ job: Job, _ outcome: Outcome, _ next: JobState) {
    guard !webhooks.isEmpty else { return }
    guard job.queue != Self.webhookQueue else { return noteDelivery(job, outcome) }
    let event: WebhookEvent
    switch (next, outcome) {
    case (.dead, _): event = .jobDead
    case (.cancelled, _): event = .jobCancelled
    case (.acked, _): event = .jobAcked
    case (_, .failed), (_, .timedOut): event = .jobFailed
    case (_, .expired): event = .jobExpired
    default: return
    }
    for (key, hook) in webhooks where !hook.isPaused && key.owner == Array(job.wanted.owner.utf8) {
      guard hook.wish.events.contains(event), hook.wish.queues.isEmpty || hook.wish.queues.contains(job.queue),
        hook.wish.types.isEmpty || hook.wish.types.contains(job.wanted.type)
      else { continue }
      notices.append(Notice(key: key, event: event, job: job.id, queue: job.queue))
    }
  }

  /// A queue was paused, or goes on.
  mutating func noteWebhooks(_ event: WebhookEvent, of queue: String) {
    for (key, hook) in webhooks where !hook.isPaused && hook.wish.events.contains(event) {
      guard hook.wish.queues.isEmpty || hook.wish.queues.contains(queue) else { continue }
      notices.append(Notice(key: key, event: event, job: nil, queue: queue))
    }
  }

  /// The deliveries that a step made: each of an event that its webhook is to be told of.
  ///
  /// - Parameter isLast: What is left was dropped, for which there must be a reason.
  mutating func told(_ seen: [SeenNotice], isLast: Bool) throws(Violation) {
    for one in seen {
      let key = one.notice.key
      guard let place = notices.firstIndex(of: one.notice), let hook = webhooks[key] else {
        throw Violation(message: "webhook \(key.name) is told of \(one.notice), which did not happen, or twice")
      }
      notices.remove(at: place)
      try expect(hasRoomForNotices, "webhook \(key.name) is told of \(one.notice) without room for it")
      _ = try enter(delivery(of: one.notice.event, key, hook), one.id)
    }
    guard isLast else { return }
    for notice in notices {
      let mayBeDropped = !hasRoomForNotices || quotas[notice.key.owner] != nil
      try expect(mayBeDropped, "webhook \(notice.key.name) is not told of \(notice)")
    }
    notices = []
  }

  private var hasRoomForNotices: Bool {
    now.conditions.diskLevel == 0 && now.conditions.holdsWholeFrame && !now.conditions.isMemoryLow
  }

  private func whyNotTold(_ key: WebhookKey) -> Refusal? {
    if now.conditions.diskLevel >= 1 || !now.conditions.holdsWholeFrame { return .diskLow }
    if now.conditions.isMemoryLow { return .memoryLow }
    return overQuota(String(decoding: key.owner, as: UTF8.self))
  }

  private func delivery(of event: WebhookEvent, _ key: WebhookKey, _ hook: Hook) -> Submission {
    var job = Submission(
      queue: Self.webhookQueue, owner: String(decoding: key.owner, as: UTF8.self), type: event.name, priority: 0,
      maxRetries: RoostCore.Webhook.maxRetries, delayMilliseconds: 0, runAtMilliseconds: 0,
      policy: RoostCore.Webhook.policy, key: nil, payload: RoostCore.Webhook.payload)
    (job.group, job.origin) = (key.name, hook.wish.origin)
    return job
  }

  // MARK: Deliveries

  private func webhook(of job: Job) -> WebhookKey? {
    guard job.queue == Self.webhookQueue else { return nil }
    let key = WebhookKey(owner: Array(job.wanted.owner.utf8), name: job.wanted.group)
    guard let hook = webhooks[key], job.number >= hook.firstNumber else { return nil }
    return key
  }

  /// Whether a job is a delivery of a webhook that was removed.
  func isOrphan(_ job: Job) -> Bool { job.queue == Self.webhookQueue && webhook(of: job) == nil }

  /// One of those was cancelled.
  mutating func cancelOrphan(_ job: inout Job) throws(Violation) {
    try expect(isOrphan(job) && job.state == .ready, "delivery \(job.number) was cancelled, and its webhook is there")
    end(&job, .cancelled, .cancelled, Array(CancelReason.webhookRemoved.rawValue.utf8))
  }

  private mutating func noteDelivery(_ job: Job, _ outcome: Outcome) {
    guard let key = webhook(of: job), let hook = webhooks[key] else { return }
    switch outcome {
    case .acked: webhooks[key]!.failingSince = 0
    case .failed, .expired, .timedOut:
      guard !hook.isPaused else { return }
      if hook.failingSince == 0 {
        webhooks[key]!.failingSince = max(1, now.log)
      } else if now.log - hook.failingSince >= RoostCore.Webhook.patience, now.conditions.diskLevel == 0 {
        pause(key, because: RoostCore.Webhook.failureReason)
      }
    default: break
    }
  }

  private func group(ofWebhook key: WebhookKey) -> GroupKey {
    GroupKey(queue: Self.webhookQueue, owner: key.owner, name: key.name)
  }

  private mutating func pause(_ key: WebhookKey, because reason: String) {
    webhooks[key]!.isPaused = true
    var group = groups[group(ofWebhook: key)] ?? Group()
    guard !group.isPaused else { return }
    (group.isPaused, group.pausedUntil, group.pausedAt, group.reason) = (true, 0, now.wall, Array(reason.utf8))
    set(group, of: key)
  }

  private mutating func endHold(of key: WebhookKey) {
    guard var group = groups[group(ofWebhook: key)], group.isPaused else { return }
    (group.isPaused, group.pausedUntil, group.pausedAt, group.reason) = (false, 0, 0, [])
    set(group, of: key)
  }

  private mutating func set(_ group: Group, of key: WebhookKey) {
    let queue = Self.webhookQueue
    totals[queue] = totals[queue] ?? QueueTotals()
    let wasTold = isTold(queue)
    groups[self.group(ofWebhook: key)] = group
    if wasTold != isTold(queue) { idleSince[queue] = nil }
    forgetTurns(of: queue)
  }
}

extension ReferenceModel.WebhookWish {
  var definition: WebhookDefinition {
    var definition = WebhookDefinition(
      target: PushTarget.encode(origin: origin, rest: "/x"), events: events.reduce(0) { $0 | $1.bit })
    definition.queues = queues.map { Array($0.utf8) }
    definition.types = types.map { Array($0.utf8) }
    return definition
  }
}
