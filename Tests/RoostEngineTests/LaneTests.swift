import Glibc
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// Commands that an event loop leaves in its lane.
@Suite struct LaneTests {
  @Test("what a loop asks in one turn is posted together, and each ticket gets its own answer in one crossing")
  func turn() async throws {
    let fixture = try Fixture()
    let loop = TestLoop(fixture.engine)
    let syncs = fixture.engine.syncs
    for ticket in 0..<10 { loop.lane.submit(spec("\(ticket)"), owner: "o", ticket: UInt64(ticket) << 24 | 7) }
    #expect(fixture.engine.postedCommands == 0, "nothing is posted before the turn ends")
    let answers = await loop.untilAnswered(10)
    #expect(answers.map(\.ticket) == (0..<10).map { UInt64($0) << 24 | 7 })
    #expect(answers.allSatisfy { if case .submitted = $0.answer { true } else { false } })
    #expect(fixture.engine.syncs == syncs + 1 && loop.crossings == 1)
    await fixture.engine.stop()
  }

  @Test("an acknowledgement with a lease behind it has two answers in order, and none but a refusal if it is refused")
  func acknowledgeAndLease() async throws {
    let fixture = try Fixture()
    let loop = TestLoop(fixture.engine)
    _ = try await fixture.submit("1")
    let second = try await fixture.submit("2")
    let job = try #require(try await fixture.lease())
    let next = LeaseRequest(queues: ["default"], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "w", keyID: "k")
    let end = AttemptEnd.acknowledged(job.id, leaseID: job.leaseID, result: nil)
    try loop.lane.finish(end, keyID: "k", viewer: .all, next: next, ticket: 1)
    let answers = await loop.untilAnswered(2)
    guard case .changed(state: .acked, _, _) = answers[0].answer, case .leased(let grant) = answers[1].answer else {
      Issue.record("\(answers)")
      return
    }
    #expect(grant.id == second.id)
    // The lease that has ended ends nothing, and nothing is leased behind it.
    let lost = AttemptEnd.acknowledged(second.id, leaseID: job.leaseID, result: nil)
    try loop.lane.finish(lost, keyID: "k", viewer: .all, next: next, ticket: 2)
    let refused = await loop.untilAnswered(4).suffix(2)
    guard case .refused(.leaseLost) = refused.first?.answer, case .nothing = refused.last?.answer else {
      Issue.record("\(refused)")
      return
    }
    await fixture.engine.stop()
  }

  @Test("an id that the log never made is refused at once, without a command")
  func strangeID() async throws {
    let fixture = try Fixture()
    let loop = TestLoop(fixture.engine)
    let end = AttemptEnd.acknowledged(JobID(high: 1, low: 2), leaseID: nil, result: nil)
    #expect(throws: Refusal.jobNotFound) { try loop.lane.finish(end, keyID: "k", viewer: .all, ticket: 1) }
    await fixture.engine.stop()
  }

  @Test("nothing is answered before it is durable, and a failed sync answers every open ticket with outcome_unknown")
  func failedSync() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk()
    let loop = TestLoop(fixture.engine)
    disk.hold()
    loop.lane.submit(spec("1"), owner: "o", ticket: 1)
    loop.run()
    await disk.waitForSync(1)
    loop.run()
    #expect(loop.answers.isEmpty)
    fixture.disk.fail(.sync, errno: EIO, repeats: true)
    disk.letAllGo()
    _ = await fixture.failures.first()
    // The end is on its way: this hears it, too, and nothing more when its turn comes to be posted.
    loop.lane.submit(spec("in the turn of the end"), owner: "o", ticket: 3)
    await loop.untilEnded()
    loop.run()
    #expect(loop.end == .outcomeUnknown && loop.answers.isEmpty)
    loop.lane.submit(spec("2"), owner: "o", ticket: 2)
    let refused = await loop.untilAnswered(1)
    guard case .refused(.outcomeUnknown) = refused[0].answer else {
      Issue.record("\(refused)")
      return
    }
  }

  private func spec(_ payload: String) -> JobSpec { JobSpec(payload: Array(payload.utf8)[...]) }
}

/// An event loop whose turns the test makes.
private final class TestLoop: Sendable {
  private struct State {
    var work: [@Sendable () -> Void] = []
    var answers: [Reply] = []
    var crossings = 0
    var end: Refusal?
  }

  private let state = Mutex(State())
  private let made = Mutex<Lane?>(nil)

  init(_ engine: Engine) {
    let lane = engine.makeLane { [unowned self] work in
      state.withLock { $0.work.append(work) }
    } deliver: { [unowned self] answers in
      state.withLock { state in
        state.answers += answers.replies.map { Reply(ticket: Lane.ticket($0.ticket), answer: $0.answer) }
        if !answers.replies.isEmpty { state.crossings += 1 }
        if let end = answers.end { state.end = end }
      }
    }
    made.withLock { $0 = lane }
  }

  var lane: Lane { made.withLock { $0! } }
  var answers: [Reply] { state.withLock { $0.answers } }
  var crossings: Int { state.withLock { $0.crossings } }
  var end: Refusal? { state.withLock { $0.end } }

  /// One turn: everything that was handed over so far.
  func run() {
    let work = state.withLock { state in
      defer { state.work = [] }
      return state.work
    }
    for step in work { step() }
  }

  func untilAnswered(_ count: Int) async -> [Reply] {
    while answers.count < count {
      run()
      await Task.yield()
    }
    return answers
  }

  func untilEnded() async {
    while end == nil {
      run()
      await Task.yield()
    }
  }
}
