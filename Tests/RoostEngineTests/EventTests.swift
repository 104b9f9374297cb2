import Dispatch
import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// What is told of the log to those who follow it.
@Suite("Events of the engine") struct EventTests {
  @Test("an event is told when its commit is durable, and not before")
  func durable() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk()
    let follower = await Follower(fixture.engine)
    _ = try await fixture.submit()
    #expect(try await follower.next() == ["jobSubmitted"])
    disk.hold()
    async let submitted: Void = { _ = try? await fixture.submit() }()
    await disk.waitForSync(1)
    // It is written, and a follower who looks now finds the log as it was durable last.
    #expect(try follower.read() == [])
    disk.letAllGo()
    #expect(try await follower.next() == ["jobSubmitted"])
    await submitted
    fixture.engine.events.close()
    await fixture.engine.stop()
  }

  @Test("each record is told once, in order, with whose it is and how the job stands then")
  func order() async throws {
    let fixture = try Fixture()
    let follower = await Follower(fixture.engine)
    let id = try await fixture.submit(queue: "mail") { ($0.type, $0.group) = ("send", "g") }.id
    let job = try #require(try await fixture.lease(["mail"]))
    _ = try await fixture.acknowledge(job)
    var told: [Event] = []
    while told.count < 3 { told += try await follower.events() }
    #expect(told.map { "\($0.kind)" } == ["jobSubmitted", "jobLeased", "jobAcked"])
    #expect(told.map(\.state) == [.ready, .running, .acked] && told.map(\.jobID) == [id, id, id])
    #expect(told[2].attempt == 1 && told[2].outcome == .acked && told[1].worker == "w")
    for event in told {
      let labels = try #require(event.labels)
      #expect(labels.queue == "mail" && labels.type == "send" && labels.group == "g" && labels.owner == "o")
    }
    #expect(told.map(\.sequence) == told.map(\.sequence).sorted())
    fixture.engine.events.close()
    await fixture.engine.stop()
  }

  @Test("who looks back finds the same from any record on, also in what another life of the daemon wrote")
  func resumed() async throws {
    let disk = SimulatedDisk(seed: 7)
    var fixture = try Fixture(disk: disk)
    for place in 0..<40 { _ = try await fixture.submit(queue: "q\(place % 3)") }
    while let job = try await fixture.lease(["q0"]) { _ = try await fixture.acknowledge(job) }
    await fixture.engine.stop()
    fixture = try Fixture(disk: disk)
    _ = try await fixture.submit(queue: "later")
    let tail = try await Follower.tail(of: fixture.engine)
    let all = try Self.past(fixture.engine, tail, from: try LogFollower.oldestSequence(in: tail))
    #expect(all.count == 40 + 2 * 14 + 1)
    #expect(all.allSatisfy { $0.labels != nil && $0.jobID != nil })
    for first in [all[0], all[17], all[39], all[50], all[68]] {
      let rest = try Self.past(fixture.engine, tail, from: first.sequence)
      let expected = all.filter { $0.sequence >= first.sequence }
      #expect(rest.map(\.sequence) == expected.map(\.sequence) && rest.map(\.jobID) == expected.map(\.jobID))
      #expect(rest.map { $0.labels?.queue } == expected.map { $0.labels?.queue })
    }
    fixture.engine.events.close()
    await fixture.engine.stop()
  }

  @Test("who follows hears why nothing more comes: a stop, or a log that failed", arguments: [false, true])
  func ended(byFailure: Bool) async throws {
    let fixture = try Fixture()
    let (ends, end) = AsyncStream.makeStream(of: Refusal.self)
    let events = fixture.engine.events
    events.open { if let why = events.end { end.yield(why) } }
    #expect(events.end == nil)
    if byFailure {
      fixture.disk.fail(.sync, errno: EIO, file: SegmentName.of(1), repeats: true)
      await #expect(throws: Refusal.outcomeUnknown) { try await fixture.submit() }
      fixture.disk.clearFailures()
    }
    await fixture.engine.stop()
    let why = await ends.first { _ in true }
    #expect(why == (byFailure ? .outcomeUnknown : .stopping))
    events.close()
  }

  @Test("the log is trimmed no sooner than what happened lately allows, and copies of what lives are no events")
  func kept() async throws {
    func write(
      keeping retention: EventsRetention, isFollowed: Bool = true
    ) async throws -> (trims: Int, events: [Event], first: UInt64) {
      let time = Atomic<Int64>(1_000_000_000)
      let fixture = try Fixture(adjust: {
        $0.eventsRetention = retention
        $0.limits.retentionMaxJobs = 10
        $0.clock = {
          let now = time.add(2_000_000, ordering: .relaxed).newValue
          return ClockReading(boot: now, wall: 1_780_000_000_000_000_000 + now)
        }
      })
      if isFollowed {
        fixture.engine.events.open {}
        fixture.engine.events.close()
      }
      _ = try await fixture.submit(queue: "kept")
      for _ in 0..<600 {
        _ = try await fixture.submit("\"\(String(repeating: "x", count: 1_000))\"")
        _ = try await fixture.acknowledge(try #require(try await fixture.lease()))
      }
      let tail = try await Follower.tail(of: fixture.engine)
      let first = try LogFollower.oldestSequence(in: tail)
      let events = try Self.past(fixture.engine, tail, from: first)
      fixture.engine.events.close()
      let trims = fixture.engine.trims
      await fixture.engine.stop()
      return (trims, events, first)
    }
    let kept = try await write(keeping: EventsRetention(nanoseconds: .max / 4, bytes: 64 << 20))
    #expect(kept.trims == 0 && kept.first == 0)
    #expect(kept.events.count { $0.kind == .jobSubmitted } == 601)
    #expect(kept.events.count { $0.kind == .jobAcked } == 600)
    let bounded = try await write(keeping: EventsRetention(nanoseconds: .max / 4, bytes: 400 << 10))
    #expect(bounded.trims > 0)
    #expect(bounded.events.count { $0.kind == .jobAcked } > 100)
    let unheard = try await write(keeping: EventsRetention(nanoseconds: .max / 4, bytes: 64 << 20), isFollowed: false)
    #expect(unheard.trims > bounded.trims && unheard.first > bounded.first, "nobody listened")
    let short = try await write(keeping: .none)
    #expect(short.trims > bounded.trims && short.first > bounded.first)
    #expect(!short.events.contains { $0.kind == .jobSubmitted && $0.labels?.queue == "kept" }, "its copy is no event")
  }

  @Test("a job whose first record was trimmed is asked for; one that has left is nobody's")
  func attributed() async throws {
    let fixture = try Fixture(adjust: { $0.limits.retentionMaxJobs = 0 })
    func fill() async throws -> LogTail {
      _ = try await fixture.submit("\"\(String(repeating: "x", count: 1_000))\"", queue: "filler")
      _ = try await fixture.acknowledge(try #require(try await fixture.lease(["filler"])))
      return try await Follower.tail(of: fixture.engine)
    }
    let old = try await fixture.submit(queue: "old").id
    _ = try await fixture.submit(queue: "gone")
    while try await fill().segments.count < 2 {}
    _ = try await fixture.lease(["old"])
    _ = try await fixture.acknowledge(try #require(try await fixture.lease(["gone"])))
    var tail = try await fill()
    while try LogFollower.oldestSequence(in: tail) == 0 { tail = try await fill() }
    let events = try Self.past(fixture.engine, tail, from: try LogFollower.oldestSequence(in: tail))
    let ofOld = events.filter { $0.jobID == old }
    #expect(ofOld.map(\.kind) == [.jobLeased] && ofOld.first?.labels?.queue == "old")
    let ofNobody = events.filter { $0.labels == nil }
    #expect(ofNobody.map(\.kind).contains(.jobAcked) && ofNobody.allSatisfy { $0.jobID == nil && $0.number != 0 })
    fixture.engine.events.close()
    await fixture.engine.stop()
  }

  private static func past(_ engine: Engine, _ tail: LogTail, from first: UInt64) throws -> [Event] {
    let reader = try #require(try engine.eventReader(from: first, in: tail))
    var events: [Event] = []
    while try reader.read(tail, atMost: 4_096, { events.append($0) }) {}
    return events
  }
}

/// Follows an engine, and waits for what comes.
private final class Follower: Sendable {
  private let engine: Engine
  private let news: AsyncStream<Void>
  private let reader: EventReaderBox

  init(_ engine: Engine) async {
    self.engine = engine
    let (news, report) = AsyncStream.makeStream(of: Void.self)
    self.news = news
    engine.events.open { report.yield() }
    for await _ in news { break }
    reader = EventReaderBox(engine.eventReader(atEndOf: engine.events.take()!))
  }

  /// What has become durable; at least one.
  func events() async throws -> [Event] {
    for await _ in news {
      let events = try readEvents()
      if !events.isEmpty { return events }
    }
    return []
  }

  func next() async throws -> [String] { try await events().map { "\($0.kind)" } }

  func read() throws -> [String] { try readEvents().map { "\($0.kind)" } }

  private func readEvents() throws -> [Event] {
    guard let tail = engine.events.take() else { return [] }
    var events: [Event] = []
    _ = try reader.reader.read(tail) { events.append($0) }
    return events
  }

  static func tail(of engine: Engine) async throws -> LogTail {
    let (news, report) = AsyncStream.makeStream(of: Void.self)
    engine.events.open { report.yield() }
    for await _ in news { break }
    return try #require(engine.events.take())
  }
}

/// `@unchecked Sendable`: one test uses it, a step behind the other.
private final class EventReaderBox: @unchecked Sendable {
  let reader: EventReader
  init(_ reader: EventReader) { self.reader = reader }
}
