import Foundation
import GRPCCore
import RoostAPI
import RoostClient
import RoostProto
import SwiftProtobuf

extension LeasedJob {
  init(_ message: Roost_V1_LeasedJob) {
    self.init(
      id: JobID(message.jobID), leaseID: message.leaseID, lease: message.hasLease ? Duration(message.lease) : nil,
      timeout: message.hasTimeout ? Duration(message.timeout) : nil,
      deadline: message.hasDeadline ? message.deadline.date : nil, leaseUntil: message.leaseUntil.date,
      expiresAt: message.hasExpiresAt ? message.expiresAt.date : nil,
      payload: RawJSON(trusted: [UInt8](message.payload)[...]), type: message.type, queue: message.queue,
      source: message.source.isEmpty ? nil : message.source, group: message.group.isEmpty ? nil : message.group,
      priority: JobPriority(rawValue: Int(message.priority)), attempt: Int(message.attempt),
      maxRetries: message.hasMaxRetries ? Int(message.maxRetries) : QueueSettings.unlimitedRetries,
      createdAt: message.createdAt.date, metadata: message.metadata, tags: message.tags,
      traceparent: message.traceparent.isEmpty ? nil : message.traceparent,
      tracestate: message.tracestate.isEmpty ? nil : message.tracestate,
      schedule: message.hasSchedule ? ScheduledInstant(name: message.schedule.name, at: message.schedule.at.date) : nil,
      dependencies: message.dependencies.map { JobDependency($0) })
  }
}

extension JobDependency {
  init(_ outcome: Roost_V1_DependencyOutcome) {
    self.init(
      id: JobID(outcome.jobID), state: outcome.state.isEmpty ? nil : JobState(rawValue: outcome.state),
      result: outcome.result.isEmpty ? nil : RawJSON(trusted: [UInt8](outcome.result)[...]),
      isResultOmitted: outcome.resultOmitted)
  }
}

extension Duration {
  init(_ duration: Google_Protobuf_Duration) {
    self = .seconds(duration.seconds) + .nanoseconds(Int64(duration.nanos))
  }
}

extension Google_Protobuf_Duration {
  init(_ duration: Duration) {
    let milliseconds = duration.milliseconds
    self.init(seconds: milliseconds / 1_000, nanos: Int32(milliseconds % 1_000) * 1_000_000)
  }
}

extension Roost_V1_Outcome {
  /// The largest result that finds room in a message.
  static let mostResultBytes = (4 << 20) - (64 << 10)

  static func release(_ job: LeasedJob) -> Roost_V1_Outcome {
    var outcome = Roost_V1_Outcome()
    (outcome.release.jobID, outcome.release.leaseID) = (job.id.rawValue, job.leaseID)
    return outcome
  }

  init(_ job: LeasedJob, _ outcome: RoostClient.Outcome) {
    self.init()
    switch outcome.kind {
    case .complete(let result):
      guard result?.bytes.count ?? 0 <= Self.mostResultBytes else {
        fail = Roost_V1_FailRequest(job, "the result has more than \(Self.mostResultBytes) bytes")
        fail.permanent = true
        return
      }
      (ack.jobID, ack.leaseID) = (job.id.rawValue, job.leaseID)
      if let result { ack.result = Data(result.bytes) }
    case .retry(let error, let after):
      fail = Roost_V1_FailRequest(job, error)
      if let after { fail.retryAfter = .init(after) }
      if let hold = outcome.groupHold { fail.holdGroup = .init(hold) }
    case .fail(let error):
      fail = Roost_V1_FailRequest(job, error)
      fail.permanent = true
      if let hold = outcome.groupHold { fail.holdGroup = .init(hold) }
    case .snooze(let delay):
      self = .release(job)
      if delay > .zero { release.delay = .init(delay) }
      if let hold = outcome.groupHold { release.holdGroup = .init(hold) }
    }
  }
}

extension Roost_V1_FailRequest {
  /// - Parameter error: Cut at 8 KiB, with a mark.
  init(_ job: LeasedJob, _ error: String) {
    self.init()
    (jobID, leaseID) = (job.id.rawValue, job.leaseID)
    self.error = boundedError(error)
  }
}

extension RoostError {
  /// What the daemon says of one item of a message. A code of a newer daemon counts as trouble that may end.
  init(_ error: Roost_V1_Error) {
    self.init(
      Code(rawValue: error.code), error.message, .daemon, status: ErrorCode(rawValue: error.code)?.status ?? 500,
      field: error.field.isEmpty ? nil : error.field,
      retryAfter: error.hasRetryAfter ? Duration(error.retryAfter) : nil)
  }

  /// What a stream ended with.
  init(_ error: RPCError) {
    guard let name = error.metadata[stringValues: "roost-code"].first(where: { _ in true }) else {
      self.init(.unreachable, "\(error.code): \(error.message)", .unanswered)
      return
    }
    let seconds = error.metadata[stringValues: "retry-after"].first { _ in true }.flatMap { Int64($0) }
    self.init(
      Code(rawValue: name), error.message, .daemon, status: ErrorCode(rawValue: name)?.status,
      retryAfter: seconds.map { .seconds(max(0, $0)) })
  }

  /// Whether the daemon refuses this worker for good.
  var endsGRPCWorker: Bool { status.map { [400, 401, 403, 422].contains($0) } ?? false }
}
