import RoostCore
import Testing

/// Groups of a queue's jobs in the state machine alone.
@Suite("Groups")
struct GroupTests {
  @Test("a waiter that is met by one queue's job leaves none of its queues deaf, whose rate opened in the same step")
  func met() throws {
    let machine = Machine()
    var change = QueueSettingsChange()
    for (setting, value) in [(QueueSetting.rateLimit, 1), (.ratePeriod, 1_000), (.rateBurst, 1), (.groupFair, 1)] {
      change.set(setting, Int64(value))
    }
    machine.configure("c", change)
    for _ in 0..<3 { _ = machine.submit(queue: "c") { $0.priority = 5 } }
    #expect(machine.lease("c") != nil)
    for _ in 0..<2 { machine.wait(for: ["a", "c"]) }
    machine.skip(milliseconds: 1_100)
    _ = machine.submit(queue: "a")
    #expect(machine.state.waiterCount == 0)
    machine.wait(for: ["c"])
    _ = machine.pass(milliseconds: 1_100)
    #expect(machine.state.waiterCount == 0)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a trim says of a lease that was given back that it was, as long as the log tells of it otherwise")
  func givenBack() throws {
    let machine = Machine()
    var change = QueueSettingsChange()
    for (setting, value) in [(QueueSetting.groupRateLimit, 1), (.groupRatePeriod, 10_000), (.groupRateBurst, 1)] {
      change.set(setting, Int64(value))
    }
    machine.configure("q", change)
    func carriedGroups() -> Int {
      var kinds: [UInt8] = []
      for carry in machine.state.groupCarries {
        machine.run([], carry)
        kinds += machine.frames.last!.records.dropFirst(4).prefix(1)
      }
      return kinds.count { $0 == RecordKind.groupSet.rawValue }
    }
    let job = try #require(machine.submit(queue: "q", group: "g"))
    let grant = try #require(machine.lease("q"))
    #expect(carriedGroups() == 1)
    _ = machine.finish(job.id, grant.lease, .undelivered)
    _ = machine.pass(milliseconds: 100)
    // Its job's records may be gone with a trimmed segment, and what was carried before stand.
    #expect(carriedGroups() == 1)
    #expect(machine.lease("q") != nil)
    _ = machine.pass(milliseconds: 21_000)
    #expect(carriedGroups() == 0)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("a group that is paused and resumed again and again has its turns all the same")
  func storm() throws {
    let machine = Machine()
    machine.set([.groupFair: 1], of: "q")
    for group in ["a", "b"] { for _ in 0..<20 { _ = machine.submit("\(group)", queue: "q", group: group) } }
    var given: [JobID] = []
    let paused = Array("qannb".utf8)
    func say(_ change: Command.ChangeGroup.Change) {
      machine.run(
        paused,
        .changeGroup(
          Command.ChangeGroup(
            queue: ByteRange(offset: 0, count: 1), owner: ByteRange(offset: 1, count: 3),
            group: ByteRange(offset: 4, count: 1), change: change)))
    }
    for _ in 0..<10 {
      say(.pause(reason: .empty, until: 0))
      say(.resume)
      given.append(try #require(machine.lease("q")).id)
    }
    // The first twenty are of group a.
    #expect(given.count { $0.number.rawValue > 20 } >= 4)
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("however groups come, go and are leased from, all stand where they belong")
  func places() throws {
    var random = StorageRandom(seed: 7)
    func draw(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    for isFair in [false, true] {
      let machine = Machine()
      var change = QueueSettingsChange()
      change.set(.groupFair, isFair ? 1 : nil)
      change.set(.groupConcurrency, 2)
      machine.configure("q", change)
      var held: [Answer.Grant] = []
      for _ in 0..<1_500 {
        if draw(2) == 0 {
          _ = machine.submit(queue: "q", group: "g\(draw(40))") { $0.priority = Int8(draw(3)) }
        } else if draw(5) < 3, let grant = machine.lease("q") {
          held.append(grant)
        } else if !held.isEmpty {
          let grant = held.remove(at: draw(held.count))
          _ = machine.finish(grant.id, grant.lease, draw(10) < 7 ? .acked : .released)
        }
      }
      #expect(machine.state.inconsistencies() == [])
    }
  }
}

extension Machine {
  /// A worker waits for a job of some queues, for a minute.
  fileprivate func wait(for queues: [String]) {
    let names = queues.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    run(
      names,
      .lease(
        Command.Lease(
          queues: ByteRange(offset: 0, count: names.count), worker: .empty, keyID: .empty, leaseMilliseconds: 0,
          waitMilliseconds: 60_000)))
  }
}
