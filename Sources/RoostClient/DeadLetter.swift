import Foundation
import RoostAPI

/// A job that failed for good.
public struct DeadLetter: Sendable, Identifiable {
  public let id: JobID
  public let queue: String
  /// The queue that it was submitted to, if it was moved; else nil.
  public let source: String?
  /// Nil if none was given.
  public let group: String?
  /// Empty if none was given.
  public let type: String
  /// Why it is dead: `attempts_exhausted`, `permanent_failure`; others may come.
  public let reason: String
  /// What the last attempt said.
  public let error: String
  public let attempts: Int
  /// Retries after the first attempt.
  public let maxRetries: Int
  public let ownerID: String
  public let createdAt: Date
  public let diedAt: Date?

  init(_ fields: JSONFields) throws(RoostError) {
    id = JobID(try fields.required("job_id", JSONFields.text))
    queue = try fields.required("queue", JSONFields.text)
    source = fields.text("source")
    group = fields.text("group")
    type = fields.text("type") ?? ""
    reason = try fields.required("reason", JSONFields.text)
    error = fields.text("last_error") ?? ""
    attempts = fields.integer("attempts") ?? 0
    maxRetries = fields.retries("max_retries") ?? 0
    ownerID = fields.text("owner_id") ?? ""
    createdAt = try fields.required("created_at", JSONFields.date)
    diedAt = fields.date("dead_at")
  }
}
