import RoostCore
import RoostEngine
import RoostSimulation
import Testing

/// Clocks that stall, jump and lie.
@Suite("Clocks")
struct ClockFaultTests {
  private let second = StoreUnderTest.second
  private let year: Int64 = 365 * 86_400 * 1_000_000_000

  @Test("fault 24: a stall longer than a lease leaves the lease alone; what expires later goes to another, once")
  func stall() throws {
    let tested = try StoreUnderTest()
    try tested.submit()
    let first = try #require(try tested.lease())
    tested.clock.boot += 60 * second
    tested.clock.wall += 60 * second
    #expect(try tested.lease() == nil)
    #expect(try tested.read(first.id)?.state == .running)
    try tested.pass(seconds: 12)
    let second = try #require(try tested.lease())
    #expect(second.id == first.id)
    #expect(second.lease.number > first.lease.number)
    #expect(try tested.finish(first).refusal == .leaseLost)
    #expect(try tested.finish(second).state == .acked)
  }

  @Test("fault 24: log time advances at most two seconds a step")
  func mostPerStep() {
    var clock = LogClock(time: 0, reading: ClockReading(boot: 0, wall: 0))
    clock.advance(to: ClockReading(boot: 100 * second, wall: 100 * second))
    #expect(clock.time == 2 * second)
    clock.advance(to: ClockReading(boot: 101 * second, wall: 101 * second))
    #expect(clock.time == 3 * second)
    clock.advance(to: ClockReading(boot: 90 * second, wall: 90 * second))
    #expect(clock.time == 3 * second)
  }

  @Test("fault 27: the wall clock steps back; leases, delays and retention go on, and what was due stays due")
  func stepBack() throws {
    let tested = try StoreUnderTest()
    let done = try #require(try tested.submit(retention: 5_000))
    _ = try tested.finish(try #require(try tested.lease()))
    let wall = tested.clock.wall / 1_000_000
    let timed = try #require(try tested.submit(queue: "timed", runAt: wall + 1_000))
    let delayed = try #require(try tested.submit(queue: "delayed", delay: 3_000))
    let held = try #require(try tested.submit(queue: "held"))
    _ = try tested.lease(["held"])
    try tested.pass(seconds: 2)
    #expect(try tested.read(timed.id)?.state == .ready)
    tested.clock.wall -= 7_200 * second
    try tested.pass(seconds: 2)
    #expect(try tested.read(timed.id)?.state == .ready)
    #expect(try tested.read(delayed.id)?.state == .ready)
    #expect(try tested.read(held.id)?.state == .running)
    try tested.pass(seconds: 3)
    #expect(try tested.read(done.id) == nil)
    try tested.pass(seconds: 6)
    #expect(try tested.read(held.id)?.state == .ready)
  }

  @Test("fault 28: the wall clock jumps ahead; nothing ends early, and run_at is held until the jump is undone")
  func stepForward() throws {
    let tested = try StoreUnderTest()
    let done = try #require(try tested.submit(retention: 5_000))
    _ = try tested.finish(try #require(try tested.lease()))
    let held = try #require(try tested.submit(queue: "held"))
    _ = try tested.lease(["held"])
    let timed = try #require(try tested.submit(runAt: tested.clock.wall / 1_000_000 + 3_600_000))
    tested.clock.wall += 7_200 * second
    try tested.pass(seconds: 1)
    #expect(tested.isWallSuspect)
    #expect(try tested.read(done.id)?.state == .acked)
    #expect(try tested.read(held.id)?.state == .running)
    #expect(try tested.read(timed.id)?.state == .scheduled)
    tested.clock.wall -= 7_200 * second
    try tested.pass(seconds: 1)
    #expect(!tested.isWallSuspect)
    #expect(try tested.read(timed.id)?.state == .scheduled)
  }

  @Test("fault 28: a jump that lasts ten minutes is believed")
  func jumpBelieved() throws {
    let tested = try StoreUnderTest()
    let timed = try #require(try tested.submit(runAt: tested.clock.wall / 1_000_000 + 3_600_000))
    tested.clock.wall += 7_200 * second
    try tested.pass(seconds: 599)
    #expect(try tested.read(timed.id)?.state == .scheduled)
    try tested.pass(seconds: 3)
    #expect(try tested.read(timed.id)?.state == .ready)
  }

  @Test(
    "fault 29: a start with a clock that is years off loses no lease, retires nothing, repeats no id",
    arguments: [-5, 5])
  func wrongStart(years: Int64) throws {
    let tested = try StoreUnderTest()
    let done = try #require(try tested.submit(retention: 60_000))
    _ = try tested.finish(try #require(try tested.lease()))
    try tested.submit()
    let held = try #require(try tested.lease())
    let before = tested.logTime
    tested.clock = ClockReading(boot: 5 * second, wall: tested.clock.wall + years * year)
    tested.bootID = 2
    try tested.restart()
    #expect(tested.logTime - before <= 86_400 * second)
    #expect(tested.logTime >= before)
    #expect(try tested.read(done.id)?.state == .acked)
    #expect(try tested.finish(held).state == .acked)
    let next = try #require(try tested.submit())
    #expect(next.id.number > held.id.number)
    #expect(try #require(try tested.lease()).lease.number > held.lease.number)
    // The right clock again.
    tested.clock = ClockReading(boot: 5 * second, wall: tested.clock.wall - years * year + 60 * second)
    tested.bootID = 3
    try tested.restart()
    #expect(try tested.read(done.id)?.state == .acked)
    try tested.pass(seconds: 61)
    #expect(try tested.read(done.id) == nil)
    #expect(try tested.read(next.id) != nil)
  }

  @Test("fault 29: downtime is the boot clock's on the same kernel, else the wall clock's, from 0 to 24 hours")
  func downtime() {
    let stop = ClockReading(boot: 100 * second, wall: 1_000 * second)
    let later = ClockReading(boot: 130 * second, wall: 5_000 * second)
    #expect(LogClock.downtime(since: stop, now: later, isSameKernel: true) == 30 * second)
    #expect(LogClock.downtime(since: stop, now: later, isSameKernel: false) == 4_000 * second)
    let past = ClockReading(boot: 1, wall: .min)
    let future = ClockReading(boot: .max, wall: .max)
    for isSameKernel in [true, false] {
      #expect(LogClock.downtime(since: stop, now: past, isSameKernel: isSameKernel) == 0)
      #expect(LogClock.downtime(since: stop, now: future, isSameKernel: isSameKernel) == 86_400 * second)
    }
  }
}
