import RoostCore
import RoostEngine
import RoostLog

/// What `CompactionLoad` saw: how long commits took beside what, and how large the log was against its bound.
struct CompactionFigures {
  /// Nanoseconds that a request of a batch waited at most: the piece of compaction before it, and its commit.
  private var alone: [Int64] = []
  private var besideCompaction: [Int64] = []
  private var besideFilling: [Int64] = []
  /// Nanoseconds of each piece of compaction.
  private var pieces: [Int64] = []
  private var lastPiece: Int64 = 0
  /// Of log and spares together: the most, and the most over the bound.
  private var mostBytes = 0
  private var mostOfBound = 0.0
  private var looks = 0
  private var looksAbove = 0

  mutating func add(commit: Int64, behind: Int64, isCompacting: Bool, isFilling: Bool) {
    let waited = lastPiece + commit
    if isCompacting { besideCompaction.append(waited) }
    if isFilling { besideFilling.append(waited) }
    if !isCompacting, !isFilling { alone.append(waited) }
    if isCompacting { pieces.append(behind) }
    lastPiece = behind
  }

  mutating func look(at store: borrowing Store) {
    let bytes = Int(store.log.totalBytes) + store.log.space.spareBytes
    let share = Double(bytes) / Double(bound(store))
    mostBytes = max(mostBytes, bytes)
    mostOfBound = max(mostOfBound, share)
    looks += 1
    if share > 1 { looksAbove += 1 }
  }

  /// The larger of four segments and twice what lives, and the reserve.
  private func bound(_ store: borrowing Store) -> Int {
    let segmentBytes = (store.log as? SegmentedLog)?.options.segmentBytes ?? store.log.segmentBytes
    return max(4 * segmentBytes, 2 * store.machine.keptBytes) + store.log.space.targetBytes
  }

  // MARK: Lines

  func now(_ store: borrowing Store) -> String {
    "\(store.machine.jobCount) jobs, log \(mebibytes(Int(store.log.totalBytes))), live "
      + "\(mebibytes(store.machine.keptBytes)), spares \(mebibytes(store.log.space.spareBytes)), bound "
      + "\(mebibytes(bound(store))), \(store.trims) trims"
  }

  func report(_ store: borrowing Store, jobs: Int, seconds: Double) {
    print("\(jobs) jobs in \(decimal(seconds, 0)) s, \(store.syncs) commits, \(now(store))")
    let (written, copied) = (Double(store.writtenBytes), Double(store.copiedBytes))
    print(
      "written \(mebibytes(Int(written))), of that copies \(mebibytes(Int(copied))): amplification "
        + "\(decimal(written / (written - copied)))")
    print(
      "log and spares: most \(mebibytes(mostBytes)), \(decimal(100 * mostOfBound, 1)) % of the bound; above it in "
        + "\(looksAbove) of \(looks) looks")
    line("neither", alone)
    line("beside compaction", besideCompaction)
    line("beside zero-filling", besideFilling)
    line("pieces of compaction", pieces)
  }

  private func line(_ name: String, _ values: [Int64]) {
    let sorted = values.sorted()
    guard let last = sorted.last else { return print("\(name): none") }
    let points = [0.5, 0.99, 0.999].map { point in
      milliseconds(sorted[min(sorted.count - 1, Int(Double(sorted.count) * point))])
    }
    let slow = sorted.filter { $0 > 5_000_000 }.count
    print(
      "\(name): \(sorted.count), p50 \(points[0]), p99 \(points[1]), p99.9 \(points[2]), worst "
        + "\(milliseconds(last)) ms; above 5 ms \(slow)")
  }

  private func milliseconds(_ nanoseconds: Int64) -> String { decimal(Double(nanoseconds) / 1e6) }
  private func mebibytes(_ bytes: Int) -> String { "\(bytes >> 20) MiB" }
}
