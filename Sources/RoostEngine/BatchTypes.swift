import RoostCore

/// How an attempt ended, as its worker tells it.
package struct AttemptEnd: Sendable {
  package var id: JobID
  /// Nil counts while the job is RUNNING under the same API key, unless `REQUIRE_LEASE_ID`.
  package var leaseID: LeaseID?
  let outcome: Outcome
  /// The result, raw JSON of at most 4 MiB; or the error, at most 16 KiB.
  let text: [UInt8]
  var isRetryable = true
  /// Nil: by the job's retry policy.
  var retryAfterMilliseconds: Int64?

  /// - Parameter result: Raw JSON, at most 4 MiB.
  package static func acknowledged(_ id: JobID, leaseID: LeaseID?, result: ArraySlice<UInt8>?) -> AttemptEnd {
    AttemptEnd(id: id, leaseID: leaseID, outcome: .acked, text: result.map { Array($0) } ?? [])
  }

  /// - Parameter retryAfterMilliseconds: Nil: by the job's retry policy.
  package static func failed(
    _ id: JobID, leaseID: LeaseID?, error: String, isRetryable: Bool = true, retryAfterMilliseconds: Int64? = nil
  ) -> AttemptEnd {
    AttemptEnd(
      id: id, leaseID: leaseID, outcome: .failed, text: Array(error.utf8), isRetryable: isRetryable,
      retryAfterMilliseconds: retryAfterMilliseconds)
  }

  /// What the job is after it.
  package struct After: Sendable, Equatable {
    package var state: JobState
    /// RETRY: when it becomes due; wall time.
    package var runAtMilliseconds: Int64?

    init(_ state: JobState, _ deadline: Int64) {
      self.state = state
      runAtMilliseconds = state == .retry ? deadline : nil
    }
  }
}

/// A lease that its worker wants to keep.
package struct LeaseExtension: Sendable {
  package var id: JobID
  package var leaseID: LeaseID
  /// 1 s…12 h; nil: as long as the lease was.
  package var leaseMilliseconds: Int64?

  package init(id: JobID, leaseID: LeaseID, leaseMilliseconds: Int64?) {
    self.id = id
    self.leaseID = leaseID
    self.leaseMilliseconds = leaseMilliseconds
  }

  /// What the lease is after it.
  package struct After: Sendable, Equatable {
    /// Wall time.
    package var leaseUntilMilliseconds: Int64
    package var cancelRequested: Bool
  }
}

extension Submitted {
  init(_ accepted: Answer.Accepted, queue: String) {
    self.init(
      id: accepted.id, state: accepted.state, queue: queue, createdAtMilliseconds: accepted.id.createdMilliseconds,
      runAtMilliseconds: accepted.due == 0 ? nil : accepted.due, isIdempotent: accepted.isIdempotent)
  }
}
