import Glibc
import RoostCore
import RoostEngine
import RoostLog
import Synchronization

/// A store that grows from nothing, a hundred submits a batch: the longest commit on the way, and what memory the jobs
/// take; then jobs leave and others come in the memory that became free.
///
/// Syncs are left out: what is measured are pauses of the store's own making, such as a table that grows.
struct Growing {
  let folder: String
  let jobs: Int
  let payloadBytes: Int

  private static let perBatch = 100

  func run() throws {
    let disk = try BenchDisk(folder: folder, syncs: false, dropsCache: false)
    var store = try Store.open(disk, retentionMaxJobs: 0)
    let body = Batch.body(queue: "default", payloadBytes: payloadBytes)
    let perBatch = max(1, min(Growing.perBatch, (8 << 20) / (payloadBytes + 256)))
    var half = 0
    let base = anonymousBytes()
    var commits = CommitTimes()
    try add(jobs / 2, body, perBatch, &store, on: disk, &commits)
    half = anonymousBytes()
    try add(jobs - jobs / 2, body, perBatch, &store, on: disk, &commits)
    let full = anonymousBytes()
    print(
      "growing to \(store.machine.jobCount) jobs of \(payloadBytes) B, \(perBatch) a commit: CPU of a commit p50 "
        + "\(commits.line); RssAnon \(full >> 20) MiB, of the second half "
        + "\(decimal(Double(full - half) / Double(jobs - jobs / 2), 1)) B a job, of all "
        + "\(decimal(Double(full - base) / Double(jobs), 1))")
    let leaving = min(jobs / 2, 1_000_000)
    try remove(leaving, &store)
    let left = store.machine.jobCount
    commits = CommitTimes()
    try add(jobs - left, body, perBatch, &store, on: disk, &commits)
    print(
      "\(jobs - left) jobs left and as many came: RssAnon \(anonymousBytes() >> 20) MiB, "
        + "\((anonymousBytes() - full) >> 20) MiB more; CPU of a commit p50 \(commits.line)")
  }

  private func add(
    _ count: Int, _ body: [UInt8], _ perBatch: Int, _ store: inout Store, on disk: BenchDisk,
    _ commits: inout CommitTimes
  ) throws {
    try Batch.submit(count, of: body, perBatch: perBatch) { batch in
      // In the daemon another thread makes segments.
      while try store.log.provisioner.provision() {}
      let (stolen, writing) = (stolenMilliseconds(), disk.writing.load(ordering: .relaxed))
      let began = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
      _ = try batch.commit(on: &store, at: .now())
      let all = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began
      commits.add(
        CommitTimes.Commit(
          all: all, writing: disk.writing.load(ordering: .relaxed) - writing, stolen: stolenMilliseconds() - stolen))
    }
  }

  /// Leases jobs and acknowledges them; they are not retained.
  private func remove(_ count: Int, _ store: inout Store) throws {
    var batch = Batch()
    let secret = store.machine.secret
    var left = count
    while left > 0 {
      batch.removeAll()
      let names = batch.place([7] + Array("default".utf8))
      let (worker, key) = (batch.place(Array("worker-1".utf8)), batch.place(Array("key-1".utf8)))
      for _ in 0..<min(left, 1_000) {
        batch.append(
          .lease(
            Command.Lease(queues: names, worker: worker, keyID: key, leaseMilliseconds: 60_000, waitMilliseconds: 0)))
      }
      _ = try batch.commit(on: &store, at: .now())
      var finish = Batch()
      for reply in store.step.replies {
        guard case .leased(let grant) = reply.answer else { fail("a waiting job is leased") }
        finish.append(
          .finish(
            Command.Finish(
              job: JobRef(number: grant.id.number.rawValue, check: grant.id.fullCheck(secret)), viewer: .all,
              lease: grant.lease, keyID: .empty, outcome: .acked)))
      }
      left -= finish.commands.count
      _ = try finish.commit(on: &store, at: .now())
    }
    // What retention lets go is due work of later batches.
    batch.removeAll()
    while store.machine.jobCount > jobs - count { _ = try batch.commit(on: &store, at: .now()) }
  }
}

/// What commits took of the processor.
private struct CommitTimes {
  struct Commit {
    /// Nanoseconds; those in the file system's write.
    let all, writing: Int64
    /// What the hypervisor took from all processors meanwhile, milliseconds: the CPU time of a thread holds it, too.
    let stolen: Int64
  }

  private var all: [Int64] = []
  private var longest = Commit(all: 0, writing: 0, stolen: 0)
  private var longestAt = 0

  mutating func add(_ commit: Commit) {
    all.append(commit.all)
    guard commit.all > longest.all else { return }
    longest = commit
    longestAt = all.count
  }

  /// Milliseconds of the median, the thousandth and the longest, and what the longest was.
  var line: String {
    let sorted = all.sorted()
    func at(_ part: Double) -> String { decimal(Double(sorted[Int(Double(sorted.count - 1) * part)]) / 1e6) }
    return "\(at(0.5)), p99.9 \(at(0.999)), longest \(at(1)) ms, the \(longestAt). of \(all.count) ("
      + "\(decimal(Double(longest.writing) / 1e6)) in the file system, \(longest.stolen) stolen)"
  }
}
