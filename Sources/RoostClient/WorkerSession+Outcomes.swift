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
    log(job, outcome, answer)
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

  /// What the daemon makes of an outcome.
  private enum Answer {
    /// The job's state, and when a failed one is tried again.
    case state(JobState, runAt: Date?)
    /// The job is no longer this worker's.
    case lost
    /// It could not be told before the worker stopped.
    case unknown(RoostError)
    /// The daemon does not take it.
    case refused(RoostError)
  }

  private func tell(_ job: LeasedJob, _ outcome: Outcome) async -> Answer {
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

  private func tellOnce(_ job: LeasedJob, _ outcome: Outcome) async throws(Transport.Failure) -> Answer {
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
      body.field("error", Self.bounded(error, 8 << 10))
      if let after { body.field("retry_after", duration: after) }
    case .fail(let error):
      verb = "fail"
      body.field("error", Self.bounded(error, 8 << 10))
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

  /// The daemon takes 16 KiB of text, and none at all it refuses.
  private static func bounded(_ error: String, _ bytes: Int) -> String {
    guard !error.isEmpty else { return "failed without saying why" }
    guard error.utf8.count > bytes else { return error }
    // Cut bytes may leave half a character, which becomes a replacement character.
    return String(decoding: error.utf8.prefix(bytes), as: UTF8.self) + "…"
  }

  // MARK: Logging

  /// Every failed attempt with what comes next, and every outcome that the daemon does not know.
  private func log(_ job: LeasedJob, _ outcome: Outcome, _ answer: Answer) {
    var metadata: Logger.Metadata = [
      "job_id": "\(job.id)", "queue": "\(job.queue)", "type": "\(job.type)",
      "attempt": job.maxRetries == QueueSettings.unlimitedRetries
        ? "\(job.attempt)" : "\(job.attempt) of \(job.maxRetries + 1)",
    ]
    var hasFailed = false
    switch outcome.kind {
    case .retry(let error, _), .fail(let error):
      hasFailed = true
      metadata["error"] = "\(Self.oneLine(error))"
    case .complete, .snooze: break
    }
    switch answer {
    case .state(.dead, _) where hasFailed:
      metadata["next"] = "nothing: the job is DEAD"
      logger.error("the attempt failed, and with it the job", metadata: metadata)
    case .state(.retry, let runAt) where hasFailed:
      metadata["next"] =
        "attempt \(job.attempt + 1)\(runAt.map { " at \(Timestamp.text(milliseconds: $0.milliseconds))" } ?? "")"
      logger.warning("the attempt failed", metadata: metadata)
    case .state(let state, _):
      metadata["state"] = "\(state)"
      logger.debug("the outcome is known to the daemon", metadata: metadata)
    case .lost:
      metadata["next"] = "what the daemon makes of it: the lease was lost before the outcome was told"
      logger.warning("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    case .unknown(let refusal):
      metadata["next"] = "another attempt, once the lease has ended: the daemon could not be told the outcome"
      metadata["refusal"] = "\(refusal)"
      logger.warning("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    case .refused(let refusal):
      metadata["next"] = "another attempt, once the lease has ended: the daemon refused the outcome"
      metadata["refusal"] = "\(refusal)"
      logger.error("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    }
  }

  /// An error as one line of bounded length, whatever a handler's libraries put into it.
  private static func oneLine(_ error: String) -> String {
    var json = JSONWriter(capacity: 128)
    json.string(bounded(error, 1 << 10))
    return String(decoding: json.bytes.dropFirst().dropLast(), as: UTF8.self)
  }

  func path(_ job: JobID, _ verb: String) -> String { "/jobs/\(percentEncoded(job.rawValue))/\(verb)" }

  func about(_ job: JobID, _ error: RoostError) -> Logger.Metadata {
    ["job_id": "\(job)", "error": "\(error)"]
  }
}
