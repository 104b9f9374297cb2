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

    init(boot: Int64, wall: Int64) {
      self.boot = boot
      self.wall = wall
      trusted = wall - boot
    }
  }

  private static let hour: Int64 = 3_600_000_000_000

  /// A batch begins: log time follows the boot clock, at most two seconds a step; a wall clock that jumped by more
  /// than an hour is not believed until the jump is undone or ten minutes old.
  mutating func begin(at next: Instant, boot: Int64, wall: Int64) throws(Violation) {
    try expect(
      next.log - now.log == min(boot - clocks.boot, 2_000_000_000), "log time went by \(next.log - now.log) ns")
    clocks.boot = boot
    clocks.wall = wall
    let isFar = abs(wall - boot - clocks.trusted) > Self.hour
    if isFar, clocks.doubtedSince == nil {
      clocks.doubtedSince = boot
    } else if !isFar || boot - clocks.doubtedSince! >= Self.hour / 6 {
      clocks.doubtedSince = nil
      clocks.trusted = wall - boot
    }
    try expect(next.isWallSuspect == (clocks.doubtedSince != nil), "the wall clock is doubted: \(next.isWallSuspect)")
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
    self.clocks = clocks
  }
}
