import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// What groups cost: a lease from a queue with many groups, most of them held back, beside one from a plain queue; and how
/// long a commit takes that says something of many groups or jobs at once. CPU of the store's thread, without syncs.
struct GroupFigures {
  let folder: String
  /// Groups that are held back; a hundredth as many are not.
  let groups: Int
  /// Jobs of the group that is paused.
  let jobs: Int

  private static let leases = 1_000
  private static let rounds = 9
  private let owner = Array("bench".utf8)

  func run() throws {
    let disk = try BenchDisk(folder: folder, syncs: false, dropsCache: false)
    var store = try Store.open(disk, spares: (groups * 3 + jobs) * 120 / (64 << 20) + 4)
    while try store.log.provisioner.provision() {}
    let free = max(1, groups / 100)
    let perGroup = (2 * Self.leases * (Self.rounds + 1) + free - 1) / free
    let bytes = store.machine.usedBytes
    try submit(free * perGroup + groups, &store) { _ in ("plain", "") }
    let plainBytes = store.machine.usedBytes
    try submit(groups, &store) { ("many", "held-\($0)") }
    try submit(free * perGroup, &store) { ("many", "free-\($0 % free)") }
    let groupBytes = store.machine.usedBytes
    let count = free * perGroup + groups
    print(
      "memory: \((plainBytes - bytes) / count) B a job of a plain queue, "
        + "\((groupBytes - plainBytes) / count) B a job of \(groups + free) groups")
    try pause(groups, &store)
    let plain = try leases("plain", &store)
    let held = try leases("many", &store)
    var change = QueueSettingsChange()
    change.set(.groupFair, 1)
    let fairTime = try configure("many", change, &store)
    let fair = try leases("many", &store)
    print(
      "lease: \(plain) ns from a plain queue; from \(groups) groups that are held and \(free) that are not "
        + "\(held) ns by priority, \(fair) ns in turns")
    print("a queue of \(groups + free) groups becomes fair: \(fairTime / 1_000) µs")
    try submit(jobs, &store) { _ in ("large", "one") }
    let paused = try time(&store) { self.pause("large", "one", &$0) }
    print("a group of \(jobs) jobs is paused: \(paused / 1_000) µs")
  }

  /// Median CPU nanoseconds of a lease, in batches of a thousand.
  private func leases(_ queue: String, _ store: inout Store) throws -> Int {
    var times: [Int] = []
    for _ in 0..<Self.rounds {
      let spent = try time(&store) { batch in
        let names = batch.place([UInt8(queue.utf8.count)] + Array(queue.utf8))
        let (worker, key) = (batch.place(Array("worker-1".utf8)), batch.place(Array("key-1".utf8)))
        for _ in 0..<Self.leases {
          batch.append(
            .lease(
              Command.Lease(
                queues: names, worker: worker, keyID: key, leaseMilliseconds: 600_000, waitMilliseconds: 0)))
        }
      }
      for reply in store.step.replies {
        guard case .leased = reply.answer else { fail("a lease of \(queue) got \(reply.answer)") }
      }
      times.append(spent / Self.leases)
    }
    return times.sorted()[times.count / 2]
  }

  private func time(_ store: inout Store, _ fill: (inout Batch) -> Void) throws -> Int {
    var batch = Batch()
    fill(&batch)
    let start = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
    _ = try batch.commit(on: &store, at: .now())
    return Int(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - start)
  }

  private func submit(
    _ jobs: Int, _ store: inout Store, _ place: (Int) -> (queue: String, group: String)
  ) throws {
    var done = 0
    while done < jobs {
      var batch = Batch()
      for index in done..<min(jobs, done + 2_000) {
        let (queue, group) = place(index)
        batch.submit(body: Batch.body(queue: queue, group: group, payloadBytes: 64))
      }
      done += batch.commands.count
      _ = try batch.commit(on: &store, at: .now())
    }
  }

  private func pause(_ queue: String, _ group: String, _ batch: inout Batch) {
    batch.append(
      .changeGroup(
        Command.ChangeGroup(
          queue: batch.place(Array(queue.utf8)), owner: batch.place(owner), group: batch.place(Array(group.utf8)),
          change: .pause(reason: .empty, until: 0))))
  }

  private func pause(_ groups: Int, _ store: inout Store) throws {
    for start in stride(from: 0, to: groups, by: 500) {
      var batch = Batch()
      for index in start..<min(groups, start + 500) { pause("many", "held-\(index)", &batch) }
      _ = try batch.commit(on: &store, at: .now())
    }
  }

  private func configure(_ queue: String, _ change: QueueSettingsChange, _ store: inout Store) throws -> Int {
    try time(&store) { batch in
      batch.append(
        .configure(
          Command.Configure(
            name: batch.place(Array(queue.utf8)), settings: batch.place(change.settings.bytes),
            cleared: change.clearedBits)))
    }
  }
}
