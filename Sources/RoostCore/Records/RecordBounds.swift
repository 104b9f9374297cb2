/// How far numbers reach in a log that a daemon wrote.
enum RecordBounds {
  /// Log time and uptime, nanoseconds: 73 years.
  static let time: Int64 = .max / 4
  /// What is added to them at most, nanoseconds: twice as much.
  static let span: Int64 = .max / 2
  /// Wall time before and after 1970, milliseconds.
  static let wall: Int64 = .max / 1_000_000
  /// Epochs, leases, order numbers and totals rise by one: no log gets there.
  static let counter: UInt64 = 1 << 60
  static let downtime: Int64 = 24 * 3_600 * 1_000_000_000

  @inline(__always)
  static func isNumber(_ number: UInt64) -> Bool { number &- 1 < JobNumber.limit - 1 }

  @inline(__always)
  static func isOrder(_ order: UInt64) -> Bool { order &- 1 < counter }

  @inline(__always)
  static func isWall(_ milliseconds: Int64) -> Bool { milliseconds.magnitude <= UInt64(wall) }

  /// Its pauses can be multiplied; the API allows no more.
  @inline(__always)
  static func isPossible(_ policy: JobPolicy) -> Bool {
    policy.retry.initialMilliseconds <= 86_400_000 && policy.retry.factorThousandths <= 100_000
      && policy.retry.maxMilliseconds <= 604_800_000 && policy.retentionMilliseconds >= -1
      && policy.timeoutMilliseconds <= JobPolicy.mostTimeout && policy.maxExpiries <= JobPolicy.mostExpiries
      && Int64(policy.retry.addedMilliseconds) <= RetryPolicy.mostAdded
  }

  static func checkNumber(_ number: UInt64, at position: LogPosition) throws(ReplayError) {
    guard isNumber(number) else { throw .unfit("a job's number", "\(number)", position) }
  }

  @inline(__always)
  static func check(
    _ value: Int64, in range: ClosedRange<Int64>, _ what: String, at position: LogPosition
  ) throws(ReplayError) {
    guard range.contains(value) else {
      throw .unfit("\(what) \(range.lowerBound)…\(range.upperBound)", "\(value)", position)
    }
  }

  /// A lease that began, or was extended, at log time `now`.
  static func checkLease(
    _ duration: Int64, until deadline: Int64, now: Int64, at position: LogPosition
  ) throws(ReplayError) {
    try check(duration, in: 0...span, "duration", at: position)
    try check(deadline, in: now + duration...now + duration, "deadline", at: position)
  }
}

extension StateMachine {
  /// Log time of a log that a daemon wrote is not beyond this, nanoseconds.
  package static var latestLogTime: Int64 { RecordBounds.time }

  /// The latest that anything may be due now.
  var later: Int64 { now.log + RecordBounds.span }
}
