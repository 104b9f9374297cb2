import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// What questions cost the writer: commits of 16 submits, without and with one question each, over many queues, many
/// dead letters, and a few jobs behind very many that have left. One thread, no sync, so that the figures are the
/// writer's work and not the disk's.
struct Questions {
  let folder: String
  let queues: Int
  let jobs: Int
  let rounds: Int

  private static let submitsPerCommit = 16

  func run() throws {
    let disk = try BenchDisk(folder: folder, syncs: false, dropsCache: false)
    var store = try Store.open(disk, spares: 4, retentionMaxJobs: 1_000)
    var work = Work()
    try fill(&store, &work)
    print("\(store.machine.jobCount) jobs, \(store.machine.queueCount) queues, \(rounds) commits a line, µs of CPU")
    print("| beside 16 submits | p50 | p99 | the question, p50 |\n|---|---|---|---|")
    let alone = try measure("nothing", &store, &work, against: 0) { _ in nil }
    for (name, question) in questions {
      _ = try measure(name, &store, &work, against: alone) { question(&$0) }
    }
    try releases(&store, &work)
  }

  private var questions: [(String, (inout Batch) -> Command)] {
    func list(
      _ batch: inout Batch, isDead: Bool = false, queue: String = "", owner: String = "", state: JobState? = nil,
      cursor: UInt64 = 0
    ) -> Command {
      let viewer = owner.isEmpty ? ViewerRef.all : ViewerRef(kind: .owner, text: batch.place(Array(owner.utf8)))
      return .list(
        Command.List(
          viewer: viewer, queue: batch.place(Array(queue.utf8)), state: state?.rawValue ?? 0, isDeadLetters: isDead,
          limit: 50, examine: 4_096, cursor: cursor))
    }
    return [
      ("GET /jobs", { list(&$0) }),
      ("GET /jobs of an owner whose one job is the oldest", { list(&$0, owner: "old") }),
      ("GET /jobs?state=DEAD&queue= that has none", { list(&$0, queue: "queue-1", state: .dead) }),
      ("GET /dlq", { list(&$0, isDead: true) }),
      ("GET /dlq?cursor=1", { list(&$0, isDead: true, cursor: 1) }),
      ("GET /dlq?queue= that has none", { list(&$0, isDead: true, queue: "queue-1") }),
      ("GET /queues/{queue}", { .queue(Command.Queue(name: $0.place(Array("queue-1".utf8)))) }),
    ]
  }

  /// The median and the 99th percentile of a commit's CPU time.
  private func measure(
    _ name: String, _ store: inout Store, _ work: inout Work, against alone: Double,
    _ question: (inout Batch) -> Command?
  ) throws -> Double {
    var times: [Double] = []
    for round in 0..<rounds {
      var batch = Batch()
      for place in 0..<Self.submitsPerCommit { batch.submit(body: work.body((round + place) % queues)) }
      if let command = question(&batch) { batch.append(command) }
      let began = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
      _ = try batch.commit(on: &store, at: work.tick())
      store.machine.tellChanges { _, _, _, _, _ in }
      times.append(Double(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began) / 1_000)
    }
    times.sort()
    let (p50, p99) = (times[times.count / 2], times[times.count * 99 / 100])
    print("| \(name) | \(decimal(p50, 1)) | \(decimal(p99, 1)) | \(alone == 0 ? "" : decimal(p50 - alone, 1)) |")
    return p50
  }

  // MARK: What there is

  private func fill(_ store: inout Store, _ work: inout Work) throws {
    try work.submit(1, queue: "first", owner: "old", &store)
    for queue in 0..<queues { try work.submit(1, queue: "queue-\(queue)", owner: "bench", &store) }
    // Dead letters, and twice as many that have left.
    try work.submit(jobs * 3, queue: "done", owner: "bench", &store)
    var left = jobs * 3
    while left > 0 {
      let grants = try work.lease("done", 1_000, &store)
      try work.end(grants, left > jobs * 2 ? .failed : .acked, &store)
      left -= grants.count
    }
  }

  /// A thousand hand-backs at a time, in ascending order, of very many leases.
  private func releases(_ store: inout Store, _ work: inout Work) throws {
    let held = jobs
    try work.submit(held + 1_000, queue: "held", owner: "bench", &store)
    var grants: [Answer.Grant] = []
    while grants.count < held { grants += try work.lease("held", 1_000, &store) }
    var figures: [Double] = []
    for start in stride(from: 0, to: held, by: 1_000) {
      let began = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
      try work.end(Array(grants[start..<start + 1_000]), .released, &store)
      figures.append(Double(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began) / 1_000_000)
    }
    print(
      "releases in ascending order of \(held) leases, µs of CPU each: first thousand \(decimal(figures[0])), "
        + "last \(decimal(figures[figures.count - 1])), most \(decimal(figures.max()!))")
  }
}

/// Batches that fill a store, and the clock that goes with them.
private struct Work {
  private var reading = ClockReading.now()
  private var bodies: [Int: [UInt8]] = [:]

  mutating func tick() -> ClockReading {
    reading.boot += 1_000_000
    reading.wall += 1_000_000
    return reading
  }

  mutating func body(_ queue: Int) -> [UInt8] {
    if let known = bodies[queue] { return known }
    bodies[queue] = Batch.body(queue: "queue-\(queue)", payloadBytes: 64)
    return bodies[queue]!
  }

  mutating func submit(_ jobs: Int, queue: String, owner: String, _ store: inout Store) throws {
    let body = JobBodyLayout.encode(
      queue: queue, type: "t", owner: owner, traceparent: "", group: "", metadata: [], tags: [], payload: [0x31],
      checksum: { Checksum.of($0) })
    var left = jobs
    while left > 0 {
      var batch = Batch()
      for _ in 0..<min(left, 4_096) { batch.submit(body: body) }
      left -= batch.commands.count
      _ = try batch.run(on: &store, at: tick())
    }
  }

  mutating func lease(_ queue: String, _ jobs: Int32, _ store: inout Store) throws -> [Answer.Grant] {
    var batch = Batch()
    var lease = Command.Lease(
      queues: batch.place([UInt8(queue.utf8.count)] + Array(queue.utf8)), worker: .empty, keyID: .empty,
      leaseMilliseconds: 3_600_000, waitMilliseconds: 0)
    lease.maxJobs = jobs
    lease.maxBytes = 1 << 30
    batch.append(.lease(lease))
    _ = try batch.run(on: &store, at: tick())
    return store.step.grants
  }

  mutating func end(_ grants: [Answer.Grant], _ outcome: Outcome, _ store: inout Store) throws {
    var batch = Batch()
    for grant in grants {
      let job = JobRef(number: grant.id.number.rawValue, check: grant.id.fullCheck(store.machine.secret))
      var finish = Command.Finish(job: job, viewer: .all, lease: grant.lease, keyID: .empty, outcome: outcome)
      finish.isRetryable = false
      if outcome == .released { finish.delayMilliseconds = 0 }
      batch.append(.finish(finish))
    }
    _ = try batch.run(on: &store, at: tick())
  }
}
