import Foundation
import Logging
import RoostAPI
import Synchronization

/// What became of an attempt, told to the daemon until it knows, and logged.
extension WorkerSession {
  /// Tells what became of an attempt, until it is known or the lease is lost.
  ///
  /// - Parameter ending: Why the handler was cancelled before it ended.
  func settle(_ job: LeasedJob, _ conclusion: Conclusion, _ ending: Ending?) async {
    guard var outcome = outcome(conclusion, ending) else { return }
    var answer = await tell(job, outcome)
    if case .refused(let refusal) = answer, refusal.status != 401, refusal.status != 403 {
      // Such as a result that is too large: the daemon will not take it a second time either.
      outcome = .fail("the outcome was refused: \(refusal)")
      answer = await tell(job, outcome)
    }
    logger.note(outcome, of: job, answer)
  }

  /// - Returns: nil if there is nothing to tell.
  private func outcome(_ conclusion: Conclusion, _ ending: Ending?) -> Outcome? {
    switch (conclusion, ending) {
    case (_, .leaseLost): nil
    case (.returned(let outcome), _): outcome
    // A handler that was cancelled throws whatever its libraries make of it. If the lease still counts with the
    // daemon the job goes to another worker at once, and if not, nothing happens.
    case (.threw, .drained), (.threw, .leaseEnded): .snooze(.zero)
    case (.threw(let error), .cancelRequested): .fail(error)
    case (.threw(let error), nil): .retry(error)
    }
  }

  // MARK: Telling

  private func tell(_ job: LeasedJob, _ outcome: Outcome) async -> OutcomeAnswer {
    var backoff = Backoff(transport.configuration.retry)
    while true {
      let isLast = isAborted
      do throws(Transport.Failure) {
        return try await tellOnce(job, outcome)
      } catch .refused(let error) where error.isUndecided {
        // What was under way when the worker's time ended is told once more.
        guard !isLast else { return .unknown(error) }
        guard ending(of: job.leaseID) != .leaseLost else { return .lost }
        logger.debug("telling the outcome again", metadata: about(job.id, error))
        await pause(job, backoff.pause(atLeast: error.boundedRetryAfter))
      } catch .refused(let error) {
        return error.meansLeaseLost ? .lost : .refused(error)
      } catch {
        return .lost
      }
    }
  }

  /// Waits before an outcome is told again; ends early where the worker has no time left.
  private func pause(_ job: LeasedJob, _ duration: Duration) async {
    let pause = WorkerThread.task { await WorkerThread.sleep(for: duration) }
    let isAborted = state.withLock { state in
      state.held[job.leaseID]?.wake = { pause.cancel() }
      return state.isAborted
    }
    if isAborted { pause.cancel() }
    await pause.value
    state.withLock { $0.held[job.leaseID]?.wake = nil }
  }

  private func tellOnce(_ job: LeasedJob, _ outcome: Outcome) async throws(Transport.Failure) -> OutcomeAnswer {
    var body = JSONWriter()
    body.beginObject()
    body.field("lease_id", job.leaseID)
    let verb: String
    switch outcome.kind {
    case .complete(let result):
      try await acknowledger.acknowledge(job, result)
      return .state(.acked, runAt: nil)
    case .retry(let error, let after):
      verb = "fail"
      body.field("error", boundedError(error))
      if let after { body.field("retry_after", duration: after) }
    case .fail(let error):
      verb = "fail"
      body.field("error", boundedError(error))
      body.field("retryable", false)
    case .snooze(let delay):
      verb = "release"
      if delay > .zero { body.field("delay", duration: delay) }
    }
    if let hold = outcome.groupHold { body.field("hold_group", duration: hold) }
    body.endObject()
    let (state, runAt) = try await transport.endOnce(.post(path(job.id, verb), body.bytes))
    return .state(state, runAt: runAt)
  }

  func path(_ job: JobID, _ verb: String) -> String { "/jobs/\(percentEncoded(job.rawValue))/\(verb)" }

  func about(_ job: JobID, _ error: RoostError) -> Logger.Metadata {
    ["job_id": "\(job)", "error": "\(error)"]
  }
}
