import RoostCore
import RoostEngine
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

  @Test("a daemon that was away fires once for what it missed, and no instant twice, however often it starts")
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

  @Test("an expression fires by the clocks of its zone, over a change of them")
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

  @Test("years away with an instant each second are counted, and the last thousand made up for")
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

  @Test("without the zone of a schedule nothing fires, and nothing else is held up")
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
}
