import RoostAPI

/// Why a request was refused, or why it could not be made.
///
/// Everything in this library that fails throws this type, except for `CancellationError` where the task was cancelled.
public struct RoostError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, as a stable name.
  public let code: Code
  /// What went wrong and what to do about it, for a person.
  public let message: String
  /// The HTTP status; nil if the daemon said nothing.
  public let status: Int?
  /// Under which the daemon logged the request; say it when you ask for help.
  public let requestID: String?
  /// The field of the request that is wrong, such as `retry.max`.
  public let field: String?
  /// How long the daemon asks to wait before the next attempt.
  public let retryAfter: Duration?
  /// With `idempotency_conflict`: the job that was submitted with this idempotency key.
  public let existingJob: JobID?
  /// Who says so.
  let source: Source

  /// Whether the same request may succeed later, unchanged: no answer came (408, 429, 5xx but for a 500 of the daemon
  /// itself), or the daemon was busy, full or stopping. The client has then repeated it already, within
  /// ``ClientConfiguration/retry``.
  public var isRetryable: Bool {
    switch status {
    case nil: code == .unreachable
    case 408, 429, 502, 503, 504, 507: true
    // Whatever stands in front of the daemon could not reach it.
    case .some(500...): source == .foreign
    default: false
    }
  }

  public var description: String {
    var text = "\(code.rawValue): \(message)"
    if let requestID { text += " (request \(requestID))" }
    return text
  }

  package init(
    _ code: Code, _ message: String, _ source: Source = .library, status: Int? = nil, requestID: String? = nil,
    field: String? = nil, retryAfter: Duration? = nil, existingJob: JobID? = nil
  ) {
    self.code = code
    self.message = message
    self.status = status
    self.requestID = requestID
    self.field = field
    self.retryAfter = retryAfter
    self.existingJob = existingJob
    self.source = source
  }

  /// Where an error comes from, which decides what it means for the request.
  package enum Source: Sendable, Hashable {
    /// This library; nothing was asked.
    case library
    /// No connection was made: the request was not sent.
    case unsent
    /// The request was sent, perhaps in part, and no answer came.
    case unanswered
    /// Something else than Roost answered: a proxy, a login page.
    case foreign
    /// The daemon itself.
    case daemon
  }
}

/// What a worker makes of an error.
extension RoostError {
  /// Whether the daemon itself refuses this worker for good: its key, its queues, its settings. A proxy says 401 and
  /// 403, too, for as long as it cannot reach the daemon or its login has expired.
  var endsWorker: Bool { source == .daemon && (status == 401 || status == 403 || status == 422) }

  /// Whether the same may be asked again later: there is no decision of the daemon's yet.
  package var isUndecided: Bool { source != .daemon || isRetryable || status == 500 }

  /// Whether the daemon says that the lease is no longer this worker's.
  package var meansLeaseLost: Bool {
    // 404: the job was lost to this key, or ended elsewhere and was purged.
    source == .daemon && (status == 409 || code == .jobNotFound)
  }

  /// How long a worker waits because of `Retry-After`: anyone in between may have written it.
  package var boundedRetryAfter: Duration? { retryAfter.map { min($0, .seconds(60)) } }

  /// Whether the request was certainly not carried out.
  var wasNotTaken: Bool { source == .unsent || source == .daemon && isRetryable && code != .outcomeUnknown }
}

extension RoostError {
  /// The stable name of what went wrong. Names that this version of the library does not list may come.
  public struct Code: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) {
      self.rawValue = rawValue
    }

    public var description: String { rawValue }

    private init(_ code: ErrorCode) {
      rawValue = code.rawValue
    }

    private init(_ name: String) {
      rawValue = name
    }
  }
}

extension RoostError.Code {
  // What this library says by itself.

  /// No answer came, or none in time. Whether the daemon did what was asked is not known.
  public static let unreachable = Self("unreachable")
  /// The time given to the call is over, and what it waited for has not come.
  public static let timedOut = Self("timed_out")
  /// The answer is none of Roost's: something else listens there.
  public static let unexpectedAnswer = Self("unexpected_answer")
  /// The URL, the key or the certificates cannot be used.
  public static let invalidConfiguration = Self("invalid_configuration")
  /// A payload, result or progress could not be encoded.
  public static let encodingFailed = Self("encoding_failed")
  /// A payload or result is not of the type that was expected.
  public static let decodingFailed = Self("decoding_failed")
  /// A result was asked of a job that is not ACKED, or has none.
  public static let noResult = Self("no_result")

  // What the daemon says; docs/http-api.md lists them all.

  /// The text is not one JSON value.
  public static let invalidJSON = Self(.invalidJSON)
  /// The key is unknown, misspelt or expired.
  public static let invalidKey = Self(.invalidKey)
  /// The key was revoked.
  public static let revokedKey = Self(.revokedKey)
  /// The key may not do this.
  public static let forbiddenScope = Self(.forbiddenScope)
  /// The key may not use this queue.
  public static let queueForbidden = Self(.queueForbidden)
  /// There is no such job, or the key may not see it.
  public static let jobNotFound = Self(.jobNotFound)
  /// There is no such queue yet: it begins with its first job.
  public static let queueNotFound = Self(.queueNotFound)
  public static let groupNotFound = Self(.groupNotFound)
  /// There is no such schedule, or it is another owner's.
  public static let scheduleNotFound = Self(.scheduleNotFound)
  /// The payload, the result or the whole request is too large.
  public static let payloadTooLarge = Self(.payloadTooLarge)
  /// Another worker may hold the job, or it has ended: stop working on it.
  public static let leaseLost = Self(.leaseLost)
  /// This attempt had been ended before, with another outcome: the first one stands.
  public static let alreadyEnded = Self(.alreadyEnded)
  /// The job is ACKED or DEAD already.
  public static let jobFinished = Self(.jobFinished)
  /// The job's state does not allow this.
  public static let wrongState = Self(.wrongState)
  /// The idempotency key was used for another job.
  public static let idempotencyConflict = Self(.idempotencyConflict)
  /// Another job that this one would be like is there (``JobOptions/unique``); ``existingJob`` names it.
  public static let notUnique = Self(.notUnique)
  /// A value is out of its range.
  public static let outOfRange = Self(.outOfRange)
  /// Two values contradict each other.
  public static let contradiction = Self(.contradiction)
  /// Too much waits for the disk.
  public static let overloaded = Self(.overloaded)
  /// The daemon's memory limit is reached.
  public static let memoryLow = Self(.memoryLow)
  /// The disk is full.
  public static let diskLow = Self(.diskLow)
  /// The key store cannot be asked.
  public static let authUnavailable = Self(.authUnavailable)
  /// The daemon replays its log.
  public static let starting = Self(.starting)
  /// The daemon is shutting down.
  public static let stopping = Self(.stopping)
  /// The log failed while the request was under way.
  public static let outcomeUnknown = Self(.outcomeUnknown)
}
