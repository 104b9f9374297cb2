extension Command {
  /// Makes a webhook, changes one, takes one away, or sends a test delivery.
  package struct ChangeWebhook: Sendable, BitwiseCopyable {
    package enum Change: Sendable, BitwiseCopyable {
      /// `WebhookDefinition.bytes`.
      case set(ByteRange)
      /// Why, at most 255 bytes.
      case pause(reason: ByteRange)
      case resume
      case remove
      case test
    }

    package var owner: ByteRange
    package var name: ByteRange
    package var change: Change

    package init(owner: ByteRange, name: ByteRange, change: Change) {
      self.owner = owner
      self.name = name
      self.change = change
    }
  }
}

extension Command.ChangeWebhook: StateCommand {
  var mostBytes: Int {
    switch change {
    case .set(let definition): WebhookSet.mostBytes(definition: Int(definition.count)) + 1_024
    case .pause, .resume, .remove: WebhookMarked.mostBytes + GroupSet.mostBytes + 1_024
    case .test: Submitted.fixedBytes + PushTarget.mostBytes + WebhookNotice.mostBytes + 2_048
    }
  }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let slot = state.webhooks.find(owner: step.bytes(owner), name: step.bytes(name))
    guard case .set(let definition) = change else { return decide(on: slot, in: &state, ticket, &step) }
    guard let said = WebhookDefinition(step.bytes(definition)) else {
      preconditionFailure("a handler encodes the webhook it sets")
    }
    if slot != .none, state.webhooks[slot].definition == said {
      return state.answer(webhook: slot, isNew: false, ticket, &step)
    }
    if let refusal = refusal(slot, said, in: state, step) { return step.answer(ticket, .refused(refusal)) }
    let row: Webhook
    if slot != .none {
      var known = state.webhooks[slot]
      // Another target has not failed yet.
      if known.definition.target != said.target { known.state.failingSince = 0 }
      known.definition = said
      known.state.changedAt = state.now.wall
      row = known
    } else {
      row = Webhook(
        id: state.webhooks.nextID, owner: [UInt8](step.bytes(owner)), name: [UInt8](step.bytes(name)),
        definition: said, state: WebhookState(createdAt: state.now.wall, firstNumber: state.nextNumber))
    }
    let event = WebhookSet(row)
    event.apply(at: event.encode(into: &step.records), to: &state)
    state.answer(webhook: state.webhooks.find(id: row.id), isNew: slot == .none, ticket, &step)
  }

  /// Why it is not set; nil where it is.
  private func refusal(
    _ slot: Slot, _ said: WebhookDefinition, in state: borrowing StateMachine, _ step: borrowing Step
  ) -> Refusal? {
    if state.conditions.diskLevel >= 1 { return .diskLow }
    if state.conditions.isMemoryLow { return .memoryLow }
    let watches = said.events & WebhookEvent.queueBits != 0
    let isWatcher = slot != .none && state.webhooks.watchers.contains(slot)
    if watches, !isWatcher, state.webhooks.watchers.count >= Webhook.mostOfQueues { return .tooManyWebhooks }
    guard slot == .none else { return nil }
    let first = state.webhooks.place(owner: step.bytes(owner), name: EmptyCollection())
    let last = first + state.limits.maxWebhooks - 1
    let isFull =
      last < state.webhooks.count && state.webhooks[state.webhooks.order[last]].owner.elementsEqual(step.bytes(owner))
    return isFull || state.webhooks.count >= Webhook.most ? .tooManyWebhooks : nil
  }

  private func decide(on slot: Slot, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard slot != .none else { return step.answer(ticket, .refused(.webhookNotFound)) }
    if case .test = change { return test(slot, in: &state, ticket, &step) }
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    switch change {
    case .set, .test: return
    case .pause(let reason):
      if !state.webhooks[slot].state.isPaused {
        state.pause(webhook: slot, because: [UInt8](step.bytes(reason)), &step)
      }
    case .resume: state.resume(webhook: slot, &step)
    case .remove:
      // As it was.
      state.answer(webhook: slot, isNew: false, ticket, &step)
      state.holdDeliveries(of: slot, because: nil, &step)
      let event = WebhookRemoved(id: state.webhooks[slot].id, base: state.webhooks[slot].base)
      event.encode(into: &step.records)
      return event.apply(to: slot, in: &state)
    }
    state.answer(webhook: slot, isNew: false, ticket, &step)
  }

  private func test(_ slot: Slot, in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    do throws(Refusal) {
      let job = try state.makeDelivery(WebhookNotice(.test, at: state.now.wall), to: slot, &step)
      step.answer(ticket, .submitted(state.accepted(job)))
    } catch {
      step.answer(ticket, .refused(error))
    }
  }
}
