import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// The log under a mixed load that makes compaction hard: long-delayed jobs, large payloads, retained results,
/// idempotency keys. Commits are timed apart: alone, beside compaction, beside zero-filling.
///
/// The store runs on one thread as the writer drives it, segments are made on another as in the daemon; a batch is due
/// every millisecond, so that the figures are those of a daemon with air, not of a queue before a saturated disk.
struct CompactionLoad {
  let folder: String
  let seconds: Int
  /// Jobs a second.
  let rate: Int

  private static let batchNanoseconds: Int64 = 1_000_000

  func run() throws {
    let disk = try BenchDisk(folder: folder, syncs: true, dropsCache: true)
    var limits = Limits()
    limits.retentionMaxJobs = 100_000
    limits.idempotencyWindowMilliseconds = 60_000
    var store = try Store.open(
      disk: disk,
      setting: Store.Setting(
        options: LogOptions(newLogIdentity: (1, 2)), limits: limits, newSecret: SipKey(k0: 3, k1: 4), reading: .now(),
        bootID: ClockReading.bootID(), entropy: 5))
    let filler = Filler(store.log.provisioner)
    filler.start()
    defer { filler.stop() }
    var load = MixedLoad()
    var figures = CompactionFigures()
    let perBatch = max(1, rate / 1_000)
    let begin = nanoseconds()
    var (next, printed) = (begin, begin)
    while nanoseconds() - begin < Int64(seconds) * 1_000_000_000 {
      let now = nanoseconds()
      if now < next {
        wait(next - now)
        continue
      }
      // A batch that comes late is not made up for.
      next = max(next + Self.batchNanoseconds, now)
      try load.turn(perBatch, &store, filler, &figures)
      figures.look(at: store)
      if now - printed >= 10_000_000_000 {
        printed = now
        print("\((now - begin) / 1_000_000_000) s: \(figures.now(store))")
      }
    }
    figures.report(store, jobs: load.submitted, seconds: Double(nanoseconds() - begin) / 1e9)
  }

  private func wait(_ nanoseconds: Int64) {
    var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
    nanosleep(&time, nil)
  }
}

/// Makes segments on a thread of its own, as the daemon does, and says when it is at it.
///
/// `@unchecked Sendable`: the flags are touched only under `mutex`; the provisioner is safe from any thread.
private final class Filler: @unchecked Sendable {
  private let provisioner: SegmentProvisioner
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var isOver = false
  private var hasEnded = false
  private var isFilling = false

  init(_ provisioner: SegmentProvisioner) {
    self.provisioner = provisioner
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Whether a piece is being written right now.
  var isAtWork: Bool { locked { isFilling } }

  func start() {
    var thread = pthread_t()
    let filler = Unmanaged.passRetained(self).toOpaque()
    let made = pthread_create(
      &thread, nil,
      { raw in
        let filler = Unmanaged<Filler>.fromOpaque(raw!).takeRetainedValue()
        filler.run()
        return nil
      }, filler)
    guard made == 0 else { fail("no thread for the filler") }
    pthread_detach(thread)
  }

  func stop() {
    locked { isOver = true }
    while !locked({ hasEnded }) { usleep(1_000) }
  }

  private func run() {
    while !locked({ isOver }) {
      locked { isFilling = true }
      let hasMore = (try? provisioner.provision()) ?? false
      if !hasMore {
        locked { isFilling = false }
        usleep(2_000)
      }
    }
    locked { hasEnded = true }
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
}

/// What jobs there are: nine in ten small and worked off at once, the others in compaction's way.
private struct MixedLoad {
  private(set) var submitted = 0
  private var batch = Batch()
  private var leased: [(JobRef, LeaseID)] = []
  private let small = Batch.body(queue: "mixed", payloadBytes: 256)
  private let medium = Batch.body(queue: "mixed", payloadBytes: 16 << 10)
  private let large = Batch.body(queue: "mixed", payloadBytes: 256 << 10)
  private let result = [UInt8](repeating: 0x61, count: 512)
  /// Hashes spread as the engine's do: tables are made for that.
  private let keySecret = SipKey(k0: 5, k1: 6)

  /// A batch of submits, leases and ends, and compaction behind it; both are timed.
  mutating func turn(
    _ count: Int, _ store: inout Store, _ filler: borrowing Filler, _ figures: inout CompactionFigures
  ) throws {
    batch.removeAll()
    let text = batch.place(result)
    let checksum = result.withUnsafeBytes { Checksum.of($0) }
    for (job, lease) in leased {
      var finish = Command.Finish(job: job, viewer: .all, lease: lease, keyID: .empty, outcome: .acked)
      (finish.text, finish.textChecksum) = (text, checksum)
      batch.append(.finish(finish))
    }
    for _ in 0..<count { submit() }
    let names = batch.place([5] + Array("mixed".utf8))
    for _ in 0..<count {
      batch.append(
        .lease(
          Command.Lease(
            queues: names, worker: .empty, keyID: .empty, leaseMilliseconds: 60_000, waitMilliseconds: 0)))
    }
    let secret = store.machine.secret
    let wasFilling = filler.isAtWork
    let (begin, wasCompacting) = (nanoseconds(), store.isCompacting)
    _ = try batch.commit(on: &store, at: .now())
    let committed = nanoseconds()
    leased.removeAll(keepingCapacity: true)
    for reply in store.step.replies {
      if case .leased(let grant) = reply.answer {
        leased.append((JobRef(number: grant.id.number.rawValue, check: grant.id.fullCheck(secret)), grant.lease))
      }
    }
    // The next batch waits for the piece of compaction behind this one: it counts as that batch's delay.
    _ = try store.compact()
    let behind = nanoseconds() - committed
    figures.add(
      commit: committed - begin, behind: behind,
      isCompacting: wasCompacting || store.isCompacting, isFilling: wasFilling || filler.isAtWork)
  }

  private mutating func submit() {
    submitted += 1
    let body = submitted % 2_000 == 0 ? large : submitted % 100 == 0 ? medium : small
    // One in fifty is due in two to twenty-two minutes, so that every segment keeps some; one in ten keeps its result.
    let delay: Int64 = submitted % 50 == 7 ? 120_000 + Int64(submitted % 1_201) * 1_000 : 0
    var submit = Command.Submit(
      policy: JobPolicy(
        retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: submitted % 10 == 3 ? 120_000 : 1_000),
      priority: 0, maxRetries: 3, delayMilliseconds: delay, runAtMilliseconds: 0, body: batch.place(body))
    if submitted % 4 == 0 {
      submit.hasKey = true
      let hash = withUnsafeBytes(of: submitted) { keySecret.hash128($0) }
      submit.keyHash = KeyHash(low: hash.low, high: hash.high)
      (submit.keyFingerprint, submit.keyByteFingerprint) = (UInt64(submitted), UInt64(submitted))
    }
    batch.append(.submit(submit))
  }
}
