/// Deliveries that a webhook left which was removed: they are cancelled once they are READY.
enum WebhookOrphans: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.webhooks.orphans.isEmpty ? nil : state.now.log
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    while let line = state.webhooks.orphans.last {
      // The line may be another's by now, or its first job another.
      guard state.groups.isUsed(line), state.isOfWebhooks(state.groups[line].pointee.queue),
        state.groups[line].pointee.levels != .none, case let job = state.firstReady(ofGroup: line), job != .none,
        state.isOrphan(job)
      else {
        state.webhooks.orphans.removeLast()
        continue
      }
      state.cancel(job, because: .webhookRemoved, &step)
      if !state.endedJobs.isEmpty { state.answerEnds(&step) }
      return true
    }
    return false
  }
}
