import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// The store on one thread, without HTTP and mailbox: submit, lease, ack, one fail in eight, retries due and retired
/// jobs purged, at a steady number of resident jobs.
struct EngineAlone {
  let folder: String
  let jobs: Int
  /// Commands of a batch: a third each submits, leases and ends of attempts.
  let batch: Int
  let syncs: Bool
  /// Submit-lease-end cycles measured.
  let cycles: Int

  private static let queueCount = 8

  func run() throws {
    let disk = try BenchDisk(folder: folder, syncs: syncs, dropsCache: false)
    // Zero-filled before the clock runs: in the daemon another thread does it.
    let spares = (jobs + cycles * 2) * 400 / (64 << 20) + 2
    var store = try Store.open(disk, spares: spares, retentionMaxJobs: 1_000)
    while try store.log.provisioner.provision() {}
    let bodies = (0..<EngineAlone.queueCount).map { Batch.body(queue: "queue-\($0)", payloadBytes: 256) }
    var steady = Steady(bodies: bodies)
    try steady.populate(jobs, &store)
    let perBatch = max(1, batch / 3)
    for _ in 0..<(20_000 / perBatch + 2) { _ = try steady.cycle(perBatch, &store) }

    var events = 0
    var (wall, cpu) = (nanoseconds(), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
    let firstSync = store.syncs
    for _ in 0..<(cycles / perBatch) { events += try steady.cycle(perBatch, &store) }
    wall = nanoseconds() - wall
    cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu
    let syncs = Double(store.syncs - firstSync)
    print(
      "engine, \(store.machine.jobCount) jobs, \(self.syncs ? "fdatasync" : "no sync"), "
        + "\(perBatch * 3) commands a batch: \(decimal(Double(events) * 1_000 / Double(wall))) M events/s, "
        + "\(decimal(Double(events) * 1_000 / Double(cpu))) M per CPU second, \(events) events, "
        + "\(decimal(Double(events) / syncs, 0)) events a commit, \(store.trims) trims")
  }
}

/// The work of a steady state: what was leased in one batch ends in the next.
private struct Steady {
  let bodies: [[UInt8]]
  private var batch = Batch()
  private var leased: [(JobRef, LeaseID)] = []
  private var reading = ClockReading.now()
  private var turn = 0
  private var round = 0

  init(bodies: [[UInt8]]) { self.bodies = bodies }

  mutating func populate(_ jobs: Int, _ store: inout Store) throws {
    var left = jobs
    while left > 0 {
      batch.removeAll()
      for _ in 0..<min(left, 4_096) { submit() }
      left -= batch.commands.count
      _ = try batch.run(on: &store, at: tick())
    }
  }

  /// Submits, leases and ends `count` jobs each.
  mutating func cycle(_ count: Int, _ store: inout Store) throws -> Int {
    round &+= 1
    batch.removeAll()
    for (index, (job, lease)) in leased.enumerated() {
      var finish = Command.Finish(
        job: job, viewer: .all, lease: lease, keyID: .empty, outcome: index % 8 == 7 ? .failed : .acked)
      if finish.outcome == .failed { finish.delayMilliseconds = 20 }
      batch.append(.finish(finish))
    }
    let names = batch.place([7] + Array("queue-\(round % bodies.count)".utf8))
    let (worker, key) = (batch.place(Array("worker-1".utf8)), batch.place(Array("key-1".utf8)))
    for _ in 0..<count {
      batch.append(
        .lease(
          Command.Lease(queues: names, worker: worker, keyID: key, leaseMilliseconds: 60_000, waitMilliseconds: 0)))
    }
    for _ in 0..<count { submit() }
    let secret = store.machine.secret
    let records = try batch.run(on: &store, at: tick())
    leased.removeAll(keepingCapacity: true)
    for reply in store.step.replies {
      switch reply.answer {
      case .leased(let grant):
        leased.append((JobRef(number: grant.id.number.rawValue, check: grant.id.fullCheck(secret)), grant.lease))
      case .refused(let refusal): fail("refused: \(refusal)")
      default: break
      }
    }
    return records
  }

  private mutating func submit() {
    turn &+= 1
    batch.submit(body: bodies[turn &* 7 % bodies.count], priority: Int8(turn % 3))
  }

  private mutating func tick() -> ClockReading {
    reading.boot += 1_000_000
    reading.wall += 1_000_000
    return reading
  }
}
