import RoostCore
import RoostEngine
import RoostSimulation
import Testing

/// Answers and leases across deaths of daemon and workers.
@Suite("Restarts")
struct RestartFaultTests {
  @Test("fault 19: a daemon killed at any disk call has lost nothing answered and doubled no lease")
  func killedAnywhere() throws {
    for call in stride(from: 1, through: 90, by: 3) {
      let tested = try StoreUnderTest()
      tested.disk.stopMachine(atCall: call)
      var accepted: [JobID] = []
      var held: [Answer.Grant] = []
      do {
        for _ in 0..<40 {
          if let job = try tested.submit([UInt8](repeating: 7, count: 200)) { accepted.append(job.id) }
          if let grant = try tested.lease() { held.append(grant) }
        }
        Issue.record("the machine did not stop")
      } catch {
        #expect(tested.disk.isStopped)
      }
      try tested.restart()
      for id in accepted { #expect(try tested.read(id) != nil) }
      let later = try tested.lease()
      #expect(!held.contains { $0.id == later?.id })
      for grant in held { #expect(try tested.finish(grant).state == .acked) }
    }
  }

  @Test("fault 30: a submit whose answer was lost gives the same job, after a power cut, too")
  func submittedAgain() throws {
    let tested = try StoreUnderTest()
    let first = try #require(try tested.submit(key: 5))
    try tested.restart(losingUnsynced: true)
    let again = try #require(try tested.submit(key: 5))
    #expect(again.isIdempotent)
    #expect(again.id == first.id)
    #expect(try #require(try tested.lease()).id == first.id)
    #expect(try tested.lease() == nil)
  }

  @Test("fault 30: the same acknowledgement after a power cut gets the same success")
  func acknowledgedAgain() throws {
    let tested = try StoreUnderTest()
    try tested.submit()
    let grant = try #require(try tested.lease())
    #expect(try tested.finish(grant).state == .acked)
    try tested.restart(losingUnsynced: true)
    #expect(try tested.finish(grant).state == .acked)
  }

  @Test("fault 31: a client that dies with a lease, or fault 33: never hears of it, costs one attempt")
  func workerDies() throws {
    let tested = try StoreUnderTest()
    try tested.submit()
    #expect(try tested.lease()?.attempt == 1)
    #expect(try tested.lease() == nil)
    try tested.pass(seconds: 12)
    #expect(try tested.lease()?.attempt == 2)
  }

  @Test("fault 32: a late ack with an old token changes nothing, after a restart, too")
  func lateAck() throws {
    let tested = try StoreUnderTest()
    try tested.submit()
    let old = try #require(try tested.lease())
    try tested.pass(seconds: 12)
    let new = try #require(try tested.lease())
    try tested.restart()
    #expect(try tested.finish(old).refusal == .leaseLost)
    #expect(try tested.read(new.id)?.state == .running)
    #expect(try tested.finish(new).state == .acked)
  }
}
