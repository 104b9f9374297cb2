import RoostCore
import RoostCron
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// Schedules across restarts, zones, and long times away.
@Suite("Schedules of the engine")
struct ScheduleTests {
  /// Clocks that stand still until they are moved: both by so many seconds.
  private final class Hands: Sendable {
    private let seconds: Mutex<Int64>

    /// - Parameter start: Wall time, seconds since 1970.
    init(_ start: Int64) { seconds = Mutex(start) }

    var now: Int64 { seconds.withLock { $0 } }
    var reading: ClockReading {
      let now = now
      return ClockReading(boot: now * 1_000_000_000, wall: now * 1_000_000_000)
    }

    func pass(_ more: Int64) { seconds.withLock { $0 += more } }
  }

  private static let owner = "ann"
  private static let name = ScheduleName(owner: owner, name: "s")

  private func fixture(_ hands: Hands, _ disk: SimulatedDisk = SimulatedDisk(seed: 1)) throws -> Fixture {
    try Fixture(
      disk: disk, segmentBytes: 1 << 20,
      adjust: {
        $0.clock = { hands.reading }
        $0.bootID = 7
      })
  }

  private func definition(
    _ engine: Engine, _ timing: ScheduleDefinition.Timing, _ adjust: (inout ScheduleDefinition) -> Void = { _ in }
  ) -> ScheduleDefinition {
    var definition = engine.definition(timing, job: JobSpec(payload: Array("1".utf8)[...]), owner: Self.owner)
    definition.overlap = .allow
    adjust(&definition)
    return definition
  }

  /// The schedule, once nothing is due any more.
  private func look(_ engine: Engine) async throws -> ScheduleView {
    var seen = try await engine.schedule(Self.name)
    for _ in 0..<200 {
      let before = (seen.next, seen.runs, seen.misses.map(\.count))
      seen = try await engine.schedule(Self.name)
      if before == (seen.next, seen.runs, seen.misses.map(\.count)) { break }
    }
    return seen
  }

  private func instants(_ engine: Engine) async throws -> [Int64] {
    try await engine.jobs(JobFilter(), viewer: .all, limit: 200, after: nil).items
      .compactMap { $0.body.schedule?.instant }.sorted()
  }

  @Test("fault 56: a daemon that was away fires once for what it missed, and no instant twice, however often it starts")
  func restart() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    _ = try await fixture.engine.set(
      schedule: Self.name, definition(fixture.engine, .every(600, from: 1_790_000_000)))
    hands.pass(600)
    _ = try await look(fixture.engine)
    for _ in 0..<3 {
      await fixture.engine.stop()
      hands.pass(1_500)
      fixture = try self.fixture(hands, disk)
      let seen = try await look(fixture.engine)
      #expect(seen.next.first! > hands.now && seen.next.first! <= hands.now + 600)
    }
    let fired = try await instants(fixture.engine)
    // Of 1,200 and 1,800 the last; then 3,000 and 3,600; then 4,800 alone, and 5,100 is still to come.
    #expect(fired.map { $0 - 1_790_000_000 } == [600, 1_800, 3_600, 4_800], "\(fired)")
    await fixture.engine.stop()
  }

  @Test("fault 57: an expression fires by the clocks of its zone, over a change of them")
  func zone() async throws {
    // 2027-03-27T12:00:00Z, the day before the clocks of Berlin go forward.
    let hands = Hands(1_806_148_800)
    let fixture = try fixture(hands)
    let berlin = ScheduleDefinition.Timing.cron(
      "30 2 * * *", timezone: "Europe/Berlin", skipsGaps: false, passes: .first)
    let (made, isNew) = try await fixture.engine.set(schedule: Self.name, definition(fixture.engine, berlin))
    // Half past two does not exist on the 28th: at three, which is 01:00Z; then at half past two, 00:30Z.
    #expect(isNew && made.next.prefix(2) == [1_806_195_600, 1_806_280_200], "\(made.next)")
    hands.pass(1_806_195_600 - 1_806_148_800)
    #expect(try await look(fixture.engine).last == 1_806_195_600)
    #expect(try await instants(fixture.engine) == [1_806_195_600])
    await fixture.engine.stop()
  }

  @Test("a zone whose name only looks like that of a known one is not there")
  func zoneLookAlikes() {
    let zones = ZoneBook(TimeZoneDatabase())
    #expect(zones.zone("Asia/Kolkata") != nil)
    #expect(zones.zone("Asia/\u{212A}olkata") == nil)
  }

  @Test("a new release of the zone data moves the next instant, also over a restart; what is due is met as it was told")
  func newZoneData() async throws {
    // 2026-09-21T14:13:20Z.
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    let said = Mutex("Europe/Berlin")
    let database = TimeZoneDatabase()
    let zones = ZoneBook(read: { _ in try? database.zone(said.withLock { $0 }) }, version: { said.withLock { $0 } })
    func open() throws -> Fixture {
      try Fixture(
        disk: disk, segmentBytes: 1 << 20,
        adjust: {
          $0.clock = { hands.reading }
          $0.bootID = 7
          $0.zones = zones
        })
    }
    var fixture = try open()
    let noon = ScheduleDefinition.Timing.cron("0 12 * * *", timezone: "Europe/Berlin", skipsGaps: false, passes: .first)
    _ = try await fixture.engine.set(schedule: Self.name, definition(fixture.engine, noon))
    #expect(try await fixture.engine.schedule(Self.name).next.first == 1_790_071_200, "10:00Z")
    #expect(!zones.readAgain() && zones.version == "Europe/Berlin")
    #expect(try await fixture.engine.reschedule() == 0)
    said.withLock { $0 = "UTC" }
    #expect(zones.readAgain() && zones.version == "UTC")
    #expect(try await fixture.engine.reschedule() == 1)
    #expect(try await fixture.engine.reschedule() == 0)
    #expect(try await fixture.engine.schedule(Self.name).next.prefix(2) == [1_790_078_400, 1_790_164_800])
    await fixture.engine.stop()
    fixture = try open()
    #expect(try await fixture.engine.schedule(Self.name).next.first == 1_790_078_400)
    hands.pass(1_790_078_400 - 1_790_000_000)
    let fired = try await look(fixture.engine)
    #expect(fired.last == 1_790_078_400 && fired.next.first == 1_790_164_800)
    // Due since the clock was last looked at: the zone comes too late for it.
    await fixture.engine.stop()
    fixture = try open()
    said.withLock { $0 = "Europe/Berlin" }
    #expect(zones.readAgain())
    hands.pass(86_400)
    _ = try await fixture.engine.reschedule()
    let met = try await look(fixture.engine)
    #expect(met.last == 1_790_164_800 && met.next.first == 1_790_244_000, "\(met.next)")
    await fixture.engine.stop()
  }

  @Test("fault 56: years away with an instant each second are counted, and the last thousand made up for")
  func longAway() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    _ = try await fixture.engine.set(
      schedule: Self.name,
      definition(fixture.engine, .every(1, from: nil)) {
        $0.catchUp = .all
        $0.windowMilliseconds = 100_000_000_000
      })
    await fixture.engine.stop()
    hands.pass(63_072_000)
    fixture = try self.fixture(hands, disk)
    let seen = try await look(fixture.engine)
    #expect(seen.runs == 1_000, "\(seen.runs)")
    #expect(seen.misses.map(\.reason) == [.tooMany] && seen.misses.first?.count == 63_071_000)
    await fixture.engine.stop()
  }

  @Test("a job of a schedule whose run ends DEAD counts once, also where the daemon starts anew in between")
  func failures() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    _ = try await fixture.engine.set(
      schedule: Self.name,
      definition(fixture.engine, .every(60, from: nil)) {
        $0.pauseOnFailure = 2
        $0.job.maxRetries = 0
        $0.job.given.insert(.maxRetries)
      })
    for count in 1...2 {
      hands.pass(60)
      _ = try await look(fixture.engine)
      let job = try #require(try await fixture.lease())
      _ = try await fixture.engine.fail(
        job.id, leaseID: job.leaseID, keyID: "k", viewer: .all, error: "e", retryable: false,
        retryAfterMilliseconds: nil)
      await fixture.engine.stop()
      fixture = try self.fixture(hands, disk)
      let seen = try await look(fixture.engine)
      #expect(seen.failures == UInt32(count) && (seen.pause != nil) == (count == 2))
    }
    await fixture.engine.stop()
  }

  @Test("fault 57: without the zone of a schedule nothing fires, and nothing else is held up")
  func noZone() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    _ = try await fixture.engine.set(
      schedule: Self.name,
      definition(
        fixture.engine, .cron("* * * * *", timezone: "Europe/Berlin", skipsGaps: false, passes: .first)))
    await fixture.engine.stop()
    fixture = try Fixture(
      disk: disk, segmentBytes: 1 << 20,
      adjust: {
        $0.clock = { hands.reading }
        $0.zones = ZoneBook { _ in nil }
      })
    hands.pass(120)
    let seen = try await look(fixture.engine)
    #expect(seen.hold == .late && seen.runs == 0)
    #expect(try await fixture.submit().state == .ready)
    await fixture.engine.stop()
  }
  @Test("fault 57: a schedule whose zone is gone is kept, and goes on when the zone is back")
  func zoneIsBack() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    let hourly = ScheduleDefinition.Timing.cron(
      "0 * * * *", timezone: "Europe/Berlin", skipsGaps: false, passes: .first)
    // 800 seconds are over of the hour in which it is set.
    _ = try await fixture.engine.set(schedule: Self.name, definition(fixture.engine, hourly))
    await fixture.engine.stop()
    hands.pass(7_200)
    fixture = try Fixture(
      disk: disk, segmentBytes: 1 << 20,
      adjust: {
        $0.clock = { hands.reading }
        $0.bootID = 7
        $0.zones = ZoneBook { _ in nil }
      })
    let held = try await look(fixture.engine)
    #expect(held.hold == .late && held.runs == 0 && held.next == [1_790_002_800], "\(held.next)")
    await fixture.engine.stop()
    fixture = try self.fixture(hands, disk)
    let seen = try await look(fixture.engine)
    #expect(try await instants(fixture.engine) == [1_790_006_400])
    #expect(seen.misses.map(\.reason) == [.superseded] && seen.misses.first?.count == 1)
    #expect(seen.hold == nil && seen.next.first == 1_790_010_000)
    await fixture.engine.stop()
  }

  @Test("fault 57: new rules of a zone count behind the instant that stands in the log: none is lost, none doubled")
  func newRules() async throws {
    // 2026-09-21T12:00:00Z.
    let hands = Hands(1_789_992_000)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    let noon = ScheduleDefinition.Timing.cron(
      "0 12 * * *", timezone: "Europe/Berlin", skipsGaps: false, passes: .first)
    let (made, _) = try await fixture.engine.set(schedule: Self.name, definition(fixture.engine, noon))
    let (tenOClock, day) = (Int64(1_790_071_200), Int64(86_400))
    #expect(made.next.prefix(2) == [tenOClock, tenOClock + day], "\(made.next)")
    await fixture.engine.stop()
    // With another release of the zone data Berlin is half past five hours ahead of UTC, as Kolkata is.
    fixture = try Fixture(
      disk: disk, segmentBytes: 1 << 20,
      adjust: {
        let system = $0.zones
        $0.clock = { hands.reading }
        $0.bootID = 7
        $0.zones = ZoneBook { _ in system.zone("Asia/Kolkata") }
      })
    let halfPastSix = tenOClock - 3 * 3_600 - 1_800
    let before = try await look(fixture.engine)
    #expect(before.next.prefix(2) == [tenOClock, halfPastSix + day], "\(before.next)")
    hands.pass(tenOClock - 1_789_992_000)
    _ = try await look(fixture.engine)
    hands.pass(day)
    let after = try await look(fixture.engine)
    #expect(try await instants(fixture.engine) == [tenOClock, halfPastSix + day])
    #expect(after.misses.isEmpty && after.next.first == halfPastSix + 2 * day)
    await fixture.engine.stop()
  }

  @Test(
    "fault 80: from an old backup instants since then fire again or are told as missed, as the schedule says",
    arguments: [
      (ScheduleCatchUp.none, [600], [ScheduleMiss.late: 3]), (.last, [600, 2_400], [.superseded: 2]),
      (.all, [600, 1_200, 1_800, 2_400], [:]),
    ] as [(ScheduleCatchUp, [Int64], [ScheduleMiss: UInt64])])
  func restored(catchUp: ScheduleCatchUp, fires: [Int64], misses: [ScheduleMiss: UInt64]) async throws {
    let start: Int64 = 1_790_000_000
    let hands = Hands(start)
    let disk = SimulatedDisk(seed: 1)
    var fixture = try fixture(hands, disk)
    _ = try await fixture.engine.set(
      schedule: Self.name, definition(fixture.engine, .every(600, from: start)) { $0.catchUp = catchUp })
    hands.pass(600)
    _ = try await look(fixture.engine)
    let backup = SimulatedDisk(seed: 2)
    _ = try LogBackup(from: disk, to: backup).run()
    for _ in 0..<3 {
      hands.pass(600)
      _ = try await look(fixture.engine)
    }
    #expect(try await instants(fixture.engine).map { $0 - start } == [600, 1_200, 1_800, 2_400])
    await fixture.engine.stop()
    let target = SimulatedDisk(seed: 3)
    _ = try LogRestore(from: backup, to: target, identity: (8, 9)).run()
    try LogHold.lift(on: target)
    // The last of them is late by now, too.
    hands.pass(100)
    fixture = try self.fixture(hands, target)
    let seen = try await look(fixture.engine)
    #expect(try await instants(fixture.engine).map { $0 - start } == fires)
    #expect(Dictionary(uniqueKeysWithValues: seen.misses.map { ($0.reason, $0.count) }) == misses)
    #expect(seen.next.first == start + 3_000)
    await fixture.engine.stop()
  }

  @Test("fault 81: on a full disk last jobs of batches and jobs that waited come; instants wait, and then are missed")
  func fullDisk() async throws {
    let hands = Hands(1_790_000_000)
    let disk = SimulatedDisk(seed: 5, capacityBytes: 700 << 10)
    let fixture = try Fixture(
      disk: disk, segmentBytes: 32 << 10,
      adjust: {
        $0.clock = { hands.reading }
        $0.bootID = 7
      })
    let engine = fixture.engine
    var ending = BatchSpec()
    ending.then = JobSpec(payload: Array("1".utf8)[...])
    ending.then?.queue = "last"
    let batch = try await engine.open(batch: ending, owner: "o").id
    let first = try await fixture.submit(queue: "work") { $0.options[.batch] = BatchMembership.encode(batch) }.id
    let list = DependencyList.encode(DependencyList.Mode(), [.job(first, wasAcked: false)])
    let second = try await fixture.submit(queue: "next") { $0.options[.dependencies] = list }
    #expect(second.state == .blocked)
    _ = try await engine.close(batch: batch, owner: nil)
    _ = try await engine.set(
      schedule: Self.name, definition(engine, .every(600, from: nil)) { $0.catchUp = .none })
    let running = try #require(try await fixture.lease(["work"]))
    let payload = "\"" + String(repeating: "x", count: 700) + "\""
    func fill() async {
      var refusal: Refusal?
      while refusal == nil { do throws(Refusal) { _ = try await fixture.submit(payload) } catch { refusal = error } }
      #expect(refusal == .diskLow)
    }
    await fill()
    #expect(try await fixture.acknowledge(running) == .acked)
    _ = try await look(engine)
    #expect(try await engine.job(second.id, viewer: .all).state == .ready)
    let ended = try await engine.batch(batch, owner: nil)
    #expect(ended.phase == .completed)
    #expect(try await engine.job(try #require(ended.job), viewer: .all).body.queue == "last")
    await fill()
    hands.pass(600)
    let held = try await look(engine)
    #expect(held.hold == .noRoom && held.runs == 0 && held.misses.isEmpty)
    for _ in 0..<3 {
      hands.pass(610)
      #expect(try await look(engine).runs == 0)
    }

    disk.capacityBytes = .max
    var accepted: Submitted?
    while accepted == nil { accepted = try? await fixture.submit(payload) }
    hands.pass(2)
    let seen = try await look(engine)
    #expect(seen.runs == 1 && seen.misses.map(\.reason) == [.noRoom] && seen.misses.first?.count == 3)
    #expect(try await instants(engine) == [1_790_002_400])
    await engine.stop()
  }
}
