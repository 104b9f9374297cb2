import RoostCore
import RoostLog

/// How an attempt ended, as its worker tells it.
package struct AttemptEnd: Sendable {
  package var id: JobID
  /// Nil counts while the job is RUNNING under the same API key, unless `REQUIRE_LEASE_ID`.
  package var leaseID: LeaseID?
  let outcome: Outcome
  /// The result, raw JSON of at most 4 MiB; or the error, at most 16 KiB.
  let text: [UInt8]
  var isRetryable = true
  /// Failure: until the retry, −1: by the job's retry policy. Handed back: until it is due.
  var delayMilliseconds: Int64 = 0
  /// The job's group gives no jobs for so long; 0: it goes on.
  package var holdGroupMilliseconds: Int64 = 0

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
      delayMilliseconds: retryAfterMilliseconds ?? -1)
  }

  /// Handed back: the attempt is not spent.
  package static func released(_ id: JobID, leaseID: LeaseID, delayMilliseconds: Int64) -> AttemptEnd {
    AttemptEnd(id: id, leaseID: leaseID, outcome: .released, text: [], delayMilliseconds: delayMilliseconds)
  }

  /// What the job is after it.
  package struct After: Sendable, Equatable {
    package var state: JobState
    /// RETRY: when it becomes due; wall time.
    package var runAtMilliseconds: Int64?

    package init(_ state: JobState, _ deadline: Int64) {
      self.state = state
      runAtMilliseconds = state == .retry ? deadline : nil
    }
  }
}

/// A lease that its worker wants to keep.
package struct LeaseExtension: Sendable {
  package var id: JobID
  package var leaseID: LeaseID
  /// 100 ms…12 h; nil: as long as the lease was.
  package var leaseMilliseconds: Int64?
  /// How far the worker is: raw JSON of at most 16 KiB; nil: it does not say.
  package var progress: ArraySlice<UInt8>?

  package init(id: JobID, leaseID: LeaseID, leaseMilliseconds: Int64?, progress: ArraySlice<UInt8>? = nil) {
    self.id = id
    self.leaseID = leaseID
    self.leaseMilliseconds = leaseMilliseconds
    self.progress = progress
  }

  /// The command, its bytes gathered with those of others.
  func command(_ job: JobRef, _ viewer: ViewerRef, _ asked: inout AskedBytes) -> Command.Extend {
    let text = progress ?? []
    return Command.Extend(
      job: job, viewer: viewer, lease: leaseID, milliseconds: leaseMilliseconds ?? 0, progress: asked.add(text),
      progressChecksum: text.withUnsafeBytes { Checksum.of($0) })
  }

  /// What the lease is after it.
  package struct After: Sendable, Equatable {
    /// Wall time.
    package var leaseUntilMilliseconds: Int64
    package var cancelRequested: Bool

    package init(leaseUntilMilliseconds: Int64, cancelRequested: Bool) {
      self.leaseUntilMilliseconds = leaseUntilMilliseconds
      self.cancelRequested = cancelRequested
    }
  }
}

extension Submitted {
  /// - Parameters:
  ///   - queue: That of the submit.
  ///   - board: Knows the queue of another job that is answered in its place.
  init(_ accepted: Answer.Accepted, queue: String, _ board: QueueBoard) {
    let queue = accepted.queue == .none ? queue : board.name(of: accepted.queue) ?? queue
    self.init(
      id: accepted.id, state: accepted.state, queue: queue, createdAtMilliseconds: accepted.id.createdMilliseconds,
      runAtMilliseconds: accepted.due == 0 ? nil : accepted.due, isIdempotent: accepted.isIdempotent,
      isDuplicate: accepted.isDuplicate)
  }
}

extension Command.Extend {
  /// The same wish where the gathered bytes begin at `base`.
  func from(_ base: Int) -> Command.Extend {
    var placed = self
    placed.viewer = viewer.from(base)
    placed.progress = progress.from(base)
    return placed
  }
}
