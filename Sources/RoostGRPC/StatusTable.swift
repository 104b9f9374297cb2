import GRPCCore
import RoostAPI
import RoostServer

extension ErrorCode {
  /// The status that a call refused with this code ends with: by its status of HTTP, and where that says too little, by
  /// itself. `docs/grpc.md` has the table.
  package var grpcStatus: RPCError.Code {
    switch self {
    case .idempotencyConflict, .notUnique: return .alreadyExists
    case .routeNotFound: return .unimplemented
    case .tooManyQueues, .tooManySchedules, .tooManyQuotas, .memoryLow: return .resourceExhausted
    case .payloadCorrupt: return .dataLoss
    // A client that tries UNAVAILABLE again by itself must not do so where it may have happened.
    case .outcomeUnknown: return .unknown
    default: break
    }
    switch status {
    case 401: return .unauthenticated
    case 403: return .permissionDenied
    case 404: return .notFound
    case 405, 415: return .unimplemented
    case 408: return .deadlineExceeded
    case 409: return .failedPrecondition
    case 429, 507: return .resourceExhausted
    case 500: return .internalError
    case 503: return .unavailable
    default: return .invalidArgument
    }
  }
}

extension RPCError {
  /// The names of the statuses, by their numbers.
  static let statusNames = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]

  /// A refusal as a call ends with it: beside status and message the stable code, what HTTP would have answered, and when
  /// to try again.
  init(_ rejection: Rejection, requestID: String) {
    var metadata: Metadata = ["roost-code": .string(rejection.code.rawValue)]
    metadata.addBinary(rejection.json(requestID: requestID), forKey: "roost-error-bin")
    if let header = rejection.headers.first(where: { $0.name == "Retry-After" }) {
      metadata.addString(header.value, forKey: "retry-after")
    }
    self.init(code: rejection.code.grpcStatus, message: rejection.message, metadata: metadata)
  }
}
