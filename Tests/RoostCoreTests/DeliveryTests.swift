import RoostCore
import Testing

/// Jobs that the daemon delivers itself: whose turn it is, and what holds whom.
@Suite("Deliveries")
struct DeliveryTests {
  @Test("lines take turns, however few jobs are asked for at once")
  func turns() throws {
    let machine = Machine()
    let first = try #require(machine.submit(to: "a")).id
    let second = try #require(machine.submit(to: "a")).id
    let other = try #require(machine.submit(to: "b")).id
    #expect((0..<4).map { _ in machine.deliver(atMost: 1) } == [[first], [other], [second], []])
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a job that leaves in its turn lets the next go that its host held")
  func leavesInTurn() throws {
    let machine = Machine { $0.pushConcurrency = 1 }
    let jobs = try ["g1", "g2", "g3"].map { try #require(machine.submit(group: $0, to: "a")).id }
    let first = machine.leaseDeliveries()
    #expect(first.map(\.id) == [jobs[0]] && machine.deliver() == [])
    _ = machine.finish(jobs[0], first[0].lease, .acked)
    machine.run([], .cancel(Command.Cancel(job: machine.reference(jobs[1]), viewer: .all, reason: .empty, checksum: 0)))
    #expect(machine.state.inconsistencies() == [])
    #expect(machine.deliver() == [jobs[2]])
    try machine.expectReplay()
  }

  @Test("a queue that lets fewer go to a host holds no other queue's")
  func ownLimits() throws {
    let machine = Machine()
    machine.set([.pushConcurrency: 1], of: "few")
    machine.set([.pushConcurrency: 2], of: "more")
    for _ in 0..<2 { _ = try #require(machine.submit(queue: "more", to: "a")) }
    let running = machine.leaseDeliveries()
    #expect(running.count == 2)
    _ = try #require(machine.submit(queue: "few", to: "a"))
    let next = try #require(machine.submit(queue: "more", to: "a")).id
    #expect(machine.deliver() == [])
    _ = machine.finish(running[0].id, running[0].lease, .acked)
    #expect(machine.deliver() == [next])
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a host that failed ten times is left alone, and then tried once, whoever asks first")
  func breaker() throws {
    let machine = Machine()
    for _ in 0..<13 { _ = try #require(machine.submit(to: "a") { $0.maxRetries = 0 }) }
    for grant in machine.leaseDeliveries(atMost: 10) { _ = machine.finish(grant.id, grant.lease, .failed) }
    #expect(machine.deliver() == [])
    machine.skip(milliseconds: 1_000)
    let trial = machine.leaseDeliveries()
    #expect(trial.count == 1 && machine.deliver() == [])
    _ = machine.finish(trial[0].id, trial[0].lease, .acked)
    #expect(machine.deliver().count == 2)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("what a queue's rate held goes when time allows it, also to who asks before anything is due")
  func rate() throws {
    let machine = Machine()
    machine.set([.rateLimit: 1, .ratePeriod: 1_000, .rateBurst: 1])
    let jobs = try (0..<2).map { _ in try #require(machine.submit(to: "a")).id }
    #expect(machine.deliver() == [jobs[0]] && machine.deliver() == [])
    machine.skip(milliseconds: 1_000)
    #expect(machine.deliver() == [jobs[1]])
    try machine.expectReplay()
  }

  @Test("a job that is too old is not delivered: it leaves, and what comes then goes")
  func tooOld() throws {
    let machine = Machine()
    machine.set([.maxAge: 1_000])
    let old = try #require(machine.submit(to: "a")).id
    machine.skip(milliseconds: 2_000)
    #expect(machine.deliver() == [])
    #expect(machine.image(old)?.state == .cancelled)
    let next = try #require(machine.submit(to: "a")).id
    #expect(machine.deliver() == [next])
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a job that is given to another group is delivered still")
  func regrouped() throws {
    let machine = Machine()
    let id = try #require(machine.submit(to: "a")).id
    let image = try #require(machine.image(id))
    let body = JobBodyLayout.encode(
      queue: "mail", type: "send", owner: "ann", traceparent: "", group: "new", metadata: [], tags: [],
      payload: Array("1".utf8)[...], options: JobOptions.encode(Machine.target("a")), checksum: { _ in 0x1234_5678 })
    var change = Command.Change(job: machine.reference(id), viewer: .all)
    change.rewrite = Command.Carry(
      number: id.number.rawValue, base: image.base, outcome: image.history,
      body: ByteRange(offset: 0, count: body.count), history: .empty)
    machine.run(body, .change(change))
    #expect(machine.lease() == nil)
    #expect(machine.state.inconsistencies() == [])
    #expect(machine.deliver() == [id])
    try machine.expectReplay()
  }

  @Test("a full queue drops the oldest job of a group, wherever it is delivered")
  func dropsOldest() throws {
    let machine = Machine()
    machine.set([.maxLength: 2, .onFull: QueueFullPolicy.dropOldest.rawValue])
    let jobs = try ["a", "b", "c"].map { try #require(machine.submit(to: $0)).id }
    #expect(jobs.map { machine.image($0)?.state } == [.cancelled, .ready, .ready])
    #expect(Set(machine.deliver()) == Set(jobs.dropFirst()))
    try machine.expectReplay()
  }

  @Test("a queue that runs groups in their order takes no job with a target of its own, nor from another queue")
  func ordered() throws {
    let machine = Machine()
    machine.set([.groupOrdered: 1], of: "line")
    #expect(machine.submit(queue: "line", to: "a") == nil)
    let id = try #require(machine.submit(to: "a")).id
    let change = Command.Change(
      job: machine.reference(id), viewer: .all, queue: ByteRange(offset: 0, count: "line".utf8.count))
    guard case .refused(.callbackInOrder)? = machine.run(Array("line".utf8), .change(change)).first else {
      Issue.record("the job was moved")
      return
    }
    #expect(machine.deliver() == [id])
  }
}

extension Machine {
  fileprivate static func target(_ host: String) -> [JobOption: [UInt8]] {
    [.callback: PushTarget.encode(origin: "https://\(host).example", rest: "/")]
  }

  fileprivate func submit(
    queue: String = "mail", group: String = "", to host: String, adjust: (inout Command.Submit) -> Void = { _ in }
  ) -> Answer.Accepted? {
    submit(queue: queue, group: group, options: Self.target(host), adjust: adjust)
  }

  fileprivate func leaseDeliveries(atMost most: Int32 = 20) -> [Answer.Grant] {
    let command = Command.LeaseDeliveries(maxJobs: most, maxBytes: 1 << 20, waitMilliseconds: 0)
    guard case .leasedMany(let first, let count)? = run([], .leaseDeliveries(command)).first else { return [] }
    return Array(step.grants[Int(first)..<Int(first + count)])
  }

  fileprivate func deliver(atMost most: Int32 = 20) -> [JobID] { leaseDeliveries(atMost: most).map(\.id) }
}
