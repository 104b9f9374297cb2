import RoostEngine

/// The machine's two clocks, as they are on bad days: stalls, jumps of the wall clock, restarts with a wrong one.
package struct SimulatedClock: Sendable {
  package private(set) var boot: Int64 = 1_000_000_000_000
  /// What the wall clock would say if it were right.
  private var trueWall: Int64 = 1_790_000_000_000_000_000
  private var error: Int64 = 0
  /// The kernel's boot id, hashed.
  package private(set) var bootID: UInt64 = 1

  package init() {}

  package var reading: ClockReading { ClockReading(boot: boot, wall: trueWall + error) }

  package mutating func pass(_ nanoseconds: Int64) {
    boot += nanoseconds
    trueWall += nanoseconds
  }

  /// A turn's worth of time: mostly little, now and then a stall longer than most leases, rarely a wall jump.
  package mutating func pass(_ random: inout SeededRandom) {
    switch random.below(100) {
    case 0: pass(Int64(5 + random.below(120)) * 1_000_000_000)
    case 1..<50: pass(Int64(random.below(900)) * 1_000_000)
    default: pass(Int64(random.below(3_000)) * 7_001)
    }
    if random.chance(0.006) { stepWall(&random) }
  }

  /// Steps the wall clock by up to two hours either way, or sets it right.
  package mutating func stepWall(_ random: inout SeededRandom) {
    let seconds = random.below(14_400) - 7_200
    error = random.chance(0.5) ? 0 : error + Int64(seconds) * 1_000_000_000
  }

  /// The process was away: the same kernel or a new one, the wall clock right or years off.
  package mutating func restart(_ random: inout SeededRandom) {
    pass(Int64(random.below(random.chance(0.1) ? 200_000 : 20)) * 1_000_000_000 + Int64(random.below(1_000_000)))
    if random.chance(0.4) {
      boot = Int64(random.below(60)) * 1_000_000_000
      bootID &+= 1
    }
    if random.chance(0.3) {
      let years = 3 * 365 * 86_400
      error = random.chance(0.5) ? 0 : Int64(random.below(2 * years) - years) * 1_000_000_000
    }
  }

  package mutating func setRight() { error = 0 }
}
