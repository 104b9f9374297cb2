import RoostAPI
import RoostCore
import RoostEngine

/// The two halves of a route that one turn of the writer decides: its request is decoded into the loop's lane, and the
/// answer is encoded on the loop again. Neither waits, and no task is made.
package struct DirectRoute: Sendable {
  /// Leaves the request's commands in the lane.
  ///
  /// - Returns: What the answer needs; nil when the request may have to wait: then the route's handler takes it.
  typealias Decode = @Sendable (RouteRequest, Backend, Lane, _ ticket: UInt64) throws(Rejection) -> DirectRequest?

  let decode: Decode
}

/// What a request that was left in a lane needs for its answer.
package struct DirectRequest: Sendable {
  enum Verb: Sendable {
    case submit(queue: String)
    case lease
    /// - Parameter next: Whether a lease was asked for behind it.
    case finish(JobID, next: Bool)
    case extend(hasDroppedProgress: Bool)
  }

  let verb: Verb
  /// Answers that are still owed.
  var left: Int
  /// Of the request, where it is traced.
  var span: RequestTrace?
  /// What the first of two answers said.
  private var after: AttemptEnd.After?

  init(_ verb: Verb) {
    self.verb = verb
    if case .finish(_, next: true) = verb { left = 2 } else { left = 1 }
  }

  enum Step {
    /// Another answer is needed.
    case more
    case done(status: Int, granted: RoostCore.Answer.Grant?)
    /// The payload is not in memory, or is not what was written: whoever may wait for the disk goes on.
    case cold(RoostCore.Answer.Grant)
    /// Nothing was changed, and to say why not more must be asked: the route's handler asks again.
    case again
  }

  /// Takes the next answer, and writes the response once it is complete.
  mutating func take(
    _ answer: RoostCore.Answer, _ answers: LaneAnswers, _ engine: Engine, _ json: inout JSONWriter
  ) throws(Rejection) -> Step {
    left -= 1
    switch (verb, answer) {
    // A next job that is refused must not hide that the attempt has ended.
    case (.finish(_, next: true), .refused) where left == 0 && after != nil:
      return try finished(nil, answers, engine, &json)
    case (_, .refused(.diskLow)), (_, .refused(.dependencyNotFound)), (_, .conflict), (_, .notUnique), (_, .ended):
      return .again
    case (_, .refused(let refusal)): throw Rejection(refusal)
    case (.submit(let queue), .submitted(let accepted)):
      let job = engine.submitted(accepted, queue: queue)
      json.submitted(job)
      span?.names(job: job.id)
      return .done(status: job.isIdempotent || job.isDuplicate ? 200 : 201, granted: nil)
    case (.lease, .leased(let grant)):
      guard let job = engine.leasedIfCached(grant, answers.loader!) else { return .cold(grant) }
      span?.tookOne(job)
      json.leased(job)
      return .done(status: 200, granted: grant)
    case (.lease, .nothing): throw noJob
    case (.finish(let id, let next), .changed(let state, let deadline, _)):
      after = AttemptEnd.After(state, deadline)
      if next { return .more }
      json.ended(id, after!)
      json.endObject()
      return .done(status: 200, granted: nil)
    case (.finish, .leased(let grant)): return try finished(grant, answers, engine, &json)
    case (.finish, .nothing): return try finished(nil, answers, engine, &json)
    case (.extend(let hasDroppedProgress), .changed(_, let deadline, let cancelRequested)):
      json.extended(
        LeaseExtension.After(leaseUntilMilliseconds: deadline, cancelRequested: cancelRequested), hasDroppedProgress)
      return .done(status: 200, granted: nil)
    default: preconditionFailure("a command is answered as what it is")
    }
  }

  private func finished(
    _ grant: RoostCore.Answer.Grant?, _ answers: LaneAnswers, _ engine: Engine, _ json: inout JSONWriter
  ) throws(Rejection) -> Step {
    guard case .finish(let id, _) = verb, let after else { preconditionFailure("the end of the attempt comes first") }
    json.ended(id, after)
    json.key("next")
    if let grant {
      guard let job = engine.leasedIfCached(grant, answers.loader!) else { return .cold(grant) }
      span?.tookNext(job)
      json.leased(job)
    } else {
      json.null()
    }
    json.endObject()
    return .done(status: 200, granted: grant)
  }

  /// The response once the payload was read by somebody who may wait; nil: it could not be had.
  func thawed(_ job: LeasedJob?, _ refusal: Refusal?, _ json: inout JSONWriter) throws(Rejection) {
    switch verb {
    case .finish(let id, _):
      json.ended(id, after!)
      json.key("next")
      if let job {
        span?.tookNext(job)
        json.leased(job)
      } else {
        json.null()
      }
      json.endObject()
    case .lease:
      guard let job else { throw refusal.map { Rejection($0) } ?? noJob }
      span?.tookOne(job)
      json.leased(job)
    case .submit, .extend: preconditionFailure("only leases have payloads")
    }
  }
}

/// The answer to a lease that found nothing.
var noJob: Rejection { Rejection(.noJobsAvailable, "no job is ready: ask again later, or with wait") }

extension JSONWriter {
  /// `{job_id, state, run_at?`, left open for more.
  mutating func ended(_ id: JobID, _ after: AttemptEnd.After) {
    beginObject()
    field("job_id", id.description)
    field("state", after.state.name)
    if let time = after.runAtMilliseconds { field("run_at", milliseconds: time) }
  }

  /// `{lease_until, cancel_requested, progress_dropped?}`
  mutating func extended(_ after: LeaseExtension.After, _ hasDroppedProgress: Bool) {
    beginObject()
    field("lease_until", milliseconds: after.leaseUntilMilliseconds)
    field("cancel_requested", after.cancelRequested)
    if hasDroppedProgress { field("progress_dropped", true) }
    endObject()
  }
}
