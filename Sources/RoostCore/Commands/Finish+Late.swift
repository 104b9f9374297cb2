/// A worker that ends an attempt which has ended: the same again is the same success, as its answer may have been lost;
/// anything else is told what stands.
extension StateMachine {
  /// How a lease ended.
  private struct End {
    let lease: LeaseID
    let keyID: UInt32
    let outcome: Outcome
    let said: UInt32
  }

  /// The answer to an end that comes late.
  ///
  /// - Parameter refusal: Why it cannot count, for who did not end the attempt.
  mutating func answerLate(
    _ command: Command.Finish, _ slot: Slot, _ refusal: Refusal, _ ticket: UInt64, _ step: inout Step
  ) {
    guard let cell = existingLeaseCell(slot)?.pointee, let outcome = Outcome(rawValue: cell.lastOutcome) else {
      return step.answer(ticket, .refused(refusal))
    }
    let end = End(lease: cell.id, keyID: cell.keyID, outcome: outcome, said: cell.said)
    guard isByWhoever(asks: command, end, step) else { return step.answer(ticket, .refused(refusal)) }
    if isSame(command, end) {
      hasJustFinished = true
      return step.answer(ticket, changed(slot))
    }
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    // Who names no lease speaks of whatever attempt runs: a job that waits has none.
    guard command.outcome.isToldByWorker, outcome.isToldByWorker, command.hasLease || state.isFinished else {
      return step.answer(ticket, .refused(refusal))
    }
    step.answer(
      ticket,
      .ended(
        Answer.Ended(
          id: id(slot), state: state, outcome: outcome, isSameOutcome: outcome == command.outcome,
          endedAt: cell.endedAt,
          due: state == .scheduled || state == .retry ? foreseen(slot) : 0,
          history: LogPosition(rawValue: cell.history), historyBytes: cell.historyBytes)))
  }

  /// The same for a job that is not there, or not for the asker's eyes.
  mutating func answerLate(_ command: Command.Finish, _ ticket: UInt64, _ step: inout Step) {
    guard let receipt = receipts.find(command.job.number), receipt.check == command.job.check,
      mayView(receipt.queue, receipt.owner, command.viewer, step)
    else { return step.answer(ticket, .refused(.jobNotFound)) }
    let end = End(lease: receipt.lease, keyID: receipt.keyID, outcome: receipt.outcome, said: receipt.said)
    guard command.outcome.isToldByWorker, isByWhoever(asks: command, end, step) || defects.contains(.anyReceipt) else {
      return step.answer(ticket, .refused(.jobNotFound))
    }
    if isSame(command, end) {
      hasJustFinished = true
      return step.answer(ticket, .changed(state: receipt.state, deadline: 0, cancelRequested: false))
    }
    step.answer(
      ticket,
      .ended(
        Answer.Ended(
          id: nil, state: receipt.state, outcome: receipt.outcome, isSameOutcome: receipt.outcome == command.outcome,
          endedAt: receipt.endedAt, due: 0, history: .none, historyBytes: 0)))
  }

  /// Whether the lease that is named (or, for a plain acknowledgement, this key) is the one that ended.
  private mutating func isByWhoever(asks command: Command.Finish, _ end: End, _ step: borrowing Step) -> Bool {
    if command.hasLease { return end.lease == command.lease }
    return !limits.requiresLeaseID && keyNames.find(step.bytes(command.keyID)) == end.keyID
  }

  private func isSame(_ command: Command.Finish, _ end: End) -> Bool {
    end.outcome == command.outcome
      && (end.said == (command.text.isEmpty ? 0 : command.textChecksum) || defects.contains(.otherEndTaken))
  }

  /// Keeps how a job's last lease ended, before the job leaves.
  ///
  /// - Parameter keyUntil: Uptime until which its idempotency key answers; 0: it has none.
  mutating func keepReceipt(_ slot: Slot, keyUntil: Int64) {
    guard let cell = existingLeaseCell(slot)?.pointee, let outcome = Outcome(rawValue: cell.lastOutcome),
      outcome.isToldByWorker
    else { return }
    let row = jobs.hot(slot).pointee
    let (queue, owner) = (queue(of: slot), jobs.cold(slot).pointee.owner)
    queueNames.retain(queue)
    ownerNames.retain(owner)
    keyNames.retain(cell.keyID)
    let former = receipts.insert(
      Receipt(
        number: row.number, check: row.check, lease: cell.id, endedAt: cell.endedAt, said: cell.said,
        keyUntil: UInt32(clamping: keyUntil / 1_000_000_000), queue: queue,
        owner: owner, keyID: cell.keyID, outcome: outcome, state: JobState(rawValue: row.state)!))
    guard let former else { return }
    queueNames.release(former.queue)
    ownerNames.release(former.owner)
    keyNames.release(former.keyID)
  }
}
