/// How an attempt ended, or what ended a job's waiting; raw values stand in the log.
package enum Outcome: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  case acked = 1
  case failed = 2
  case expired = 3
  /// Handed back or snoozed by its worker; the attempt is not spent.
  case released = 4
  /// The lease never reached its worker; the attempt is not spent.
  case undelivered = 5
  case cancelled = 6
  case cancelRequested = 7
  /// It ran longer than its job's `timeout`.
  case timedOut = 8
  /// It waited beyond the time before which it must begin.
  case tooLate = 9
  /// It waited, and was put among the dead letters by hand.
  case buried = 10

  /// Whether it ends a lease; otherwise it ends a job's waiting, or asks its worker to stop.
  package var endsAttempt: Bool { !endsWaiting && self != .cancelRequested }
  /// Whether it ends a job's waiting.
  package var endsWaiting: Bool { self == .cancelled || self == .tooLate || self == .buried }
  /// Whether a worker said that an attempt ended this way.
  package var isToldByWorker: Bool { self == .acked || self == .failed || self == .released }
}
