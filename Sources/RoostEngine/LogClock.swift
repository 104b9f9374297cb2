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
/// It follows the boot clock, at most 2 s a step, so that a stalled sync or a stopped process does not expire healthy
/// leases at once; time beyond that is dropped. The wall clock only serves `run_at` and timestamps: when it jumps by
/// more than an hour, it is not believed until the jump is undone or ten minutes old.
package struct LogClock: Sendable {
  package static let mostPerStep: Int64 = 2_000_000_000
  package static let mostDowntime: Int64 = 24 * 3_600 * 1_000_000_000
  static let suspectJump: Int64 = 3_600 * 1_000_000_000
  static let suspectFor: Int64 = 600 * 1_000_000_000

  /// Log time, nanoseconds.
  package private(set) var time: Int64
  private var last: ClockReading
  /// Wall less boot clock, when the wall clock was last believed.
  private var trustedOffset: Int64
  private var suspectSince: Int64?
  private let mostPerStep: Int64

  /// - Parameter time: Where log time stands, downtime credited.
  package init(time: Int64, reading: ClockReading, mostPerStep: Int64 = Self.mostPerStep) {
    self.time = time
    self.mostPerStep = mostPerStep
    last = reading
    trustedOffset = reading.wall - reading.boot
  }

  package var isWallSuspect: Bool { suspectSince != nil }

  /// Moves on to a new reading.
  package mutating func advance(to reading: ClockReading) {
    time += min(max(0, reading.boot - last.boot), mostPerStep)
    last.boot = max(last.boot, reading.boot)
    last.wall = reading.wall
    let jump = abs(reading.wall - reading.boot - trustedOffset)
    if jump <= Self.suspectJump {
      suspectSince = nil
      trustedOffset = reading.wall - reading.boot
    } else if let since = suspectSince {
      guard reading.boot - since >= Self.suspectFor else { return }
      suspectSince = nil
      trustedOffset = reading.wall - reading.boot
    } else {
      suspectSince = reading.boot
    }
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
