import RoostCore
import RoostEngine
import RoostSimulation
import Testing

/// Limits, pauses, batches and operations of a daemon that is killed.
@Suite("Effects across kills")
struct EffectFaultTests {
  @Test("fault 53: a kill at any disk call exceeds no limit of concurrency and no rate, then or later")
  func limits() throws {
    for call in stride(from: 1, through: 90, by: 3) {
      let tested = try StoreUnderTest()
      try tested.set([.concurrency: 2], of: "few")
      try tested.set([.rateLimit: 1, .ratePeriod: 60_000, .rateBurst: 2], of: "slow")
      for queue in ["few", "slow"] { for _ in 0..<5 { _ = try tested.enqueue(queue) } }
      var few: [Answer.Grant] = []
      var slow = 0
      func leaseAll() throws {
        while let grant = try tested.lease(["few"]) { few.append(grant) }
        while try tested.lease(["slow"]) != nil { slow += 1 }
      }
      tested.disk.stopMachine(atCall: call)
      do {
        for _ in 0..<200 {
          try tested.submit([UInt8](repeating: 7, count: 200), queue: "few")
          try leaseAll()
        }
        Issue.record("the machine did not stop")
      } catch {
        #expect(tested.disk.isStopped)
      }
      try tested.restart()
      try leaseAll()
      #expect(few.count <= 2 && slow <= 2, "killed at call \(call)")
      // A lease whose answer was lost counts, too.
      #expect(tested.count(.running, in: "few") == 2 && tested.count(.running, in: "slow") == 2)
      for grant in few { #expect(try tested.finish(grant).state == .acked) }
      let ended = few.count
      few = []
      try leaseAll()
      #expect(few.count == ended && tested.count(.running, in: "few") == 2)
      // Of the rate's minute fifty seconds have passed, with another kill in between.
      try tested.pass(seconds: 30)
      try tested.restart(losingUnsynced: true)
      try tested.pass(seconds: 20)
      #expect(try tested.lease(["slow"]) == nil)
      try tested.pass(seconds: 11)
      #expect(try tested.lease(["slow"]) != nil)
      #expect(try tested.lease(["slow"]) == nil)
    }
  }

  @Test("fault 55: a pause outlives a kill; one whose end passes while the daemon is down is over at the start")
  func pauses() throws {
    let tested = try StoreUnderTest()
    for queue in ["held", "later"] { _ = try tested.enqueue(queue) }
    try tested.pause("held")
    try tested.pause("later", until: tested.clock.wall / 1_000_000 + 60_000)
    try tested.restart(losingUnsynced: true)
    #expect(try tested.lease(["held", "later"]) == nil)
    tested.clock.boot += 61 * StoreUnderTest.second
    tested.clock.wall += 61 * StoreUnderTest.second
    try tested.restart(losingUnsynced: true)
    try tested.batch([])
    #expect(try tested.lease(["later"]) != nil)
    #expect(try tested.lease(["held"]) == nil && tested.count(.ready, in: "held") == 1)
  }

  @Test("fault 61: a batch whose last job ends as the daemon is killed, at any disk call, has its last job once")
  func batchEnd() throws {
    var stops = 0
    for call in 1...12 {
      for losesUnsynced in [false, true] {
        let tested = try StoreUnderTest()
        let batch = try tested.openBatch(endingIn: "last")
        for _ in 0..<2 { _ = try tested.enqueue("q", of: batch) }
        try tested.close(batch: batch)
        _ = try tested.finish(try #require(try tested.lease()))
        let grant = try #require(try tested.lease())
        tested.disk.stopMachine(atCall: call)
        do {
          _ = try tested.finish(grant)
          try tested.batch([])
          tested.disk.disarm()
        } catch {
          stops += 1
        }
        try tested.restart(losingUnsynced: losesUnsynced)
        #expect(try tested.finish(grant).state == .acked)
        for _ in 0..<2 {
          try tested.batch([])
          try tested.restart(losingUnsynced: losesUnsynced)
        }
        #expect(tested.count(.ready, in: "last") == 1, "killed at call \(call)")
        let image = try #require(try tested.read(batch: batch))
        #expect(image.phase == .completed && image.counts[.acked] == 2)
        #expect(try tested.lease(["last"])?.id == image.job)
      }
    }
    #expect(stops > 0)
  }

  @Test("fault 62: an operation that is killed again and again goes on where it was, and counts each job once")
  func operation() throws {
    var limits = Limits()
    limits.dueItemsPerStep = 5
    let tested = try StoreUnderTest(limits: limits, segmentBytes: 64 << 10)
    for _ in 0..<60 { _ = try tested.enqueue("q") }
    _ = try tested.enqueue("other")
    var (kills, killsMidway, isOver) = (0, 0, false)
    while !isOver, kills < 200 {
      tested.disk.stopMachine(atCall: 5)
      do {
        if tested.image.operations.isEmpty { try tested.cancelAll(of: "q") }
        // One batch goes on until nothing is due.
        try tested.batch([])
        isOver = true
      } catch {
        kills += 1
        try tested.restart(losingUnsynced: kills.isMultiple(of: 2))
        if (1..<60).contains(tested.count(.cancelled, in: "q")) { killsMidway += 1 }
      }
    }
    tested.disk.disarm()
    #expect(isOver && killsMidway > 2, "\(kills) kills, \(killsMidway) of them midway")
    let operation = try #require(try tested.readOperations().first)
    #expect(operation.phase == .done && operation.done == 60 && operation.skipped == 0)
    #expect(tested.count(.cancelled, in: "q") == 60 && tested.count(.ready, in: "other") == 1)
    #expect(try tested.readOperations().count == 1)
  }
}
