import RoostCore
import Testing

/// Jobs that wait for others, in the core.
@Suite("Jobs that wait for others")
struct GraphTests {
  private func submit(
    _ machine: Machine, after jobs: [JobID], _ mode: DependencyList.Mode = DependencyList.Mode(),
    adjust: (inout Command.Submit) -> Void = { _ in }
  ) throws -> JobID {
    let list = jobs.isEmpty ? [] : DependencyList.encode(mode, jobs.map { .job($0, wasAcked: false) })
    let made = machine.submit(waitingFor: list, adjust: adjust)
    return try #require(made).id
  }

  private func finish(_ machine: Machine, _ outcome: Outcome = .acked) throws -> JobID {
    let grant = try #require(machine.lease())
    _ = machine.finish(grant.id, grant.lease, outcome) { $0.isRetryable = false }
    return grant.id
  }

  private func state(_ machine: Machine, _ job: JobID) -> JobState? { machine.image(job)?.state }

  @Test("what a job's end means for a hundred thousand that wait for it is told in bounded pieces, one after the other")
  func manyHolders() throws {
    let count = 100_000
    let machine = Machine()
    let first = try submit(machine, after: [])
    let alone = machine.state.usedBytes
    let plain = Machine()
    _ = try submit(plain, after: [])
    let plainAlone = plain.state.usedBytes
    for _ in 0..<count { _ = try submit(plain, after: []) }
    for _ in 0..<count { _ = try submit(machine, after: [first]) }
    let perEdge = (machine.state.usedBytes - alone - (plain.state.usedBytes - plainAlone)) / count
    #expect(perEdge <= 24, "an edge takes \(perEdge) bytes")
    let grant = try #require(machine.lease())
    _ = machine.finish(grant.id, grant.lease, .acked)
    var steps = 1
    var left = machine.state.blockedCount
    while left > 0, steps < 1_000 {
      let before = left
      machine.run()
      left = machine.state.blockedCount
      #expect(before - left <= machine.state.limits.dueItemsPerStep)
      steps += 1
    }
    #expect(left == 0)
    #expect(steps >= count / machine.state.limits.dueItemsPerStep)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a chain of jobs of which the first dies is cancelled to its end, some in each step")
  func cascade() throws {
    let machine = Machine()
    var last = try submit(machine, after: [])
    let first = last
    for _ in 0..<5_000 { last = try submit(machine, after: [last]) }
    let grant = try #require(machine.lease())
    #expect(grant.id == first)
    _ = machine.finish(grant.id, grant.lease, .failed) { $0.isRetryable = false }
    var steps = 0
    while machine.state.blockedCount > 0, steps < 100 {
      machine.run()
      steps += 1
    }
    #expect(state(machine, last) == .cancelled)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a queue under deletion waits for jobs whose results are needed, and goes when nobody needs them")
  func deletion() throws {
    // One job in a step: how many must stay is counted over several.
    let machine = Machine { $0.dueItemsPerStep = 2 }
    for _ in 0..<2 { _ = try submit(machine, after: []) }
    let needed = try [finish(machine), finish(machine)]
    let open = try #require(machine.submit(queue: "post")).id
    let both = DependencyList.encode(
      DependencyList.Mode(), needed.map { .job($0, wasAcked: true) } + [.job(open, wasAcked: false)])
    let holder = try #require(machine.submit(waitingFor: both, queue: "post")).id
    let name = Array("mail".utf8)
    let selection = JobSelection(
      kind: .deleteQueue, states: 255, queue: ByteRange(offset: 0, count: name.count), type: .empty, owner: .empty,
      before: .max, limit: .max)
    machine.run(name, .operate(Command.Operate(selection)))
    func phase() -> OperationPhase? {
      machine.run([], .readOperations(Command.ReadOperations(id: 0)))
      return machine.step.operations.first?.phase
    }
    for _ in 0..<20 where phase() != .waiting { machine.run() }
    #expect(phase() == .waiting)
    #expect(needed.allSatisfy { state(machine, $0) == .acked })
    for job in [open, holder] {
      let grant = try #require(machine.lease("post"))
      #expect(grant.id == job)
      _ = machine.finish(grant.id, grant.lease, .acked)
      machine.run()
    }
    for _ in 0..<20 where phase() != .done { machine.run() }
    #expect(phase() == .done)
    #expect(needed.allSatisfy { state(machine, $0) == nil })
    try machine.expectReplay()
  }

  @Test("a job that waits for a thousand others runs when the last of them is ACKED, in whatever order they end")
  func fanIn() throws {
    let machine = Machine()
    let jobs = try (0..<1_000).map { _ in try submit(machine, after: []) }
    let last = try submit(machine, after: jobs)
    var grants: [Answer.Grant] = []
    while let grant = machine.lease() { grants.append(grant) }
    #expect(grants.count == 1_000)
    for grant in grants.reversed() {
      #expect(state(machine, last) == .blocked)
      _ = machine.finish(grant.id, grant.lease, .acked)
    }
    #expect(state(machine, last) == .ready)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("an ACKED job stays beyond its retention until those that wait for it have ended, and leaves then")
  func kept() throws {
    let machine = Machine { $0.retentionMilliseconds = 1_000 }
    let (a, b) = (try submit(machine, after: []), try submit(machine, after: []))
    let last = try submit(machine, after: [a, b])
    #expect(try finish(machine) == a)
    _ = machine.pass(milliseconds: 60_000)
    #expect(state(machine, a) == .acked)
    #expect(try finish(machine) == b)
    #expect(try finish(machine) == last)
    _ = machine.run()
    #expect(machine.image(a) == nil)
    _ = machine.pass(milliseconds: 60_000)
    #expect(machine.image(last) == nil && machine.state.jobCount == 0)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("of more ended jobs than may stay those leave that nobody needs, the first that ended first")
  func limit() throws {
    let machine = Machine { $0.retentionMaxJobs = 2 }
    let needed = try (0..<3).map { _ in try submit(machine, after: []) }
    let plain = try (0..<4).map { _ in try submit(machine, after: []) }
    let last = try submit(machine, after: needed)
    for _ in 0..<7 { _ = try finish(machine) }
    #expect(needed.allSatisfy { state(machine, $0) == .acked })
    #expect(plain.map { state(machine, $0) } == [nil, nil, .acked, .acked])
    #expect(try finish(machine) == last)
    machine.run()
    #expect((needed + plain + [last]).filter { state(machine, $0) != nil } == [plain[3], last])
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a job may be too late to begin while it waits for others; those that wait for it are told")
  func late() throws {
    let machine = Machine()
    let first = try submit(machine, after: [])
    let expiry = JobExpiry(milliseconds: 1_000, isRelative: true, cancels: false)
    let list = DependencyList.encode(DependencyList.Mode(), [.job(first, wasAcked: false)])
    let late = try #require(machine.submit(waitingFor: list, options: [.expires: expiry.encoded])).id
    let last = try submit(machine, after: [late], DependencyList.Mode(onDead: .run))
    _ = machine.pass(milliseconds: 999)
    #expect(state(machine, late) == .blocked && state(machine, last) == .blocked)
    _ = machine.pass(milliseconds: 1)
    machine.run()
    #expect(state(machine, late) == .dead && state(machine, last) == .ready)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a replay of the log knows who waits for whom, and tells what was not told yet")
  func replay() throws {
    let machine = Machine()
    let first = try submit(machine, after: [])
    for _ in 0..<3_000 { _ = try submit(machine, after: [first]) }
    let held = try submit(machine, after: [first], DependencyList.Mode(onDead: .hold))
    let grant = try #require(machine.lease())
    _ = machine.finish(grant.id, grant.lease, .acked)
    #expect(machine.state.blockedCount > 0)
    let again = try machine.rebuilt()
    #expect(again.image == machine.state.image)
    #expect(again.inconsistencies() == [])
    #expect(again.nextDeadline == again.logTime)
    while machine.state.blockedCount > 0 { machine.run() }
    #expect(state(machine, held) == .ready)
  }
}

extension Machine {
  /// Submits a job of owner `ann` that waits for others.
  fileprivate func submit(
    waitingFor list: [UInt8], queue: String = "mail", options: [JobOption: [UInt8]] = [:],
    adjust: (inout Command.Submit) -> Void = { _ in }
  ) -> Answer.Accepted? {
    let body = JobBodyLayout.encode(
      queue: queue, type: "send", owner: "ann", traceparent: "", group: "", metadata: [], tags: [], payload: [1],
      options: JobOptions.encode(options), checksum: { _ in 0x1234_5678 })
    var command = Command.Submit(
      policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0, maxRetries: 3,
      delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))
    command.dependencies = ByteRange(offset: body.count, count: list.count)
    adjust(&command)
    guard case .submitted(let accepted)? = run(body + list, .submit(command)).first else { return nil }
    return accepted
  }

  /// The state as a replay of all that was written has it.
  fileprivate func rebuilt() throws -> StateMachine {
    var again = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: state.limits)
    again.beginReplay(first: LogPosition(rawValue: 1 << 32))
    for (place, frame) in frames.enumerated() where !frame.records.isEmpty {
      try frame.records.withUnsafeBytes {
        try again.replay(
          $0, at: LogPosition(rawValue: frame.start), logTime: frame.logTime, epoch: frame.epoch,
          startsSegment: place == 0)
      }
    }
    try again.endReplay()
    return again
  }
}
