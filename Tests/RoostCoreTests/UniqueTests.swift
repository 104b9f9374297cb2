import RoostCore
import Testing

/// Jobs of which there may be one at a time.
@Suite("Unique jobs")
struct UniqueTests {
  private func unique(
    _ hash: UInt64 = 7, _ until: JobUnique.Until = .ended, _ onConflict: JobUnique.OnConflict = .existing,
    maxWait: Int64 = 0
  ) -> [JobOption: [UInt8]] {
    let said = JobUnique(
      hash: KeyHash(low: hash, high: hash), until: until, onConflict: onConflict, maxWaitMilliseconds: maxWait, by: [],
      key: [65])
    return [.unique: said.encoded]
  }

  /// What a submit is answered.
  private func submit(
    _ machine: Machine, _ options: [JobOption: [UInt8]], after others: [JobID] = [],
    adjust: (inout Command.Submit) -> Void = { _ in }
  ) -> Answer? {
    let body = JobBodyLayout.encode(
      queue: "mail", type: "send", owner: "ann", traceparent: "", group: "", metadata: [], tags: [],
      payload: [0x31][...],
      options: JobOptions.encode(options), checksum: { _ in 1 })
    var command = Command.Submit(
      policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: 0), priority: 0, maxRetries: 3,
      delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))
    let list = DependencyList.encode(DependencyList.Mode(), others.map { .job($0, wasAcked: false) })
    if !others.isEmpty { command.dependencies = ByteRange(offset: body.count, count: list.count) }
    adjust(&command)
    return machine.run(body + list, .submit(command)).first
  }

  private func made(_ answer: Answer?, _ line: SourceLocation = #_sourceLocation) throws -> JobID {
    guard case .submitted(let accepted)? = answer, !accepted.isDuplicate else {
      Issue.record("no job was made: \(answer as Any)", sourceLocation: line)
      return JobID(high: 0, low: 0)
    }
    return accepted.id
  }

  private func isDuplicate(_ answer: Answer?, of job: JobID) -> Bool {
    guard case .submitted(let accepted)? = answer else { return false }
    return accepted.isDuplicate && accepted.id == job
  }

  private func isRefused(_ answer: Answer?, for job: JobID) -> Bool {
    guard case .notUnique(job)? = answer else { return false }
    return true
  }

  @Test(
    "a job that waits for others is replaced as one that waits for its time; one for which others wait keeps its key")
  func blocked() throws {
    let machine = Machine()
    let first = try made(submit(machine, [:]))
    let waiting = try made(submit(machine, unique(), after: [first]))
    #expect(machine.image(waiting)?.state == .blocked)
    let last = try made(submit(machine, unique(7, .ended, .replace)))
    #expect(machine.image(waiting)?.state != .blocked && machine.image(last)?.state == .ready)
    let holder = try made(submit(machine, [:], after: [last]))
    #expect(isRefused(submit(machine, unique(7, .ended, .replace)), for: last))
    #expect(machine.image(holder)?.state == .blocked)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("until it has ended a job is the only one; a submit is answered with it, or refused, as it says itself")
  func ended() throws {
    let machine = Machine()
    let first = try made(submit(machine, unique()))
    #expect(isDuplicate(submit(machine, unique()), of: first))
    #expect(isRefused(submit(machine, unique(7, .ended, .reject)), for: first))
    _ = try made(submit(machine, unique(8)))
    let grant = try #require(machine.lease())
    #expect(grant.id == first && isDuplicate(submit(machine, unique()), of: first))
    _ = machine.finish(first, grant.lease, .acked)
    _ = try made(submit(machine, unique()))
    try machine.expectReplay()
  }

  @Test("until it begins: a retry does not hold the key again")
  func started() throws {
    let machine = Machine()
    let first = try made(submit(machine, unique(7, .started)))
    #expect(isDuplicate(submit(machine, unique()), of: first))
    let grant = try #require(machine.lease())
    let second = try made(submit(machine, unique()))
    _ = machine.finish(first, grant.lease, .failed)
    #expect(isDuplicate(submit(machine, unique()), of: second))
    try machine.expectReplay()
  }

  @Test("for a time: also once the job was purged, and no longer")
  func window() throws {
    let machine = Machine()
    let first = try made(submit(machine, unique(7, .window(60_000))))
    let grant = try #require(machine.lease())
    _ = machine.finish(first, grant.lease, .acked)
    _ = machine.pass(milliseconds: 1_000)
    #expect(machine.image(first) == nil)
    #expect(isDuplicate(submit(machine, unique(7, .ended, .replace)), of: first))
    #expect(isRefused(submit(machine, unique(7, .ended, .reject)), for: first))
    try machine.expectReplay()
    _ = machine.pass(milliseconds: 59_000)
    _ = try made(submit(machine, unique()))
    try machine.expectReplay()
  }

  @Test(
    "a job that replaces one that waits takes its place; one that runs, or waits for a retry, is not replaced",
    arguments: [0, 1_000_000_000])
  func replaced(sinceLogTime time: Int64) throws {
    let machine = Machine(at: time)
    let first = try made(submit(machine, unique(7, .ended, .replace)))
    let other = try made(submit(machine, unique(8)))
    let second = try made(submit(machine, unique(7, .ended, .replace)))
    #expect(machine.image(first) == nil || machine.image(first)?.state == .cancelled)
    let grant = try #require(machine.lease())
    #expect(grant.id == second)
    #expect(isRefused(submit(machine, unique(7, .ended, .replace)), for: second))
    _ = machine.finish(second, grant.lease, .failed)
    #expect(isRefused(submit(machine, unique(7, .ended, .replace)), for: second))
    #expect(machine.lease()?.id == other)
    try machine.expectReplay()
  }

  @Test("of another priority it goes to the end of its line")
  func otherPlace() throws {
    let machine = Machine()
    _ = try made(submit(machine, unique(7, .ended, .replace)) { $0.priority = 5 })
    let other = try made(submit(machine, unique(8)))
    _ = try made(submit(machine, unique(7, .ended, .replace)))
    #expect(machine.lease()?.id == other)
  }

  @Test("repeated submits put a job off, and no further than max_wait")
  func debounce() throws {
    let machine = Machine()
    let options = unique(7, .ended, .replace, maxWait: 5_000)
    var last = JobID(high: 0, low: 0)
    for _ in 0..<4 {
      last = try made(submit(machine, options) { $0.delayMilliseconds = 2_000 })
      _ = machine.pass(milliseconds: 1_000)
      #expect(machine.image(last)?.state == .scheduled)
    }
    last = try made(submit(machine, options) { $0.delayMilliseconds = 2_000 })
    #expect(machine.pass(milliseconds: 1_000).isEmpty && machine.image(last)?.state == .ready)
    try machine.expectReplay()
  }

  @Test("whoever waits for the end of a job that is replaced is answered with the end of its successor")
  func waits() throws {
    let machine = Machine()
    let options = unique(7, .ended, .replace)
    let first = try made(submit(machine, options))
    let waiting = machine.run(
      [], .awaitEnd(Command.AwaitEnd(job: machine.reference(first), viewer: .all, milliseconds: 60_000)))
    #expect(waiting.isEmpty)
    let second = try made(submit(machine, options))
    let grant = try #require(machine.lease())
    let bytes = Array("k1".utf8)
    var finish = Command.Finish(
      job: machine.reference(second), viewer: .all, lease: grant.lease, keyID: ByteRange(offset: 0, count: 2),
      outcome: .acked)
    finish.text = .empty
    guard case .job(let image)? = machine.run(bytes, .finish(finish)).last else {
      Issue.record("nobody was answered")
      return
    }
    #expect(image.id == second && image.state == .acked)
  }

  @Test("a job does not begin anew while another holds its key; an operation passes it over and counts it")
  func replayed() throws {
    let machine = Machine()
    let first = try made(submit(machine, unique()) { $0.policy.retentionMilliseconds = -1 })
    let grant = try #require(machine.lease())
    _ = machine.finish(first, grant.lease, .failed) { $0.isRetryable = false }
    #expect(machine.image(first)?.state == .dead)
    let second = try made(submit(machine, unique()))
    let again = Command.runNow(Command.RunNow(job: machine.reference(first), viewer: .all, onlyDead: true))
    #expect(isRefused(machine.run([], again).first, for: second))
    let all = JobSelection(
      kind: .replay, states: JobState.dead.bit, queue: .empty, type: .empty, owner: .empty, before: .max,
      limit: 10)
    machine.run([], .operate(Command.Operate(all)))
    machine.run([], .readOperations(Command.ReadOperations(id: 0)))
    #expect(machine.step.operations.map(\.skipped) == [1] && machine.step.operations.map(\.done) == [0])
    #expect(machine.image(first)?.state == .dead)
    let held = try #require(machine.lease())
    _ = machine.finish(second, held.lease, .acked)
    guard case .changed(.ready, _, _)? = machine.run([], again).first else {
      Issue.record("the key is free")
      return
    }
    #expect(isDuplicate(submit(machine, unique()), of: first))
    try machine.expectReplay()
  }

  @Test("what a job says of it is read as it was written; what no daemon writes says nothing")
  func bytes() throws {
    let said = JobUnique(
      hash: KeyHash(low: 1, high: 2), until: .window(3_000), onConflict: .replace, maxWaitMilliseconds: 4,
      by: [.type, .payload],
      key: [])
    let bytes = JobOptions.encode([.unique: said.encoded])
    #expect(bytes.withUnsafeBytes { JobOptions($0).flatMap { JobUnique($0) } } == said)
    for place in said.encoded.indices.dropFirst(16) {
      var broken = said.encoded
      broken[place] = 0xFF
      let options = JobOptions.encode([.unique: broken])
      #expect(options.withUnsafeBytes { JobOptions($0).flatMap { JobUnique($0) } } != said, "\(place)")
    }
  }

  @Test("a unique job takes 48 bytes more than another")
  func memory() throws {
    let (plain, alike) = (Machine(), Machine())
    for number in 0..<1_000 {
      _ = try made(submit(plain, [:]))
      _ = try made(submit(alike, unique(UInt64(number) &* 0x9E37_79B9_7F4A_7C15)))
    }
    #expect(alike.state.usedBytes - plain.state.usedBytes <= 48 * 1_000)
  }
}
