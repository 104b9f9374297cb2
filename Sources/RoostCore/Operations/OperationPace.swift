/// How fast an operation goes, and how much later its jobs run.
package struct OperationPace: Sendable, Equatable, BitwiseCopyable {
  /// Jobs that may be changed in `periodMilliseconds` of log time; 0: as many as can be.
  package var limit: UInt32 = 0
  package var periodMilliseconds: UInt32 = 0
  /// Jobs that are replayed or retried run so much later; 0: at once.
  package var delayMilliseconds: Int64 = 0

  package static let limits: ClosedRange<Int64> = 1...1_000_000
  package static let periods: ClosedRange<Int64> = 1...86_400_000

  package init() {}

  /// Jobs of so many nanoseconds are changed in one step: a fast operation does not need a commit for each.
  static let tolerance: Int64 = 100_000_000

  var isLimited: Bool { limit > 0 }
  /// Between two jobs, nanoseconds of log time, rounded up: never more jobs than allowed.
  var interval: Int64 {
    isLimited ? (Int64(periodMilliseconds).nanoseconds + Int64(limit) - 1) / Int64(limit) : 0
  }
}

/// What may be said of an operation besides which jobs it is for.
package struct OperationTerms: Sendable, Equatable, BitwiseCopyable {
  package var pace = OperationPace()
  /// Only jobs that were submitted, or died if `isByDeath`, from then on and before then, wall milliseconds.
  package var since = Int64.min
  package var until = Int64.max
  package var isByDeath = false
  /// Jobs are only counted; goes with a filter that only their records can be held against.
  package var isDry = false
  /// How many jobs matched just before it began, or with such a filter might have; nil: nobody counted.
  package var matched: UInt64?

  package init() {}
}

extension Operation {
  var pace: OperationPace { terms.pace }
  var isDry: Bool { terms.isDry }

  /// Whether another job may be changed in a step that began when the operation was due.
  func mayGoOn(at time: Int64) -> Bool { !pace.isLimited || due <= time + OperationPace.tolerance }

  /// A job was changed: any window of w sees at most 1 + (w + `tolerance`) / `interval` of them.
  mutating func spend(at time: Int64) {
    if pace.isLimited { due = max(due, time) + pace.interval }
  }

  /// What a log may tell of `due`.
  func latestDue(at time: Int64) -> Int64 { pace.isLimited ? time + OperationPace.tolerance + pace.interval : 0 }
}

extension StateMachine {
  /// A job that waits for its time, or is READY, waits from now on.
  mutating func putOff(_ slot: Slot, milliseconds: Int64, _ step: inout Step) {
    var row = jobs.hot(slot).pointee
    let isRetry = row.state == JobState.retry.rawValue
    row.flags &= ~RowFlags.wall
    row.state = (isRetry ? JobState.retry : .scheduled).rawValue
    row.deadline = now.log + milliseconds.nanoseconds
    row.foreseen = now.wall + milliseconds
    let event = Changed(row: row)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}
