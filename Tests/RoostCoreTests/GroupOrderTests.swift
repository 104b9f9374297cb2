import RoostCore
import Testing

/// Groups of which one lease takes several in their order, and groups that belong to a queue alone.
@Suite("Order within a lease, and whose groups are")
struct GroupOrderTests {
  private func queue(_ groups: [(group: String, jobs: Int)]) throws -> (machine: Machine, jobs: [String: [JobID]]) {
    let machine = Machine()
    machine.set([.groupOrdered: GroupSequence.perLease.rawValue])
    var jobs: [String: [JobID]] = [:]
    for (group, count) in groups {
      for _ in 0..<count { jobs[group, default: []].append(try #require(machine.submit(group: group)).id) }
    }
    return (machine, jobs)
  }

  @Test("one lease takes a group's jobs in their order, before those of the next group; nobody else gets what follows")
  func together() throws {
    let (machine, jobs) = try queue([("a", 4), ("b", 2)])
    #expect(machine.leaseSeveral(atMost: 3).map(\.id) == Array(jobs["a"]![..<3]))
    #expect(machine.leaseSeveral().map(\.id) == jobs["b"]!)
    #expect(machine.leaseSeveral().isEmpty)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("the group opens once all that a lease took have ended")
  func opens() throws {
    let (machine, jobs) = try queue([("a", 3)])
    let taken = machine.leaseSeveral(atMost: 2)
    _ = machine.finish(taken[1].id, taken[1].lease, .acked)
    #expect(machine.lease() == nil)
    _ = machine.finish(taken[0].id, taken[0].lease, .acked)
    #expect(machine.lease()?.id == jobs["a"]![2])
  }

  @Test("what comes back goes at once, before what of its lease still runs; what stands behind that waits")
  func cameBack() throws {
    let (machine, jobs) = try queue([("a", 4)])
    let taken = machine.leaseSeveral(atMost: 3)
    _ = machine.finish(taken[0].id, taken[0].lease, .released)
    #expect(machine.leaseSeveral().map(\.id) == [jobs["a"]![0]])
    // The last that was taken comes back behind others that run.
    _ = machine.finish(taken[2].id, taken[2].lease, .released)
    #expect(machine.leaseSeveral().isEmpty)
    _ = machine.finish(taken[1].id, taken[1].lease, .acked)
    #expect(machine.leaseSeveral().isEmpty)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("one that waits for a retry holds those behind it, also once the others of its lease have ended")
  func retries() throws {
    let (machine, jobs) = try queue([("a", 3)])
    let taken = machine.leaseSeveral(atMost: 2)
    _ = machine.finish(taken[0].id, taken[0].lease, .failed) { $0.delayMilliseconds = 5_000 }
    _ = machine.finish(taken[1].id, taken[1].lease, .acked)
    #expect(machine.leaseSeveral().isEmpty)
    _ = machine.pass(milliseconds: 5_000)
    #expect(machine.leaseSeveral().map(\.id) == [jobs["a"]![0], jobs["a"]![2]])
  }

  @Test("a group's concurrency bounds what a lease takes of it, and several of one lease cost one turn")
  func bounded() throws {
    let (machine, jobs) = try queue([("a", 6), ("b", 6)])
    machine.set([.groupConcurrency: 2, .groupFair: 1])
    let first = machine.leaseSeveral(atMost: 2)
    let second = machine.leaseSeveral(atMost: 2)
    #expect(Set((first + second).map(\.id)) == Set(jobs["a"]![..<2] + jobs["b"]![..<2]))
    #expect(machine.leaseSeveral().isEmpty)
  }

  @Test("with scope queue jobs of all owners that say one group run in one order; without it each owner has its own")
  func shared() throws {
    let machine = Machine()
    machine.set([.groupOrdered: GroupSequence.strict.rawValue, .groupScope: 1])
    let mine = try #require(machine.submit(group: "a", owner: "ann"))
    let other = try #require(machine.submit(group: "a", owner: "bob"))
    let grant = try #require(machine.lease())
    #expect(grant.id == mine.id)
    #expect(machine.lease() == nil)
    #expect(machine.set([.groupScope: nil]).isRefused(.queueNotEmpty))
    _ = machine.finish(grant.id, grant.lease, .acked)
    #expect(machine.lease()?.id == other.id)
    machine.set([.groupOrdered: GroupSequence.strict.rawValue], of: "own")
    for owner in ["ann", "bob"] { _ = machine.submit(queue: "own", group: "a", owner: owner) }
    #expect(machine.lease("own") != nil && machine.lease("own") != nil)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a full group of all owners makes room with a job of the submitter's alone")
  func dropsOwn() throws {
    let machine = Machine()
    machine.set([.groupScope: 1, .maxLength: 2, .onFull: QueueFullPolicy.dropOldest.rawValue])
    let others = try #require(machine.submit(group: "a", owner: "bob"))
    let mine = try #require(machine.submit(group: "a", owner: "ann"))
    let next = try #require(machine.submit(group: "a", owner: "ann"))
    #expect(machine.image(mine.id)?.state == .cancelled)
    #expect(machine.image(others.id)?.state == .ready && machine.image(next.id)?.state == .ready)
    #expect(machine.submit(group: "a", owner: "eve") == nil)
  }
}
