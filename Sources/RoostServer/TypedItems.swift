import RoostAPI
import RoostCore
import RoostEngine

/// What a worker says, from a front whose fields have types already: the bounds and refusals of the JSON routes. Here the
/// lease's token is always needed.
extension AttemptEnd {
  /// - Parameter result: JSON, at most 4 MiB; empty: none.
  package static func acknowledged(
    jobID: String, leaseID: String, result: [UInt8]
  ) throws(Rejection) -> AttemptEnd {
    let (id, lease) = try (namedJob(jobID), namedLease(leaseID))
    guard result.count <= Bounds.resultBytes else {
      throw Rejection(.payloadTooLarge, field: "result", "result must have at most \(Bounds.resultBytes) bytes")
    }
    return .acknowledged(id, leaseID: lease, result: try jsonValue(result, "result"))
  }

  /// - Parameter retryAfterMilliseconds: nil: by the job's retry policy.
  package static func failed(
    jobID: String, leaseID: String, error: String, isPermanent: Bool, retryAfterMilliseconds: Int64?,
    holdGroupMilliseconds: Int64?
  ) throws(Rejection) -> AttemptEnd {
    let (id, lease) = try (namedJob(jobID), namedLease(leaseID))
    if isPermanent, retryAfterMilliseconds != nil {
      throw Rejection(.contradiction, field: "retry_after", "retry_after contradicts permanent: give one of them")
    }
    var end = AttemptEnd.failed(
      id, leaseID: lease, error: cutText(error), isRetryable: !isPermanent,
      retryAfterMilliseconds: try within(0...604_800_000, retryAfterMilliseconds, "retry_after"))
    end.holdGroupMilliseconds = try within(Bounds.groupHold, holdGroupMilliseconds, "hold_group") ?? 0
    return end
  }

  package static func released(
    jobID: String, leaseID: String, delayMilliseconds: Int64?, holdGroupMilliseconds: Int64?
  ) throws(Rejection) -> AttemptEnd {
    let (id, lease) = try (namedJob(jobID), namedLease(leaseID))
    var end = AttemptEnd.released(
      id, leaseID: lease, delayMilliseconds: try within(Bounds.tenYears, delayMilliseconds, "delay") ?? 0)
    end.holdGroupMilliseconds = try within(Bounds.groupHold, holdGroupMilliseconds, "hold_group") ?? 0
    return end
  }
}

extension LeaseExtension {
  /// - Parameter progress: JSON; empty: as it was. One of more than 16 KiB is dropped.
  /// - Returns: And whether the progress was dropped.
  package static func of(
    jobID: String, leaseID: String, leaseMilliseconds: Int64?, progress: [UInt8]
  ) throws(Rejection) -> (LeaseExtension, hasDroppedProgress: Bool) {
    let (id, lease) = try (namedJob(jobID), namedLease(leaseID))
    let value = try jsonValue(progress, "progress")
    let isDropped = progress.count > Bounds.progressBytes
    let milliseconds = try within(Bounds.lease, leaseMilliseconds, "lease")
    return (
      LeaseExtension(id: id, leaseID: lease, leaseMilliseconds: milliseconds, progress: isDropped ? nil : value),
      isDropped
    )
  }
}

/// The longest wait of a call, milliseconds.
package let mostWaitMilliseconds = Bounds.wait.upperBound

/// How long a call may wait, milliseconds; nil: not at all.
package func boundedWait(_ milliseconds: Int64?) throws(Rejection) -> Int64 {
  try within(Bounds.wait, milliseconds, "wait") ?? 0
}

/// The reason of a cancellation, no longer than it may be; empty counts as none.
package func cancelReason(_ text: String) -> String? { text.isEmpty ? nil : cutText(text) }

/// One JSON value without the white space around it; nil where there are no bytes.
package func jsonValue(_ bytes: [UInt8], _ name: String) throws(Rejection) -> ArraySlice<UInt8>? {
  guard !bytes.isEmpty else { return nil }
  do throws(Rejection) {
    var json = JSONReader(bytes)
    let value = try json.rawValue()
    try json.finish()
    return value
  } catch {
    throw Rejection(error.code, field: name, "\(name): \(error.message)")
  }
}

/// A text that is no id becomes one that no job has.
private func namedJob(_ text: String) throws(Rejection) -> JobID {
  guard !text.isEmpty else { throw Rejection(.missingField, field: "job_id", "job_id is missing: name the job") }
  return JobID(text) ?? JobID(high: 0, low: 0)
}

/// A text that is no token becomes one that was never granted.
private func namedLease(_ text: String) throws(Rejection) -> LeaseID {
  try required(text.isEmpty ? nil : LeaseID(text) ?? LeaseID(epoch: 0, number: 0))
}

private func within(
  _ range: ClosedRange<Int64>, _ milliseconds: Int64?, _ name: String
) throws(Rejection) -> Int64? {
  guard let milliseconds else { return nil }
  guard range.contains(milliseconds) else {
    let (low, high) = (range.lowerBound, range.upperBound)
    throw Rejection(
      .outOfRange, field: name,
      "\(name) must be between \(DurationText.text(milliseconds: low)) and \(DurationText.text(milliseconds: high))")
  }
  return milliseconds
}
