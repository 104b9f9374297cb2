import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

extension Rejection {
  /// What the engine refused, in the words of the wire.
  package init(_ refusal: Refusal) {
    switch refusal {
    case .jobNotFound: self.init(.jobNotFound, "there is no such job")
    case .leaseLost:
      self.init(.leaseLost, "this lease has ended or another worker holds the job: drop the work and lease anew")
    case .leaseRequired: self.init(.leaseIDRequired, "send the lease_id that came with the job")
    case .notRunning: self.init(.jobNotRunning, "the job is not RUNNING: lease it first")
    case .alreadyEnded:
      self.init(.alreadyEnded, "this attempt had ended before, otherwise: what was told first stands")
    case .jobFinished: self.init(.jobFinished, "the job is finished and cannot be cancelled")
    case .wrongState: self.init(.wrongState, "the job's state does not allow this: read the job to see its state")
    case .idempotencyConflict:
      self.init(
        .idempotencyConflict,
        "this idempotency key belongs to another job: submit that job as it was, or this one under a key of its own")
    case .tooManyQueues: self.init(.tooManyQueues, "the limit of different queues is reached: use an existing queue")
    case .tooLarge: self.init(.payloadTooLarge, "the job is too large: store the data elsewhere and send a reference")
    case .overloaded:
      self = Rejection(.overloaded, "too many requests wait for the disk: try again shortly").retryAfter(1)
    case .diskLow: self.init(.diskLow, "the disk is nearly full: free space, then try again")
    case .memoryLow:
      self = Rejection(.memoryLow, "the memory limit is reached: let workers finish jobs, then try again").retryAfter(5)
    case .outcomeUnknown:
      self.init(.outcomeUnknown, "the log failed meanwhile: it may have happened; ask again with an idempotency key")
    case .payloadCorrupt: self.init(.payloadCorrupt, "the stored bytes of this job are damaged: tell the operator")
    case .queueFull:
      self = Rejection(.queueFull, "the queue holds as much as it may: let workers catch up, then try again")
        .retryAfter(1)
    case .payloadTooLarge:
      self.init(
        .payloadTooLarge, field: "payload",
        "the payload is larger than its queue takes (max_payload_bytes): send a reference instead")
    case .queueNotEmpty:
      self.init(.queueNotEmpty, "the queue holds jobs, ended ones too: purge it, or delete it with purge=true")
    case .tooManyOperations:
      self = Rejection(
        .overloaded, "as many operations run as may: wait until one has ended, or stop one (GET /operations)"
      ).retryAfter(5)
    case .priorityInOrder:
      self.init(
        .contradiction, field: "priority",
        "the queue runs the jobs of a group in the order of their submits (groups.ordered): a priority contradicts that"
      )
    case .callbackInOrder:
      self.init(
        .contradiction, field: "callback_url",
        "the queue runs the jobs of a group in the order of their submits (groups.ordered): targets of their own"
          + " contradict that; deliver all of the queue with its setting push"
      )
    case .scheduleNotFound: self.init(.scheduleNotFound, "there is no such schedule")
    case .tooManySchedules:
      self.init(.tooManySchedules, "the limit of schedules (MAX_SCHEDULES) is reached: delete one that is not used")
    case .quotaOfJobs:
      self = Rejection(
        .quotaExceeded,
        "this owner has as many waiting jobs as its quota allows (GET /whoami): let workers catch up, then try again"
      ).with("quota", "waiting_jobs").with("left", "0").retryAfter(1)
    case .quotaOfBytes:
      self = Rejection(
        .quotaExceeded,
        "with this job the owner's waiting jobs would have more bytes than its quota allows (GET /whoami): let workers catch up, "
          + "then try again"
      ).with("quota", "waiting_bytes").retryAfter(1)
    case .tooManyQuotas:
      self.init(.tooManyQuotas, "as many owners have quotas as may (\(OwnerQuota.mostOwners)): take one back first")
    case .dependencyNotFound:
      self.init(
        .dependencyNotFound, field: "depends_on",
        "depends_on names a job that is not there, or one that has left: name jobs of this owner that are still kept")
    case .batchNotFound: self.init(.batchNotFound, "there is no such batch")
    case .unknownBatch: self.init(.outOfRange, field: "batch", "batch names one that is not there: open it first")
    case .batchClosed:
      self.init(
        .batchClosed, "the batch takes no more jobs: only a RUNNING job of it may add to it, with its lease_id")
    case .tooManyBatches:
      self.init(.tooManyBatches, "the limit of batches (MAX_BATCHES) is reached: let some complete, or cancel them")
    case .hasDependents:
      self.init(
        .hasDependents, "jobs that have not ended wait for this one, or need its result: it stays until they have ended"
      )
    case .notUnique:
      self.init(
        .notUnique, "another job that this one would be like is there, and was said to be the only one (unique)")
    case .replaceInOrder:
      self.init(
        .contradiction, field: "unique.on_conflict",
        "the queue runs the jobs of a group in the order of their submits (groups.ordered): no job takes another's place"
      )
    case .draining: self.init(.draining, "the queue is being deleted: submit to another, or when it is gone")
    case .stopping: self = Rejection(.stopping, "the daemon is stopping: try again shortly").retryAfter(1)
    }
  }

  /// The same with the facts that the engine names.
  package init(_ error: Refused) {
    self.init(error.refusal)
    switch error.facts {
    case .conflict(let existing, let fields):
      self = with("existing_job_id", existing.description)
      guard let fields else { break }
      self = with("fields", fields)
      message =
        "this idempotency key belongs to job \(existing), which differs in \(fields.joined(separator: ", ")): "
        + "submit it as it was, or this one under a key of its own"
    case .twin(let twin):
      self = with("existing_job_id", twin.description)
      message = "job \(twin) is there, which this one would be like, and was said to be the only one (unique)"
    case .missing(let job):
      self = with("job_id", job.description)
      message =
        "depends_on names job \(job), which is not there, or has left: name jobs of this owner that are still kept"
    case .ended(let ended):
      self = with("state", ended.state.name).with("outcome", ended.outcome.wireName)
        .with("finished_at", Timestamp.text(milliseconds: ended.endedAtMilliseconds))
      if let time = ended.runAtMilliseconds { self = with("run_at", Timestamp.text(milliseconds: time)) }
      let what = ended.outcome == .acked ? "result" : "error"
      message =
        "this attempt had ended as \(ended.outcome.wireName)"
        + (ended.isSameOutcome ? " with another \(what)" : "") + ", and that stands: the job is \(ended.state.name)"
    case nil: break
    }
  }

  package init(_ error: AuthRejection) {
    let code = ErrorCode(rawValue: error.code) ?? (error.status == 503 ? .authUnavailable : .invalidKey)
    self.init(code, error.message)
    if code.status == 401 { self = header("WWW-Authenticate", "Bearer realm=\"roost\"") }
    if let seconds = error.retryAfterSeconds { self = retryAfter(seconds) }
  }

  package init(_ error: KeyRejection) {
    self.init(ErrorCode(rawValue: error.code) ?? .internalError, error.message)
    if case .invalid(let field, _) = error { self = with("field", field) }
    if code.status == 503 { self = retryAfter(1) }
  }

  func retryAfter(_ seconds: Int) -> Rejection { header("Retry-After", "\(seconds)") }
}

/// Runs something of the engine and says its refusal in the words of the wire.
func refusable<Value: Sendable>(
  _ work: () async throws(Refusal) -> Value
) async throws(Rejection) -> Value {
  do { return try await work() } catch { throw Rejection(error) }
}

/// The same where a refusal may name facts.
func refusable<Value: Sendable>(
  _ work: () async throws(Refused) -> Value
) async throws(Rejection) -> Value {
  do { return try await work() } catch { throw Rejection(error) }
}

/// Runs something of the key service and says its refusal in the words of the wire.
func refusableKey<Value: Sendable>(
  _ work: () async throws(KeyRejection) -> Value
) async throws(Rejection) -> Value {
  do { return try await work() } catch { throw Rejection(error) }
}
