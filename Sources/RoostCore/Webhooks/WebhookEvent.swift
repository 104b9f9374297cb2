/// What a webhook can be told; raw values stand in the log, also as bits of a mask.
package enum WebhookEvent: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case jobAcked = 1
  /// An attempt failed or ran too long; the job is tried again.
  case jobFailed = 2
  /// A lease ended by its time; the job is tried again.
  case jobExpired = 3
  case jobDead = 4
  case jobCancelled = 5
  case queuePaused = 6
  case queueResumed = 7
  /// Somebody asked for a test delivery; it cannot be subscribed to.
  case test = 31

  /// Those that a webhook can ask for.
  package static let subscribable = allCases.filter { $0 != .test }
  /// Those of queues, which belong to no owner.
  package static let ofQueues: [WebhookEvent] = [.queuePaused, .queueResumed]

  package var bit: UInt32 { 1 << UInt32(rawValue) }

  static let subscribableBits = subscribable.reduce(0) { $0 | $1.bit }
  static let queueBits = ofQueues.reduce(0) { $0 | $1.bit }

  /// The name on the wire.
  package var name: String {
    switch self {
    case .jobAcked: "job.acked"
    case .jobFailed: "job.failed"
    case .jobExpired: "job.expired"
    case .jobDead: "job.dead"
    case .jobCancelled: "job.cancelled"
    case .queuePaused: "queue.paused"
    case .queueResumed: "queue.resumed"
    case .test: "webhook.test"
    }
  }

  /// The event that the end of an attempt, or of a job's waiting, is; nil where webhooks are told none.
  init?(_ outcome: Outcome, _ next: JobState) {
    switch (outcome, next) {
    case (.cancelRequested, _): return nil
    case (_, .dead): self = .jobDead
    case (_, .cancelled): self = .jobCancelled
    case (.acked, _): self = .jobAcked
    case (.failed, _), (.timedOut, _): self = .jobFailed
    case (.expired, _): self = .jobExpired
    case (.released, _), (.undelivered, _), (.cancelled, _), (.tooLate, _), (.buried, _): return nil
    }
  }
}

/// Why a webhook was not told of an event; counted since the daemon started.
package enum WebhookDrop: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case paused = 0
  case diskLow = 1
  case memoryLow = 2
  case quotaExceeded = 3
  case queueFull = 4
  /// The queue `_webhooks` does not take the delivery for another reason, as that it is being deleted.
  case refused = 5

  /// The name on the wire.
  package var name: String {
    switch self {
    case .paused: "paused"
    case .diskLow: "disk_low"
    case .memoryLow: "memory_low"
    case .quotaExceeded: "quota_exceeded"
    case .queueFull: "queue_full"
    case .refused: "refused"
    }
  }

  init(_ refusal: Refusal) {
    switch refusal {
    case .diskLow: self = .diskLow
    case .memoryLow: self = .memoryLow
    case .quotaOfJobs, .quotaOfBytes: self = .quotaExceeded
    case .queueFull: self = .queueFull
    default: self = .refused
    }
  }
}
