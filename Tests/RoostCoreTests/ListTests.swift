import RoostCore
import Testing

/// What lists show, and that they look at nothing else.
@Suite struct ListTests {
  @Test(
    "handed back in any order, jobs are leased in the order in which they came", arguments: [1, 2, 3, 4] as [UInt64])
  func handedBack(_ seed: UInt64) throws {
    let machine = Machine()
    var jobs: [JobID] = []
    for _ in 0..<300 { jobs.append(try #require(machine.submit()).id) }
    var held = (0..<250).compactMap { _ in machine.lease() }
    var random = StorageRandom(seed: seed)
    switch seed {
    case 1: break
    case 2: held.reverse()
    default: for place in held.indices.reversed() { held.swapAt(place, Int(random.next() % UInt64(place + 1))) }
    }
    for grant in held {
      _ = machine.finish(grant.id, grant.lease, .released)
      // Some go again at once.
      if random.next() % 5 == 0, let again = machine.lease() { _ = machine.finish(again.id, again.lease, .undelivered) }
    }
    #expect(machine.state.inconsistencies() == [])
    let cancelled = Set(jobs.enumerated().filter { $0.offset % 7 == 3 }.map(\.element))
    for job in cancelled {
      machine.run([], .cancel(Command.Cancel(job: machine.reference(job), viewer: .all, reason: .empty, checksum: 0)))
    }
    var leased: [JobID] = []
    while let grant = machine.lease() { leased.append(grant.id) }
    #expect(leased == jobs.filter { !cancelled.contains($0) })
    #expect(machine.state.inconsistencies() == [])
  }

  @Test("one old job behind thousands that have left, and behind a jump of the numbers, is on the first page")
  func old() throws {
    let machine = Machine { $0.retentionMilliseconds = 0 }
    let old = try #require(machine.submit()).id
    for _ in 0..<3_000 {
      let job = try #require(machine.submit(queue: "others"))
      machine.run(
        [], .cancel(Command.Cancel(job: machine.reference(job.id), viewer: .all, reason: .empty, checksum: 0)))
    }
    machine.state.beginGeneration(1)
    let new = try #require(machine.submit()).id
    #expect(list(machine, examine: 100) == [new, old])
    #expect(list(machine, examine: 100, queue: "others") == [])
  }

  @Test("a page of dead letters begins where the one before it ended, also when the job that it ended with has left")
  func dead() throws {
    let machine = Machine()
    var died: [JobID] = []
    for number in 0..<200 {
      let job = try #require(machine.submit(queue: number % 50 == 0 ? "rare" : "mail") { $0.maxRetries = 0 })
      let grant = try #require(machine.lease(number % 50 == 0 ? "rare" : "mail"))
      _ = machine.finish(job.id, grant.lease, .failed)
      died.insert(job.id, at: 0)
    }
    #expect(list(machine, isDead: true, examine: 64, limit: 7) == died)
    let rare = died.enumerated().filter { $0.offset % 50 == 49 }.map(\.element)
    #expect(list(machine, isDead: true, examine: 64, limit: 1, queue: "rare") == rare)
    let (first, next) = page(machine, isDead: true, examine: 4_096, limit: 10, queue: "", cursor: 0)
    machine.run([], .runNow(Command.RunNow(job: machine.reference(first[9]), viewer: .all, onlyDead: true)))
    machine.run([], .runNow(Command.RunNow(job: machine.reference(died[10]), viewer: .all, onlyDead: true)))
    #expect(page(machine, isDead: true, examine: 4_096, limit: 5, queue: "", cursor: next).jobs == Array(died[11..<16]))
    #expect(machine.state.inconsistencies() == [])
  }

  private func list(
    _ machine: Machine, isDead: Bool = false, examine: Int, limit: Int = 50, queue: String = ""
  ) -> [JobID] {
    var found: [JobID] = []
    var cursor: UInt64 = 0
    repeat {
      let (jobs, next) = page(machine, isDead: isDead, examine: examine, limit: limit, queue: queue, cursor: cursor)
      found += jobs
      cursor = next
    } while cursor > 0
    return found
  }

  private func page(
    _ machine: Machine, isDead: Bool, examine: Int, limit: Int, queue: String, cursor: UInt64
  ) -> (jobs: [JobID], next: UInt64) {
    let answers = machine.run(
      Array(queue.utf8),
      .list(
        Command.List(
          viewer: .all, queue: ByteRange(offset: 0, count: queue.utf8.count), state: 0, isDeadLetters: isDead,
          limit: limit, examine: examine, cursor: cursor)))
    guard case .page(let first, let count, let next, _)? = answers.first else { return ([], 0) }
    return (machine.step.jobs[Int(first)..<Int(first + count)].map(\.id), next)
  }
}
