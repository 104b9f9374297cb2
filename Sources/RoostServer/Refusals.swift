import RoostAPI
import RoostCore
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
    case .jobFinished: self.init(.jobFinished, "the job is finished and cannot be cancelled")
    case .wrongState: self.init(.wrongState, "the job's state does not allow this: read the job to see its state")
    case .idempotencyConflict:
      self.init(.idempotencyConflict, "this idempotency key was used with another body: use a new key")
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
    case .stopping: self = Rejection(.stopping, "the daemon is stopping: try again shortly").retryAfter(1)
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

/// Runs something of the key service and says its refusal in the words of the wire.
func refusableKey<Value: Sendable>(
  _ work: () async throws(KeyRejection) -> Value
) async throws(Rejection) -> Value {
  do { return try await work() } catch { throw Rejection(error) }
}
