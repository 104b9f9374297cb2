/// What the machine's clocks say, nanoseconds.
package struct ClockReading: Sendable, BitwiseCopyable {
  /// `CLOCK_BOOTTIME`: since the kernel started, sleep included.
  package var boot: Int64
  /// `CLOCK_REALTIME`: since 1970; may step.
  package var wall: Int64

  package init(boot: Int64, wall: Int64) {
    self.boot = boot
    self.wall = wall
  }
}

/// The one time that drives leases, delays and retention.
///
/// It follows the boot clock, at most 2 s a step, so that a stalled sync does not expire healthy leases at once; time beyond
/// that is dropped. Of a planned pause it follows no more than was planned: a process that was stopped meanwhile loses none
/// of its leases' time. The wall clock only serves `run_at` and timestamps: when it jumps by more than an hour, while the
/// daemon runs or while it was down, it is not believed until the jump is undone or ten minutes old.
package struct LogClock: Sendable {
  package static let mostPerStep: Int64 = 2_000_000_000
  package static let mostDowntime: Int64 = 24 * 3_600 * 1_000_000_000
  /// How late the writer wakes from a pause when all is well.
  package static let latestWake: Int64 = 250_000_000
  static let suspectJump: Int64 = 3_600 * 1_000_000_000
  static let suspectFor: Int64 = 600 * 1_000_000_000

  /// Log time, nanoseconds.
  package private(set) var time: Int64
  private var last: ClockReading
  /// Wall less boot clock, when the wall clock was last believed.
  private var trustedOffset: Int64
  private var suspectSince: Int64?
  private let mostPerStep: Int64
  /// What the next step follows the boot clock at most.
  private var mostNext: Int64

  /// - Parameters:
  ///   - time: Where log time stands, downtime credited.
  ///   - known: The clocks as they were believed when the log was last written; nil for a new one.
  ///   - isSameKernel: Whether the boot clock has counted on since then.
  package init(
    time: Int64, reading: ClockReading, known: ClockReading? = nil, isSameKernel: Bool = false,
    mostPerStep: Int64 = Self.mostPerStep
  ) {
    self.time = time
    self.mostPerStep = mostPerStep
    mostNext = mostPerStep
    last = reading
    trustedOffset = reading.wall &- reading.boot
    guard let known else { return }
    if isSameKernel {
      trustedOffset = known.wall &- known.boot
    } else if !Self.isNear(reading.wall, known.wall) {
      // Away for long, or a clock that is wrong: until that is known it is at least as late as it was.
      trustedOffset = known.wall &- reading.boot
    }
    judge(reading)
  }

  package var isWallSuspect: Bool { suspectSince != nil }

  /// What the wall clock would say without a jump that is not believed, nanoseconds.
  package var believedWall: Int64 { isWallSuspect ? last.boot &+ trustedOffset : last.wall }

  /// What the wall clock says, or would say without the jump, whichever is earlier, nanoseconds.
  package var earlierWall: Int64 { min(last.wall, believedWall) }

  /// Moves on to a new reading.
  package mutating func advance(to reading: ClockReading) {
    time += min(max(0, reading.boot - last.boot), mostNext)
    mostNext = mostPerStep
    last.boot = max(last.boot, reading.boot)
    last.wall = reading.wall
    judge(reading)
  }

  /// Moves on to the beginning of a pause: the next step follows the boot clock for as long as was planned.
  package mutating func rest(at reading: ClockReading, atMost planned: Int64) {
    advance(to: reading)
    if mostPerStep == Self.mostPerStep { mostNext = min(mostPerStep, planned + Self.latestWake) }
  }

  private mutating func judge(_ reading: ClockReading) {
    if Self.isNear(reading.wall, reading.boot &+ trustedOffset) {
      suspectSince = nil
      trustedOffset = reading.wall &- reading.boot
    } else if let since = suspectSince {
      guard reading.boot - since >= Self.suspectFor else { return }
      suspectSince = nil
      trustedOffset = reading.wall &- reading.boot
    } else {
      suspectSince = reading.boot
    }
  }

  private static func isNear(_ one: Int64, _ other: Int64) -> Bool {
    let (difference, isBeyond) = one.subtractingReportingOverflow(other)
    return !isBeyond && difference.magnitude <= suspectJump.magnitude
  }

  /// How long the daemon was down: by the boot clock while the kernel is the same, else by the wall clock; 0…24 h.
  package static func downtime(
    since stop: ClockReading, now: ClockReading, isSameKernel: Bool, atMost most: Int64 = Self.mostDowntime
  ) -> Int64 {
    let (from, to) = isSameKernel ? (stop.boot, now.boot) : (stop.wall, now.wall)
    guard to > from else { return 0 }
    let (difference, isBeyond) = to.subtractingReportingOverflow(from)
    return isBeyond ? most : min(difference, most)
  }
}
