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
    if !message.jobs.isEmpty { heard(isQuiet: false) }
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

  /// The daemon sends a quiet worker no jobs; what it was sent before is done.
  private func heard(isQuiet: Bool) {
    let isNews = state.withLock { state in
      defer { state.isQuiet = isQuiet }
      return state.isQuiet != isQuiet
    }
    guard isNews else { return }
    logger.notice(isQuiet ? "an operator asked this worker to take no more jobs" : "this worker takes jobs again")
  }

  private func take(_ answer: Roost_V1_HeartbeatAnswer) {
    // One that extended nothing tells nothing of the worker.
    if answer.extended > 0 || answer.quiet { heard(isQuiet: answer.quiet) }
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
    guard settlement.hasError else {
      let runAt = settlement.hasRunAt ? settlement.runAt.date : nil
      return settled(token, .state(JobState(rawValue: settlement.state), runAt: runAt))
    }
    let refusal = RoostError(settlement.error)
    if refusal.isUndecided {
      logger.debug(
        "telling the outcome again", metadata: ["job_id": "\(settlement.jobID)", "error": "\(refusal)"])
      repeatLater(token, refusal.boundedRetryAfter)
    } else if refusal.meansLeaseLost {
      settled(token, .lost)
    } else if refusal.status == 401 || refusal.status == 403 || !failsForGood(token, refusal) {
      // A key that may not do this says nothing of the job: it comes again once its lease has ended.
      settled(token, .refused(refusal))
    }
  }

  /// Fails a job whose outcome the daemon does not take, such as a result that is too large: it will not take it a second
  /// time either.
  ///
  /// - Returns: false: this failure is what was refused.
  private func failsForGood(_ token: String, _ refusal: RoostError) -> Bool {
    let outcome = RoostClient.Outcome.fail("the outcome was refused: \(refusal)")
    return state.withLock { state in
      guard let held = state.held[token], case .concluded = held.phase, held.told != nil, !held.hasBeenRefused
      else { return false }
      let failure = Roost_V1_Outcome(held.job, outcome)
      state.held[token]?.hasBeenRefused = true
      state.held[token]?.told = outcome
      state.held[token]?.phase = .concluded(failure)
      state.outgoing.outcomes.append(failure)
      return true
    }
  }

  /// The daemon has said what it makes of an outcome.
  private func settled(_ token: String, _ answer: OutcomeAnswer) {
    note(token, answer)
    forget(token)
  }

  /// Logs what became of an attempt.
  func note(_ token: String, _ answer: OutcomeAnswer) {
    let held = state.withLock { $0.held[token] }
    if let held, let outcome = held.told { logger.note(outcome, of: held.job, answer) }
  }

  private func repeatLater(_ token: String, _ pause: Duration?) {
    WorkerThread.task {
      await WorkerThread.sleep(for: max(.seconds(1), pause ?? .zero))
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
    } write: { [logger] lines in
      // The stream has no message for them.
      for line in lines { logger.info("\(line)", metadata: ["job_id": "\(job.id)", "attempt": "\(job.attempt)"]) }
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
    conclude(token, Roost_V1_Outcome(job, told), told)
  }

  /// The handler has ended: its outcome is told until it is known.
  ///
  /// - Parameter told: The same, for the log; nil: the job goes back unbegun.
  private func conclude(_ token: String, _ outcome: Roost_V1_Outcome, _ told: RoostClient.Outcome? = nil) {
    state.withLock { state in
      // One that was handed back at the end, without its handler, is told so already.
      guard let held = state.held[token], !held.isConcluded else { return }
      state.held[token]?.phase = .concluded(outcome)
      state.held[token]?.told = told
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
    guard isDropped else { return }
    if ending == .leaseLost { note(token, .lost) }
    forget(token)
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
