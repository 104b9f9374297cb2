import Foundation
import Logging
import RoostAPI
import RoostClient
import RoostProto
import SwiftProtobuf
import Synchronization

/// What the daemon says, and the handlers.
extension GRPCSession {
  func hear(_ message: Roost_V1_DaemonMessage) {
    for job in message.jobs { take(job) }
    for answer in message.extended { take(answer) }
    for settlement in message.settled { take(settlement) }
    for notice in message.cancels { end(notice.leaseID, .cancelRequested) }
    if message.hasHeartbeat { take(message.heartbeat) }
    state.withLock { $0.confirm(worker.configuration) }
    wake()
    signal()
  }

  private func take(_ message: Roost_V1_LeasedJob) {
    let now = Self.clock.now
    let job = LeasedJob(message)
    let lease = job.lease ?? .seconds(30)
    state.withLock { state in
      guard !state.isDraining else {
        state.outgoing.outcomes.append(.release(job))
        return
      }
      let attemptEndsAt = job.timeout.map { now + $0 }
      state.held[job.leaseID] = Held(
        job: job, lease: lease, since: now, endsAt: min(now + lease, attemptEndsAt ?? now + lease),
        attemptEndsAt: attemptEndsAt)
      state.queue.append(job.leaseID)
      state.nextBeatAt = min(state.nextBeatAt, now + lease / 3)
    }
  }

  private func take(_ answer: Roost_V1_Extension) {
    let token = answer.leaseID
    let (isToStart, report): (Bool, Report?) = state.withLock { state in
      guard let held = state.held[token], !held.asked.isEmpty else { return (false, nil) }
      let report = state.held[token]!.asked.removeFirst()
      guard !answer.hasError, case .confirming = held.phase else { return (false, report) }
      return (true, nil)
    }
    report?(answer)
    if answer.hasError {
      if ["lease_lost", "job_not_found", "already_ended", "job_not_running"].contains(answer.error.code) {
        end(token, .leaseLost)
      } else if isConfirming(token) {
        // Such as a daemon that is overloaded: it is asked again.
        state.withLock { state in
          state.held[token]?.phase = .waiting
          state.queue.append(token)
        }
      }
      return
    }
    if isToStart {
      start(token, isCancelled: answer.cancelRequested)
    } else if answer.cancelRequested {
      end(token, .cancelRequested)
    }
  }

  private func isConfirming(_ token: String) -> Bool {
    state.withLock { if case .confirming? = $0.held[token]?.phase { true } else { false } }
  }

  private func take(_ answer: Roost_V1_HeartbeatAnswer) {
    state.withLock { state in
      guard let asked = state.beats.removeValue(forKey: answer.heartbeat) else { return }
      state.beats = state.beats.filter { $0.key > answer.heartbeat }
      for (token, held) in state.held where held.since <= asked {
        let endsAt = max(held.endsAt, asked + held.lease)
        state.held[token]?.endsAt = min(endsAt, held.attemptEndsAt ?? endsAt)
      }
    }
    for lost in answer.lost { end(lost.leaseID, .leaseLost) }
  }

  private func take(_ settlement: Roost_V1_Settlement) {
    let token = settlement.leaseID
    guard settlement.hasError else { return forget(token) }
    let error = settlement.error
    logger.warning(
      "an outcome was refused", metadata: ["job_id": "\(settlement.jobID)", "error": "\(error.code): \(error.message)"])
    let status = ErrorCode(rawValue: error.code)?.status ?? 500
    if status == 409 || status == 404 { return forget(token) }
    guard status < 500 else { return repeatLater(token) }
    // Such as a result that is too large: the daemon will not take it a second time either.
    state.withLock { state in
      guard let held = state.held[token], case .concluded(let outcome) = held.phase else { return }
      var failure = Roost_V1_Outcome()
      failure.fail = Roost_V1_FailRequest(held.job, "the outcome was refused: \(error.code): \(error.message)")
      failure.fail.permanent = true
      if outcome.fail.permanent, outcome.fail.error == failure.fail.error {
        state.held[token] = nil
      } else {
        state.held[token]?.phase = .concluded(failure)
        state.outgoing.outcomes.append(failure)
      }
    }
  }

  private func repeatLater(_ token: String) {
    WorkerThread.task {
      await WorkerThread.sleep(for: .seconds(1))
      self.state.withLock { state in
        if case .concluded(let outcome)? = state.held[token]?.phase { state.outgoing.outcomes.append(outcome) }
      }
      self.wake()
    }
  }

  /// The job is held no more: there is room for another.
  private func forget(_ token: String) {
    state.withLock { state in
      guard state.held.removeValue(forKey: token) != nil, !state.isDraining else { return }
      state.outgoing.credits += 1
    }
  }

  // MARK: Handlers

  private func start(_ token: String, isCancelled: Bool) {
    guard let job = state.withLock({ $0.held[token]?.job }) else { return }
    // It was called off before it began: what is released then is CANCELLED.
    guard !isCancelled else { return conclude(token, .release(job)) }
    let context = JobContext(job, logger: logger) { [weak self] progress in
      try await self?.report(progress, of: token)
    }
    state.withLock { state in
      // On Swift's pool, where it may block: no preference is inherited here.
      let handler = Task {
        let (result, _) = await JobTrace.processing(context) { try await self.worker.run(job.payload, context) }
        switch result {
        case .success(let outcome): self.concluded(job, outcome, "")
        case .failure(let failure as PermanentFailure): self.concluded(job, .fail(failure.description), "")
        case .failure(let error): self.concluded(job, nil, "\(error)")
        }
      }
      state.held[token]?.phase = .running
      state.held[token]?.cancel = { handler.cancel() }
      if state.held[token]?.ending != nil { handler.cancel() }
    }
  }

  /// - Parameter outcome: nil: the handler threw.
  private func concluded(_ job: LeasedJob, _ outcome: RoostClient.Outcome?, _ thrown: String) {
    let token = job.leaseID
    let ending = state.withLock { state in state.held[token].map(\.ending) ?? .leaseLost }
    let told: RoostClient.Outcome
    switch (outcome, ending) {
    case (_, .leaseLost?):
      forget(token)
      state.withLock { $0.confirm(worker.configuration) }
      wake()
      return signal()
    case (let outcome?, _): told = outcome
    case (nil, .drained?), (nil, .leaseEnded?): told = .snooze(.zero)
    case (nil, .cancelRequested?): told = .fail(thrown)
    case (nil, nil): told = .retry(thrown)
    }
    if told.stopsWorker { drain() }
    if case .retry(let error, _) = told.kind { warn(job, error) }
    if case .fail(let error) = told.kind { warn(job, error) }
    conclude(token, Roost_V1_Outcome(job, told))
  }

  private func warn(_ job: LeasedJob, _ error: String) {
    logger.warning(
      "the attempt failed",
      metadata: [
        "job_id": "\(job.id)", "type": "\(job.type)", "attempt": "\(job.attempt)", "error": "\(error.prefix(1_024))",
      ])
  }

  /// The handler has ended: its outcome is told until it is known.
  private func conclude(_ token: String, _ outcome: Roost_V1_Outcome) {
    state.withLock { state in
      guard state.held[token] != nil else { return }
      state.held[token]?.phase = .concluded(outcome)
      state.outgoing.outcomes.append(outcome)
      state.confirm(worker.configuration)
    }
    wake()
    signal()
  }

  /// Cancels a handler; the first reason counts, but that the job is lost counts always. A job that has no handler yet is
  /// dropped.
  func end(_ token: String, _ ending: Ending) {
    let isDropped = state.withLock { state in
      guard let held = state.held[token] else { return false }
      if held.ending == nil || ending == .leaseLost { state.held[token]?.ending = ending }
      held.cancel?()
      switch (held.phase, ending) {
      case (.waiting, .leaseLost), (.confirming, .leaseLost), (.waiting, .leaseEnded), (.confirming, .leaseEnded),
        (.concluded, .leaseLost):
        return true
      default: return false
      }
    }
    if isDropped { forget(token) }
  }

  /// Says how far a handler is.
  private func report(_ progress: RawJSON, of token: String) async throws {
    guard state.withLock({ $0.held[token]?.isRunning == true && $0.held[token]?.ending == nil }) else {
      throw CancellationError()
    }
    let answer = await withCheckedContinuation { (done: CheckedContinuation<Roost_V1_Extension?, Never>) in
      let isAsked = state.withLock { state in
        guard state.link != nil, state.held[token] != nil else { return false }
        state.extend(token, worker.configuration.lease, progress: progress) { done.resume(returning: $0) }
        return true
      }
      // Without a stream the report is dropped, and the job goes on.
      if isAsked { wake() } else { done.resume(returning: nil) }
    }
    if let answer, answer.hasError, ErrorCode(rawValue: answer.error.code)?.status ?? 500 < 409 {
      throw RoostError(
        RoostError.Code(rawValue: answer.error.code), answer.error.message, .daemon,
        status: ErrorCode(rawValue: answer.error.code)?.status, field: answer.error.field)
    }
    guard state.withLock({ $0.held[token]?.ending == nil }), answer?.cancelRequested != true else {
      throw CancellationError()
    }
  }
}
