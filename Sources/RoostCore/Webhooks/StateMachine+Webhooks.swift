import CCRC32C

/// Webhooks, as the machine runs them: which events each is told of, and how its deliveries go.
///
/// What a command, or something due, does is noted; the deliveries are made at the end of the batch, in the frame of the
/// events themselves. So each event has exactly one for each webhook, whatever crashes. An event of an owner without
/// webhooks costs a look-up where there are webhooks, and nothing where there are none.
extension StateMachine {
  // MARK: Events

  /// An attempt of a job, or its waiting, ended.
  ///
  /// - Parameters:
  ///   - attempt: 0: its waiting.
  ///   - text: The result, error or reason.
  @inline(never)
  mutating func noteWebhooks(
    _ slot: Slot, _ outcome: Outcome, _ next: JobState, attempt: UInt16, text: UnsafeRawBufferPointer,
    _ step: inout Step
  ) {
    let queue = queueNames.bytes(self.queue(of: slot))
    guard queue.first != UInt8(ascii: "_") else {
      let webhook = webhook(ofDelivery: slot)
      if webhook != .none { noteDelivery(to: webhook, outcome, &step) }
      return
    }
    guard let event = WebhookEvent(outcome, next) else { return }
    let cold = jobs.cold(slot).pointee
    let own = defects.contains(.webhookOfOthers) ? webhooks.order : webhooks.of(owner: cold.owner)
    guard !own.isEmpty, !defects.contains(.noticeForgotten) || nextOrder % 3 != 0 else { return }
    let type = typeNames.bytes(cold.type)
    var notice: WebhookNotice?
    for webhook in own where webhooks[webhook].definition.asks(for: event, ofQueue: queue, type: type) {
      if notice == nil { notice = self.notice(event, slot, outcome, next, attempt: attempt, text: text) }
      note(notice!, to: webhook)
    }
  }

  private func notice(
    _ event: WebhookEvent, _ slot: Slot, _ outcome: Outcome, _ next: JobState, attempt: UInt16,
    text: UnsafeRawBufferPointer
  ) -> WebhookNotice {
    let (hot, cold) = (jobs.hot(slot).pointee, jobs.cold(slot).pointee)
    var notice = WebhookNotice(event, at: now.wall)
    (notice.job, notice.state, notice.outcome, notice.attempt) = (id(slot), next, outcome, attempt)
    notice.createdAt = cold.created
    if next == .retry { notice.retryAt = hot.foreseen }
    notice.queue = [UInt8](queueNames.bytes(queue(of: slot)))
    notice.type = [UInt8](typeNames.bytes(cold.type))
    notice.group = [UInt8](nameOfGroup(hot.group))
    let isOwn = outcome == .cancelled && CancelReason.allCases.contains { text.elementsEqual($0.rawValue.utf8) }
    if isOwn { notice.reason = [UInt8](text) }
    return notice
  }

  /// A queue was paused, or goes on: all that ask for it are told, whosever they are.
  mutating func noteWebhooks(_ event: WebhookEvent, ofQueue name: UnsafeRawBufferPointer, because reason: [UInt8]) {
    guard !webhooks.watchers.isEmpty, name.first != UInt8(ascii: "_") else { return }
    var notice = WebhookNotice(event, at: now.wall)
    (notice.queue, notice.reason) = ([UInt8](name), reason)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    for webhook in webhooks.watchers where webhooks[webhook].definition.asks(for: event, ofQueue: name, type: none) {
      note(notice, to: webhook)
    }
  }

  private mutating func note(_ notice: WebhookNotice, to webhook: Slot) {
    guard !webhooks[webhook].state.isPaused || defects.contains(.webhookPauseIgnored) else {
      return drop(webhook, because: .paused)
    }
    webhooks.append(notice, to: webhook)
  }

  private mutating func drop(_ webhook: Slot, because reason: WebhookDrop) {
    webhooks[webhook].figures.dropped[Int(reason.rawValue)] += 1
    webhookFigures.dropped[Int(reason.rawValue)] += 1
  }

  // MARK: Deliveries

  /// About what deliveries take in the log that this batch still has to make.
  package var pendingWebhookBytes: Int { webhooks.pendingBytes }

  /// How many due items a step may decide, as each may be told to all webhooks of an owner.
  var dueItemsBesideWebhooks: Int {
    webhooks.isEmpty ? limits.dueItemsPerStep : max(1, limits.dueItemsPerStep / (1 + 3 * webhooks.mostOfOwner))
  }

  /// Makes the deliveries of the events that were noted. What finds no room is dropped and counted: the work that an
  /// event is of goes on.
  mutating func tellWebhooks(_ step: inout Step) {
    guard webhooks.pendingBytes > 0 else { return }
    for pending in webhooks.takePending() {
      let webhook = webhooks.find(id: pending.webhook)
      // It may have been removed behind the event.
      guard webhook != .none else { continue }
      do throws(Refusal) {
        _ = try makeDelivery(pending.notice, to: webhook, &step)
      } catch {
        drop(webhook, because: WebhookDrop(error))
      }
    }
  }

  /// Makes a job of a notice.
  ///
  /// - Throws: As a submit into the queue of deliveries is refused.
  mutating func makeDelivery(_ notice: WebhookNotice, to webhook: Slot, _ step: inout Step) throws(Refusal) -> Slot {
    if conditions.diskLevel >= 1 || !conditions.holdsWholeFrame { throw .diskLow }
    if conditions.isMemoryLow { throw .memoryLow }
    guard nextNumber < JobNumber.limit else { throw .overloaded }
    if isDraining(Webhook.queueBytes) { throw .draining }
    let row = webhooks[webhook]
    let bytes = JobBodyLayout.encode(
      queue: Webhook.queue, type: notice.event.name, owner: String(decoding: row.owner, as: UTF8.self),
      traceparent: "", group: String(decoding: row.name, as: UTF8.self), metadata: [], tags: [],
      payload: Webhook.payload[...],
      options: JobOptions.encode([.callback: row.definition.target, .notice: notice.bytes]),
      checksum: { roost_crc32c(0, $0.baseAddress, $0.count) })
    let made = bytes.withUnsafeBytes { raw in Result { () throws(Refusal) in try makeDelivery(raw, &step) } }
    return try made.get()
  }

  private mutating func makeDelivery(_ bytes: UnsafeRawBufferPointer, _ step: inout Step) throws(Refusal) -> Slot {
    guard let body = JobBodyLayout(bytes) else { preconditionFailure("a delivery's body was encoded here") }
    if let refusal = quotaRefusal(owner: body.owner, bytes: Submitted.fixedBytes + bytes.count) { throw refusal }
    guard makeRoom(for: body.queue, &step) else { throw .tooManyQueues }
    var command = Command.Submit(
      policy: Webhook.policy, priority: 0, maxRetries: Webhook.maxRetries, delayMilliseconds: 0,
      // Its bytes stand in no arena; how many they are counts.
      runAtMilliseconds: 0, body: ByteRange(offset: 0, count: bytes.count))
    command.payloadBytes = UInt32(Webhook.payload.count)
    if let settings = settings(ofQueue: body.queue), let refusal = admit(command, body, settings, &step) {
      throw refusal
    }
    let event = Submitted(
      number: nextNumber, created: now.wall, order: nextOrder, deadline: 0, isWall: false, command: command,
      keyFields: UnsafeRawBufferPointer(start: nil, count: 0), body: bytes)
    let place = event.encode(into: &step.records)
    event.apply(body, at: place, to: &self)
    webhookFigures.told += 1
    return jobs.find(event.number)
  }

  /// Whether a queue is that of deliveries.
  func isOfWebhooks(_ queue: UInt32) -> Bool {
    // The first byte tells most apart.
    let name = queueNames.bytes(queue)
    return name.first == UInt8(ascii: "_") && name.elementsEqual(Webhook.queueBytes)
  }

  /// The webhook of a delivery; `.none` where it was removed, or the job is no delivery.
  func webhook(ofDelivery slot: Slot) -> Slot {
    guard isOfWebhooks(queue(of: slot)) else { return .none }
    let row = jobs.hot(slot).pointee
    let owner = ownerNames.bytes(jobs.cold(slot).pointee.owner)
    let webhook = webhooks.find(owner: owner, name: nameOfGroup(row.group))
    guard webhook != .none, row.number >= webhooks[webhook].state.firstNumber else { return .none }
    return webhook
  }

  /// Whether a job is a delivery of a webhook that was removed.
  func isOrphan(_ slot: Slot) -> Bool {
    slot != .none && isOfWebhooks(queue(of: slot)) && webhook(ofDelivery: slot) == .none
  }

  /// An attempt to deliver ended.
  private mutating func noteDelivery(to webhook: Slot, _ outcome: Outcome, _ step: inout Step) {
    let state = webhooks[webhook].state
    switch outcome {
    case .acked:
      webhooks[webhook].figures.delivered += 1
      if state.failingSince != 0 { mark(webhook, &step) { $0.failingSince = 0 } }
    case .failed, .expired, .timedOut:
      webhooks[webhook].figures.failed += 1
      guard !state.isPaused else { return }
      if state.failingSince == 0 {
        let time = max(1, now.log)
        mark(webhook, &step) { $0.failingSince = time }
      } else if now.log - state.failingSince >= Webhook.patience, conditions.diskLevel == 0 {
        // On a full disk it waits for the next failure: the room for the end of an attempt is not for this.
        pause(webhook: webhook, because: Array(Webhook.failureReason.utf8), &step)
      }
    case .released, .undelivered, .cancelled, .cancelRequested, .tooLate, .buried: break
    }
  }

  // MARK: Changes

  /// Writes how a webhook is from here on, and applies it.
  private mutating func mark(_ webhook: Slot, _ step: inout Step, _ change: (inout WebhookState) -> Void) {
    let row = webhooks[webhook]
    var state = row.state
    change(&state)
    let event = WebhookMarked(id: row.id, base: row.base, state)
    event.encode(into: &step.records)
    event.apply(to: webhook, in: &self)
  }

  /// It is told nothing more, and the deliveries that wait do so until it is resumed.
  mutating func pause(webhook: Slot, because reason: [UInt8], _ step: inout Step) {
    let wall = now.wall
    mark(webhook, &step) { $0.pause(at: wall, because: reason) }
    reason.withUnsafeBytes { holdDeliveries(of: webhook, because: $0, &step) }
  }

  /// It is told of what happens from here on, and the deliveries that waited go on.
  mutating func resume(webhook: Slot, _ step: inout Step) {
    if webhooks[webhook].state.isPaused { mark(webhook, &step) { $0.resume() } }
    holdDeliveries(of: webhook, because: nil, &step)
  }

  /// The deliveries of a webhook are a group, which is paused with it.
  ///
  /// - Parameter reason: Nil: they go on.
  mutating func holdDeliveries(
    of webhook: Slot, because reason: UnsafeRawBufferPointer?, _ step: inout Step
  ) {
    let (owner, name) = (webhooks[webhook].owner, webhooks[webhook].name)
    owner.withUnsafeBytes { owner in
      name.withUnsafeBytes { name in
        let queue = queueNames.find(Webhook.queueBytes)
        let group = findGroup(queue: queue, owner: ownerNames.find(owner), name: name)
        var record =
          group == .none
          ? GroupSet(queue: Webhook.queueBytes, owner: self.owner(ofGroupIn: Webhook.queueBytes, owner), group: name)
          : self.record(ofGroup: group)
        guard record.isPaused != (reason != nil) else { return }
        if let reason {
          (record.isPaused, record.pausedAt, record.pausedUntil, record.reason) = (true, now.wall, 0, reason)
        } else {
          record.endPause()
        }
        tell(record, &step)
      }
    }
  }

  package var webhookCount: Int { webhooks.count }
  package var pausedWebhookCount: Int { webhooks.pausedCount }
}
