import GRPCCore
import GRPCProtobuf
import RoostAPI
import RoostServer

extension ErrorCode {
  /// The status that a call refused with this code ends with: by its status of HTTP, and where that says too little, by
  /// itself. `docs/grpc.md` has the table.
  package var grpcStatus: RPCError.Code {
    switch self {
    case .idempotencyConflict, .notUnique: return .alreadyExists
    case .routeNotFound: return .unimplemented
    case .tooManyQueues, .tooManySchedules, .tooManyQuotas, .tooManyBatches, .memoryLow: return .resourceExhausted
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

  /// A refusal as a call ends with it: beside status and message the stable code, what HTTP would have answered, when to
  /// try again, and the same as a `google.rpc.Status`.
  init(_ rejection: Rejection, requestID: String) {
    var metadata: Metadata = ["roost-code": .string(rejection.code.rawValue)]
    metadata.addBinary(rejection.json(requestID: requestID), forKey: "roost-error-bin")
    if let seconds = rejection.retryAfterSeconds { metadata.addString("\(seconds)", forKey: "retry-after") }
    let status = GoogleRPCStatus(
      code: rejection.code.grpcStatus, message: rejection.message, details: rejection.statusDetails(requestID))
    if let bytes: [UInt8] = try? status.serializedBytes() {
      metadata.addBinary(bytes, forKey: "grpc-status-details-bin")
    }
    self.init(code: rejection.code.grpcStatus, message: rejection.message, metadata: metadata)
  }
}

extension Rejection {
  /// What clients of gRPC look for: the reason, the field, the limit, when to try again.
  fileprivate func statusDetails(_ requestID: String) -> [ErrorDetails] {
    var facts: [String: String] = [:]
    for detail in details {
      switch detail.value {
      case .text(let text): facts[detail.name] = text
      case .list(let texts): facts[detail.name] = texts.joined(separator: ",")
      }
    }
    var all: [ErrorDetails] = [
      .errorInfo(reason: code.rawValue.uppercased(), domain: "roost", metadata: facts),
      .requestInfo(requestID: requestID, servingData: ""),
    ]
    if let field { all.append(.badRequest(violations: [.init(field: field, description: message)])) }
    if code.grpcStatus == .resourceExhausted {
      all.append(.quotaFailure(violations: [.init(subject: facts["quota"] ?? code.rawValue, description: message)]))
    }
    if let seconds = retryAfterSeconds { all.append(.retryInfo(delay: .seconds(seconds))) }
    return all
  }
}
