import Foundation
import Logging
import RoostAPI

/// What the daemon makes of an outcome.
package enum OutcomeAnswer: Sendable {
  /// The job's state, and when a failed one is tried again.
  case state(JobState, runAt: Date?)
  /// The job is no longer this worker's.
  case lost
  /// It could not be told before the worker stopped.
  case unknown(RoostError)
  /// The daemon does not take it.
  case refused(RoostError)
}

extension Logger {
  /// A line for every failed attempt, with what comes next, and for every outcome that the daemon does not know: the same
  /// whichever way the worker talks with the daemon.
  package func note(_ outcome: Outcome, of job: LeasedJob, _ answer: OutcomeAnswer) {
    var metadata: Metadata = [
      "job_id": "\(job.id)", "queue": "\(job.queue)", "type": "\(job.type)",
      "attempt": job.maxRetries == QueueSettings.unlimitedRetries
        ? "\(job.attempt)" : "\(job.attempt) of \(job.maxRetries + 1)",
    ]
    var hasFailed = false
    switch outcome.kind {
    case .retry(let error, _), .fail(let error):
      hasFailed = true
      metadata["error"] = "\(oneLine(error))"
    case .complete, .snooze: break
    }
    switch answer {
    case .state(.dead, _) where hasFailed:
      metadata["next"] = "nothing: the job is DEAD"
      error("the attempt failed, and with it the job", metadata: metadata)
    case .state(.retry, let runAt) where hasFailed:
      metadata["next"] =
        "attempt \(job.attempt + 1)\(runAt.map { " at \(Timestamp.text(milliseconds: $0.milliseconds))" } ?? "")"
      warning("the attempt failed", metadata: metadata)
    case .state(let state, _):
      metadata["state"] = "\(state)"
      debug("the outcome is known to the daemon", metadata: metadata)
    case .lost:
      metadata["next"] = "what the daemon makes of it: the lease was lost before the outcome was told"
      warning("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    case .unknown(let refusal):
      metadata["next"] = "another attempt, once the lease has ended: the daemon could not be told the outcome"
      metadata["refusal"] = "\(refusal)"
      warning("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    case .refused(let refusal):
      metadata["next"] = "another attempt, once the lease has ended: the daemon refused the outcome"
      metadata["refusal"] = "\(refusal)"
      error("\(hasFailed ? "the attempt failed" : "the attempt was in vain")", metadata: metadata)
    }
  }
}

/// An error as one line of bounded length, whatever a handler's libraries put into it.
private func oneLine(_ error: String) -> String {
  var json = JSONWriter(capacity: 128)
  json.string(boundedError(error, 1 << 10))
  return String(decoding: json.bytes.dropFirst().dropLast(), as: UTF8.self)
}

/// An error of at most so many bytes, and a mark where it was cut. The daemon takes 16 KiB of text, and none at all it
/// refuses.
package func boundedError(_ error: String, _ bytes: Int = 8 << 10) -> String {
  guard !error.isEmpty else { return "failed without saying why" }
  guard error.utf8.count > bytes else { return error }
  // Cut bytes may leave half a character, which becomes a replacement character.
  return String(decoding: error.utf8.prefix(bytes), as: UTF8.self) + "…"
}
