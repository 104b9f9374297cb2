import RoostEngine

/// The machine's two clocks, as they are on bad days: stalls, jumps of the wall clock, restarts with a wrong one.
package struct SimulatedClock: Sendable {
  package private(set) var boot: Int64 = 1_000 * second
  /// What the wall clock would say if it were right.
  private var trueWall: Int64 = 1_790_000_000 * second
  private var error: Int64 = 0
  /// The kernel's boot id, hashed; 0 when it cannot be read.
  package private(set) var bootID: UInt64 = 1
  private var kernels: UInt64 = 1
  /// Faults that came true.
  private(set) var struck: [SimulatedFault: Int] = [:]

  private static let second: Int64 = 1_000_000_000
  private static let year: Int64 = 365 * 86_400 * second

  package init() {}

  package var reading: ClockReading { ClockReading(boot: boot, wall: trueWall + error) }

  package mutating func pass(_ nanoseconds: Int64) {
    boot += nanoseconds
    trueWall += nanoseconds
  }

  /// A turn's worth of time: mostly little, now and then a stall longer than most leases, rarely a wall jump.
  package mutating func pass(_ random: inout SeededRandom) {
    switch random.below(100) {
    case 0:
      pass(Int64(10 + random.below(random.chance(0.2) ? 900 : 120)) * Self.second)
      struck[.stall, default: 0] += 1
    case 1..<50: pass(Int64(random.below(900)) * 1_000_000)
    default: pass(Int64(random.below(3_000)) * 7_001)
    }
    if random.chance(0.006) { stepWall(&random) }
  }

  /// Steps the wall clock by seconds, hours or years either way, or sets it right.
  private mutating func stepWall(_ random: inout SeededRandom) {
    guard random.chance(0.6) else { return setWall(error: 0) }
    let reach = [30 * Self.second, 7_200 * Self.second, 4 * Self.year][random.below(3)]
    setWall(error: error + Int64(random.below(Int(2 * reach))) - reach)
  }

  private mutating func setWall(error new: Int64) {
    // From 1970 to 2200.
    let wall = min(max(trueWall + new, Self.second), 230 * Self.year)
    let step = wall - trueWall - error
    error += step
    if step != 0, error == 0 { struck[.wallSetRight, default: 0] += 1 }
    if step < 0 { struck[.wallBack, default: 0] += 1 }
    if step > 0 { struck[step > 3_600 * Self.second ? .wallFarAhead : .wallAhead, default: 0] += 1 }
  }

  /// The process was away: the same kernel or a new one, the wall clock right or years off.
  package mutating func restart(_ random: inout SeededRandom) {
    let away = Int64(random.below(random.chance(0.1) ? 200_000 : 20)) * Self.second
    if away > 86_400 * Self.second { struck[.longDowntime, default: 0] += 1 }
    pass(away + Int64(random.below(1_000_000)))
    if random.chance(0.4) {
      boot = Int64(random.below(60)) * Self.second
      kernels += 1
      bootID = random.chance(0.1) ? 0 : kernels
      struck[.newKernel, default: 0] += 1
    }
    guard random.chance(0.3) else { return }
    let reach = (random.chance(0.2) ? 100 : 3) * Self.year
    setWall(error: random.chance(0.5) ? 0 : Int64(random.below(Int(2 * reach))) - reach)
    if abs(error) > Self.year { struck[.wrongAtStart, default: 0] += 1 }
  }

  package mutating func setRight() { error = 0 }
}
