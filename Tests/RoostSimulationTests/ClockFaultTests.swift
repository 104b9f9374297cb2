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

  @Test(
    "fault 24: a stop of five seconds leaves leases of two seconds and of a tenth alone, wherever it meets the daemon",
    arguments: [true, false])
  func shortLeases(isPaused: Bool) throws {
    let tested = try StoreUnderTest()
    for _ in 0..<2 { try tested.submit() }
    let long = try #require(try tested.lease(milliseconds: 2_000))
    let short = try #require(try tested.lease(milliseconds: 100))
    for _ in 0..<2 {
      if isPaused {
        try tested.rest(passing: 5 * second)
      } else {
        tested.clock.boot += 5 * second
        tested.clock.wall += 5 * second
      }
      // What is due is decided before anything that lies in a socket was read.
      try tested.batch([])
      #expect(try tested.read(long.id)?.state == .running)
      #expect(try tested.read(short.id)?.state == .running)
    }
    #expect(try tested.extend(short, progress: []).state == .running)
    if isPaused {
      try tested.rest(passing: second)
      try tested.batch([])
      #expect(
        try tested.finish(long).state == .acked, "of its two seconds a stop in a pause took half a second at most")
    }
    #expect(try tested.finish(short).state == .acked)
  }

  @Test("fault 24: of a pause log time follows what was planned, and a quarter of a second of waking up late")
  func pause() {
    var clock = LogClock(time: 0, reading: ClockReading(boot: 0, wall: 0))
    clock.rest(at: ClockReading(boot: second, wall: second), atMost: second / 2)
    clock.advance(to: ClockReading(boot: 100 * second, wall: 100 * second))
    #expect(clock.time == second + 3 * second / 4)
    clock.advance(to: ClockReading(boot: 101 * second, wall: 101 * second))
    #expect(clock.time == 2 * second + 3 * second / 4)
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

  @Test(
    "fault 28: while the wall clock is ahead by mistake, what is submitted with run_at does not run before its time")
  func submittedDuringJump() throws {
    let tested = try StoreUnderTest()
    let runAt = tested.clock.wall / 1_000_000 + 5_000
    tested.clock.wall += 7_200 * second
    try tested.pass(seconds: 1)
    let timed = try #require(try tested.submit(runAt: runAt))
    #expect(tested.isWallSuspect && timed.state == .scheduled && timed.due == runAt)
    try tested.pass(seconds: 3)
    #expect(try tested.read(timed.id)?.state == .scheduled)
    try tested.pass(seconds: 2)
    #expect(try tested.read(timed.id)?.state == .ready, "by the time that was believed before")
  }

  @Test(
    "fault 29: a start with the wall clock ahead by mistake, on the same kernel or another, runs nothing before its time",
    arguments: [1, 2] as [UInt64], [true, false])
  func startedAhead(bootID: UInt64, isSuspectBefore: Bool) throws {
    let tested = try StoreUnderTest()
    let runAt = tested.clock.wall / 1_000_000 + 1_800_000
    let before = try #require(try tested.submit(runAt: runAt))
    if isSuspectBefore {
      // A jump that was not believed before the crash is not believed after it.
      tested.clock.wall += 7_200 * second
      try tested.pass(seconds: 1)
      try tested.submit(queue: "other")
    }
    if bootID == 2 { tested.clock.boot = 5 * second }
    if !isSuspectBefore { tested.clock.wall += 7_200 * second }
    tested.bootID = bootID
    try tested.restart()
    #expect(tested.isWallSuspect)
    let after = try #require(try tested.submit(runAt: runAt))
    try tested.pass(seconds: 300)
    #expect(try tested.read(before.id)?.state == .scheduled && tested.read(after.id)?.state == .scheduled)
    tested.clock.wall -= 7_200 * second
    try tested.pass(seconds: 1)
    #expect(!tested.isWallSuspect)
    #expect(try tested.read(before.id)?.state == .scheduled)
    try tested.pass(seconds: 1_500)
    #expect(try tested.read(before.id)?.state == .ready && tested.read(after.id)?.state == .ready)
  }

  @Test(
    "times are told the same over restarts, compaction and steps of the wall clock, until a grace changes a lease's")
  func sameTimes() throws {
    let tested = try StoreUnderTest()
    let delayed = try #require(try tested.submit(queue: "late", delay: 86_400_000))
    try tested.submit()
    let lease = try #require(try tested.lease(milliseconds: 3_600_000))
    for round in 0..<3 {
      tested.clock.boot += 7_001_234
      tested.clock.wall += 7_001_234 + Int64(round) * 1_300_000
      try tested.restart()
      for _ in 0..<40 { try tested.submit([UInt8](repeating: 1, count: 500), queue: "filling", retention: 0) }
      while let grant = try tested.lease(["filling"]) { _ = try tested.finish(grant) }
      try tested.pass(seconds: 1)
      let trims = tested.trims
      for _ in 0..<200 where tested.trims == trims {
        _ = try tested.compact()
        _ = try tested.provision()
        try tested.batch([])
      }
      #expect(tested.trims > trims)
      #expect(try tested.read(delayed.id)?.deadline == delayed.due)
      #expect(try tested.read(lease.id)?.deadline == lease.until)
    }
    tested.clock.boot += 3_590 * second
    tested.clock.wall += 3_590 * second
    try tested.restart()
    let grace = try #require(try tested.read(lease.id)).deadline
    #expect(grace > lease.until)
    // Starts at one log time give one grace, whatever the wall clock says then.
    for bootID: UInt64 in [7, 8] {
      tested.clock = ClockReading(boot: second, wall: tested.clock.wall - 50_000 * second)
      tested.bootID = bootID
      try tested.restart()
      #expect(try tested.read(lease.id)?.deadline == grace)
    }
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
