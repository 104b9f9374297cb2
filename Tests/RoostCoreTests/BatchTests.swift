import RoostCore
import Testing

/// Batches: what they cost, who may join a closed one, how they are forgotten, what is told of when they close.
@Suite("Batches")
struct BatchTests {
  @Test("what batches take in memory and in the log rises and falls with them, and is what it is after a restart")
  func sums() throws {
    let machine = Machine { $0.retentionMilliseconds = 1_000 }
    let (used, kept) = (machine.state.usedBytes, machine.state.keptBytes)
    var batches: [JobID] = []
    for number in 0..<50 { batches.append(try machine.openBatch(owner: number.isMultiple(of: 2) ? "ann" : "bob")) }
    #expect(machine.state.usedBytes > used && machine.state.keptBytes > kept)
    #expect(machine.state.inconsistencies() == [])
    try machine.expectReplay()
    for batch in batches { machine.close(batch) }
    #expect(machine.state.inconsistencies() == [])
    _ = machine.pass(milliseconds: 2_000)
    #expect(machine.batches().isEmpty)
    #expect(machine.state.keptBytes == kept)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("an owner's batches are found among those of others, page by page, the newest first")
  func ofOwner() throws {
    let machine = Machine()
    var own: [JobID] = []
    // Equal to Unicode, and another owner.
    for number in 0..<30 {
      let isOwn = number.isMultiple(of: 3)
      let batch = try machine.openBatch(owner: isOwn ? "caf\u{E9}" : "cafe\u{301}")
      if isOwn { own.append(batch) }
    }
    var (found, below) = ([JobID](), UInt64(0))
    repeat {
      let page = machine.batches(owner: "caf\u{E9}", below: below, limit: 4)
      #expect(page.count <= 4)
      found += page
      below = machine.nextBatch
    } while below != 0
    #expect(found == Array(own.reversed()))
    #expect(machine.batches(owner: "eve").isEmpty && machine.nextBatch == 0)
    #expect(machine.batches(limit: 100).count == 30)
  }

  @Test("a closed batch takes a job with the lease of one of its own that runs, and with no other")
  func leases() throws {
    let machine = Machine()
    let (batch, other) = (try machine.openBatch(owner: "ann"), try machine.openBatch(owner: "ann"))
    _ = machine.submit(queue: "a", options: [.batch: BatchMembership.encode(batch)])
    _ = machine.submit(queue: "b", options: [.batch: BatchMembership.encode(other)])
    _ = machine.submit(queue: "c")
    let grants = try ["a", "b", "c"].map { try #require(machine.lease($0)) }
    machine.close(batch)
    func joins(_ lease: LeaseID) -> Bool {
      machine.submit(queue: "d", options: [.batch: BatchMembership.encode(batch)]) { $0.lease = lease } != nil
    }
    #expect(joins(grants[0].lease))
    #expect(!joins(grants[1].lease) && !joins(grants[2].lease))
    #expect(!joins(LeaseID(epoch: 0, number: 0)) && !joins(LeaseID(epoch: 9, number: grants[0].lease.number)))
    try machine.expectReplay()
    #expect(machine.finish(grants[0].id, grants[0].lease, .acked) != nil)
    #expect(!joins(grants[0].lease))
    try machine.expectReplay()
  }

  @Test("a batch of many jobs that is forgotten lets them go some at a time, and meanwhile nobody finds it")
  func forgotten() throws {
    let machine = Machine { $0.retentionMilliseconds = 1_000 }
    let batch = try machine.openBatch(owner: "ann")
    for _ in 0..<6_000 {
      _ = machine.submit(options: [.batch: BatchMembership.encode(batch)]) {
        $0.policy.retentionMilliseconds = 3_600_000
      }
    }
    var ended: [Answer.Grant] = []
    while ended.count < 6_000 {
      let grants = machine.leaseSeveral(atMost: 500)
      guard !grants.isEmpty else { break }
      for grant in grants { #expect(machine.finish(grant.id, grant.lease, .acked) != nil) }
      ended += grants
    }
    machine.close(batch)
    #expect(machine.batches() == [batch])
    let full = machine.state.usedBytes
    // More than one step lets go.
    _ = machine.pass(milliseconds: 1_500)
    #expect(machine.batches().isEmpty)
    #expect(machine.state.leftToDo == "batches")
    #expect(machine.state.inconsistencies() == [])
    let next = try machine.openBatch(owner: "ann")
    #expect(machine.batches() == [next])
    // A job of the one that is gone may leave before it is let go.
    #expect(machine.state.jobCount == 6_000)
    machine.run([], .delete(Command.Delete(job: machine.reference(ended[0].id), viewer: .all, onlyDead: false)))
    #expect(machine.state.leftToDo == "batches")
    while machine.state.leftToDo == "batches" { machine.run() }
    #expect(machine.state.leftToDo == "")
    #expect(machine.state.usedBytes < full - 6_000 * 16)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("when a batch closes by itself is told once, whatever the wall clock does, and the same after a restart")
  func closes() throws {
    let machine = Machine()
    _ = try machine.openBatch(owner: "ann", milliseconds: 60_000)
    let told = try #require(machine.step.batches.first).closesAt
    #expect(told > 0)
    for jump in [0, 5_000, -5_000] as [Int64] {
      machine.jump = jump
      machine.skip(milliseconds: 1)
      _ = machine.batches()
      #expect(machine.step.batches.first?.closesAt == told)
    }
    machine.jump = 0
    try machine.expectReplay()
    _ = machine.pass(milliseconds: 61_000)
    _ = machine.batches()
    #expect(machine.step.batches.first?.closesAt ?? 0 == 0)
  }
}

extension Machine {
  fileprivate func openBatch(owner: String, milliseconds: Int64 = 0) throws -> JobID {
    let bytes = Array(owner.utf8)
    run(
      bytes,
      .openBatch(
        Command.OpenBatch(
          owner: ByteRange(offset: 0, count: bytes.count), name: .empty, then: .empty, isEnded: false,
          milliseconds: milliseconds)))
    return try #require(step.batches.first?.id)
  }

  fileprivate func close(_ batch: JobID) {
    run([], .changeBatch(Command.ChangeBatch(batch: batch, owner: .empty, isCancel: false)))
  }

  /// A page of batches, the newest first.
  fileprivate func batches(owner: String = "", below: UInt64 = 0, limit: Int = 10) -> [JobID] {
    let bytes = Array(owner.utf8)
    run(
      bytes,
      .readBatches(
        Command.ReadBatches(
          owner: ByteRange(offset: 0, count: bytes.count), batch: nil, below: below, limit: limit)))
    return step.batches.map(\.id)
  }

  /// Where the page that was read last goes on; 0: nowhere.
  fileprivate var nextBatch: UInt64 {
    guard case .batches(_, _, let next)? = step.replies.first?.answer else { return 0 }
    return next
  }
}
