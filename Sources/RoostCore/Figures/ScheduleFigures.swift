/// What became of the instants of schedules since the daemon started; volatile, for metrics.
package struct ScheduleFigures: Sendable, BitwiseCopyable {
  /// Seconds by which instants were met late, rising; one bucket more is for later ones.
  package static let lagBounds: [Int64] = [1, 2, 5, 10, 30, 60, 300, 3_600]

  /// Schedules that there are.
  package var count = 0
  /// Jobs made at instants, those that had waited for a run to end included.
  package private(set) var fired: UInt64 = 0
  /// By reason, in the order of `ScheduleMiss`.
  package private(set) var missed: InlineArray<16, UInt64> = InlineArray(repeating: 0)
  /// How often instants were met so late.
  package private(set) var lags: InlineArray<9, UInt64> = InlineArray(repeating: 0)
  /// Milliseconds.
  package private(set) var lagSum: UInt64 = 0

  package init() {}

  /// - Parameter late: Milliseconds from the instant to its job.
  mutating func fire(late: Int64) {
    fired += 1
    let late = max(0, late)
    var bucket = 0
    while bucket < Self.lagBounds.count, late > Self.lagBounds[bucket] * 1_000 { bucket += 1 }
    lags[bucket] += 1
    lagSum &+= UInt64(late)
  }

  mutating func noteMisses(from earlier: ScheduleState, to later: ScheduleState) {
    for reason in ScheduleMiss.allCases {
      let place = Int(reason.rawValue) - 1
      miss(reason, later.misses[place] - min(later.misses[place], earlier.misses[place]))
    }
  }

  mutating func miss(_ reason: ScheduleMiss, _ count: UInt64 = 1) { missed[Int(reason.rawValue) - 1] += count }
}
