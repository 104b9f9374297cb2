import CCRC32C
import Glibc
import RoostCore
import RoostLog
import Synchronization

/// What the engine has done and how it is, for metrics: published by the writer with every batch, before its answers
/// leave. Reading it asks the writer nothing. Counts begin with the daemon.
package struct EngineFigures: Sendable {
  package var store: StoreFigures
  package var health: EngineHealth
  package var replay: ReplayFigures
  /// Commands that wait for the writer, and the bytes they carry.
  package var mailboxCommands: Int
  package var mailboxBytes: Int
  /// From how many on further ones are refused.
  package var mailboxBounds: MailboxBounds
}

/// What the start read from the log.
package struct ReplayFigures: Sendable {
  /// Jobs in memory afterwards.
  package var jobs = 0
  /// Bytes of frames.
  package var bytes = 0
  /// From opening the directory to taking commands.
  package var nanoseconds: Int64 = 0
}

/// The writer's own figures: plain numbers, so that publishing them allocates nothing.
package struct StoreFigures: Sendable, BitwiseCopyable {
  /// Nanoseconds of each commit: deciding what is due, write and sync.
  package var commits = Tally(bounds: Tally.commitNanoseconds)
  /// Commands of each commit; 0 for one that only held due work or compaction.
  package var batches = Tally(bounds: Tally.batchCommands)
  /// Frames written and synced, the empty ones of idle seconds included; and their bytes.
  package var frames: UInt64 = 0
  package var writtenBytes: UInt64 = 0
  /// Of the log, in segments from the first to the current one.
  package var logBytes: UInt64 = 0
  /// What of them a trim would have to keep.
  package var liveBytes = 0
  package var segments = 0
  package var spareBytes = 0
  package var reserveBytes = 0
  /// Records and bytes that compaction copied; segments that it removed.
  package var copies: UInt64 = 0
  package var copiedBytes: UInt64 = 0
  package var trims = 0
  package var jobs = 0
  /// Bytes of memory that jobs, keys, names and waits take; what `MEMORY_LIMIT` bounds.
  package var usedBytes = 0
  /// Bytes allocated for them.
  package var allocatedBytes = 0
  /// Workers that wait for a job.
  package var waiters = 0
  package var schedules = ScheduleFigures()

  init() {}

  init(_ store: borrowing Store, commits: Tally, batches: Tally) {
    let space = store.log.space
    self.commits = commits
    self.batches = batches
    frames = store.syncs
    writtenBytes = store.writtenBytes
    logBytes = store.log.totalBytes
    liveBytes = store.machine.keptBytes
    segments = Int(store.log.currentSegment - store.log.firstSegment) + 1
    spareBytes = space.spareBytes
    reserveBytes = space.targetBytes
    copies = store.compaction.copies
    copiedBytes = store.compaction.copiedBytes
    trims = store.trims
    jobs = store.machine.jobCount
    usedBytes = store.machine.usedBytes
    allocatedBytes = store.machine.residentBytes
    waiters = store.machine.waiterCount
    schedules = store.machine.scheduleFigures
    schedules.count = store.machine.scheduleCount
  }
}

/// Counts of values in fixed buckets, for one thread: adding allocates nothing and takes no lock.
package struct Tally: Sendable, BitwiseCopyable {
  /// The highest value of each bucket, rising; the last bucket has no bound.
  package let bounds: InlineArray<16, UInt64>
  package private(set) var counts: InlineArray<17, UInt64> = InlineArray(repeating: 0)
  package private(set) var sum: UInt64 = 0

  /// 50 µs to 5 s.
  static let commitNanoseconds: InlineArray<16, UInt64> = [
    50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000,
    200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000,
  ]
  /// 1 to 32,768.
  static let batchCommands: InlineArray<16, UInt64> = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768,
  ]

  init(bounds: InlineArray<16, UInt64>) {
    self.bounds = bounds
  }

  mutating func add(_ value: UInt64) {
    var bucket = 0
    while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
    counts[bucket] += 1
    sum &+= value
  }
}

/// `CLOCK_MONOTONIC`: for durations that nothing is decided by.
enum MonotonicClock {
  static var nanoseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

extension Engine {
  /// How the engine is and what it has done so far; asks the writer nothing, so it answers while a commit hangs.
  package func figures() async -> EngineFigures {
    let depth = mailbox.depth
    return EngineFigures(
      store: writer.status.withLock { $0.figures }, health: await health(), replay: replay,
      mailboxCommands: depth.commands, mailboxBytes: depth.bytes, mailboxBounds: mailbox.bounds)
  }

  /// The version of the format in which this build writes the log, such as `1.0`.
  package static var logFormat: String { "\(LogFormat.major).\(LogFormat.minor)" }
}
