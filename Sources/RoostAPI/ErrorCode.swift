/// The stable names of what can go wrong, as they stand on the wire. A code never changes its meaning or status.
package enum ErrorCode: String, Sendable, CaseIterable {
  // 400: the request is not what the contract describes.
  case badRequest = "bad_request"
  case invalidJSON = "invalid_json"
  case tooDeep = "too_deep"
  case duplicateField = "duplicate_field"
  case unknownField = "unknown_field"
  case missingField = "missing_field"
  case wrongType = "wrong_type"
  case unknownParameter = "unknown_parameter"
  // 401 and 403: who asks, and what they may do.
  case missingKey = "missing_key"
  case invalidKey = "invalid_key"
  case revokedKey = "revoked_key"
  case forbidden = "forbidden"
  case forbiddenScope = "forbidden_scope"
  case queueForbidden = "queue_forbidden"
  // 404 and 405.
  case routeNotFound = "route_not_found"
  case jobNotFound = "job_not_found"
  case queueNotFound = "queue_not_found"
  case groupNotFound = "group_not_found"
  case keyNotFound = "key_not_found"
  case noJobsAvailable = "no_jobs_available"
  case operationNotFound = "operation_not_found"
  case scheduleNotFound = "schedule_not_found"
  case batchNotFound = "batch_not_found"
  case methodNotAllowed = "method_not_allowed"
  // 408, 413, 414, 415, 431: limits of the transport.
  case requestTimeout = "request_timeout"
  case payloadTooLarge = "payload_too_large"
  case uriTooLong = "uri_too_long"
  case unsupportedEncoding = "unsupported_encoding"
  case headersTooLarge = "headers_too_large"
  // 409: the job's state says no.
  case leaseLost = "lease_lost"
  case alreadyEnded = "already_ended"
  case jobNotRunning = "job_not_running"
  case jobFinished = "job_finished"
  case wrongState = "wrong_state"
  case idempotencyConflict = "idempotency_conflict"
  case draining = "draining"
  case notUnique = "not_unique"
  case queueNotEmpty = "queue_not_empty"
  case hasDependents = "has_dependents"
  case batchClosed = "batch_closed"
  // 422: well formed, but not acceptable.
  case outOfRange = "out_of_range"
  case contradiction = "contradiction"
  case leaseIDRequired = "lease_id_required"
  case tooManyQueues = "too_many_queues"
  case tooManySchedules = "too_many_schedules"
  case tooManyQuotas = "too_many_quotas"
  case tooManyBatches = "too_many_batches"
  case invalidField = "invalid_field"
  case dependencyNotFound = "dependency_not_found"
  // 429: too much of it.
  case tooManyAttempts = "too_many_attempts"
  case queueFull = "queue_full"
  case quotaExceeded = "quota_exceeded"
  // 5xx: the daemon's side.
  case internalError = "internal_error"
  case payloadCorrupt = "payload_corrupt"
  case overloaded = "overloaded"
  case memoryLow = "memory_low"
  case outcomeUnknown = "outcome_unknown"
  case authUnavailable = "auth_unavailable"
  case starting = "starting"
  case stopping = "stopping"
  case diskLow = "disk_low"

  /// The HTTP status that goes with it.
  package var status: Int {
    switch self {
    case .badRequest, .invalidJSON, .tooDeep, .duplicateField, .unknownField, .missingField, .wrongType,
      .unknownParameter:
      400
    case .missingKey, .invalidKey, .revokedKey: 401
    case .forbidden, .forbiddenScope, .queueForbidden: 403
    case .routeNotFound, .jobNotFound, .queueNotFound, .groupNotFound, .keyNotFound, .noJobsAvailable,
      .operationNotFound, .scheduleNotFound, .batchNotFound:
      404
    case .methodNotAllowed: 405
    case .requestTimeout: 408
    case .leaseLost, .alreadyEnded, .jobNotRunning, .jobFinished, .wrongState, .idempotencyConflict, .draining,
      .queueNotEmpty, .hasDependents, .batchClosed, .notUnique:
      409
    case .payloadTooLarge: 413
    case .uriTooLong: 414
    case .unsupportedEncoding: 415
    case .outOfRange, .contradiction, .leaseIDRequired, .tooManyQueues, .tooManySchedules, .tooManyQuotas,
      .invalidField, .dependencyNotFound, .tooManyBatches:
      422
    case .tooManyAttempts, .queueFull, .quotaExceeded: 429
    case .headersTooLarge: 431
    case .internalError, .payloadCorrupt: 500
    case .overloaded, .memoryLow, .outcomeUnknown, .authUnavailable, .starting, .stopping: 503
    case .diskLow: 507
    }
  }
}
