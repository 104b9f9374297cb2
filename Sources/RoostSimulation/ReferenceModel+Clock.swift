import RoostEngine

/// What the store's one time may do while the machine's two clocks do what they like.
extension ReferenceModel {
  /// The machine's clocks at the last batch, nanoseconds.
  struct Clocks {
    var boot: Int64
    var wall: Int64
    /// Wall less boot clock when the wall clock was last believed.
    var trusted: Int64
    /// Boot time of a jump of the wall clock that is not believed yet.
    var doubtedSince: Int64?
    /// What the next step may follow the boot clock at most.
    var mostNext = 2 * Clocks.second
    /// By what log time went on since the last batch.
    var passed: Int64 = 0

    private static let second: Int64 = 1_000_000_000
    private static let hour = 3_600 * second

    /// - Parameters:
    ///   - known: What the log says of the clocks when it was written last.
    ///   - isSameKernel: The boot clock has counted on since.
    init(boot: Int64, wall: Int64, known: ClockReading?, isSameKernel: Bool) {
      self.boot = boot
      self.wall = wall
      trusted = wall - boot
      guard let known else { return }
      // On another kernel only the wall clock tells how long it was, and only for an hour.
      if isSameKernel { trusted = known.wall - known.boot }
      if !isSameKernel, abs(wall - known.wall) > Self.hour { trusted = known.wall - boot }
      judge()
    }

    /// Log time follows the boot clock, at most two seconds a step.
    mutating func advance(boot: Int64, wall: Int64) {
      passed += min(boot - self.boot, mostNext)
      mostNext = 2 * Self.second
      (self.boot, self.wall) = (boot, wall)
      judge()
    }

    /// Of a pause it follows what was planned, and a little more.
    mutating func rest(boot: Int64, wall: Int64, planned: Int64) {
      advance(boot: boot, wall: wall)
      mostNext = min(2 * Self.second, planned + Self.second / 4)
    }

    /// A wall clock that jumped by more than an hour is not believed until the jump is undone or ten minutes old.
    private mutating func judge() {
      let isFar = abs(wall - boot - trusted) > Self.hour
      if isFar, doubtedSince == nil {
        doubtedSince = boot
      } else if !isFar || boot - doubtedSince! >= Self.hour / 6 {
        doubtedSince = nil
        trusted = wall - boot
      }
    }

    /// Wall milliseconds by which `run_at` is judged: never early, by the clock and by what it was before a jump.
    var due: Int64 { (doubtedSince == nil ? wall : min(wall, boot + trusted)) / 1_000_000 }
  }

  /// A batch begins.
  mutating func begin(at next: Instant, boot: Int64, wall: Int64) throws(Violation) {
    clocks.advance(boot: boot, wall: wall)
    let passed = next.log - now.log
    try expect(passed == clocks.passed, "log time went by \(passed) ns, not by \(clocks.passed)")
    clocks.passed = 0
    try expect(next.isWallSuspect == (clocks.doubtedSince != nil), "the wall clock is doubted: \(next.isWallSuspect)")
    leaseCheck.pass(passed)
    now = next
  }

  /// After a start: of the time away at most a day is credited, and nothing runs backwards.
  ///
  /// - Parameter bounds: Of the downtime: each start that was tried may have credited its own before it was stopped.
  mutating func started(
    credited: Int64, downtime bounds: ClosedRange<Int64>, at next: Instant, clocks: Clocks
  ) throws(Violation) {
    let downtime = credited - self.credited
    try expect(bounds.contains(downtime), "a downtime of \(downtime) ns, not of \(bounds)")
    try expect(next.log <= now.log + downtime, "log time ran ahead over a restart")
    try expect(next.isWallSuspect == (clocks.doubtedSince != nil), "the wall clock is doubted: \(next.isWallSuspect)")
    self.clocks = clocks
  }
}
