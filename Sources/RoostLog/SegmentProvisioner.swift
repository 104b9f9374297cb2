import Glibc
import Synchronization

/// Makes segments ahead, zero-filled and synced, so that an append neither allocates blocks nor grows a file; and
/// removes those that were trimmed, so that no commit waits for the blocks that become free.
///
/// The segments it holds in stock are the disk's reserve, real files and not a sum. One background thread calls
/// `provision`; the writer takes from the stock without waiting for it, unless the stock is empty.
package final class SegmentProvisioner: Sendable {
  let disk: any Disk
  let log: LogIdentity
  /// The largest size.
  let mostBytes: Int
  let leastBytes: Int
  let pieceBytes: Int
  let shrinkBytes: Int
  let reserveSpares: Int
  let defects: Set<LogDefect>

  /// Short critical sections only: the writer takes this lock.
  let stock: Mutex<Stock>
  /// Held over I/O, a piece at a time.
  private let work: Mutex<Filling?>
  /// Held by the writer from when it wants `work` until it is done, and passed through by the background thread before
  /// each piece. A mutex is not handed over to who waits: that thread would hardly ever let the writer in.
  private let turn = Mutex(())

  struct Stock {
    var ready: [UInt32: Spare] = [:]
    /// Found at boot; read through before it is believed to be all zeros.
    var unverified: [UInt32: Spare] = [:]
    /// `HEAD` names them no more; oldest first.
    var trimmed: [SegmentFile] = []
    /// Without a name any more; their blocks are still to become free.
    var nameless: [SegmentFile] = []
    /// The last segment that was taken.
    var current: UInt32
    /// The size in which segments are made.
    var segmentBytes: Int
    /// Bytes of completions that the running jobs may still write.
    var runningBytes = 0
    /// What kept the last attempt to make a spare from it, and none has been made since.
    var passingFailure: LogError?
    /// After a failed write or sync nothing is made any more.
    var failure: LogError?

    var readyBytes: Int { ready.values.reduce(0) { $0 + $1.bytes } }

    /// What ready segments should hold, besides those in reserve: the next one, and room for what runs.
    func target(reserve: Int) -> Int {
      (1 + reserve + (runningBytes + segmentBytes - 1) / segmentBytes) * segmentBytes
    }
  }

  /// Of whatever size segments had when it was made.
  struct Spare {
    var segment: SegmentFile
    /// 0 where the disk does not say.
    var bytes: Int
  }

  /// A segment in the making, under its `.tmp` name.
  struct Filling {
    var number: UInt32
    var bytes: Int
    var file: DiskFile
    var filled: Int
    var name: String { SegmentName.of(number) }
    var unfinishedName: String { name + SegmentName.unfinishedSuffix }
  }

  /// - Parameter currentBytes: The size that the current segment was made in; nil: there is none yet.
  init(
    disk: any Disk, log: LogIdentity, options: LogOptions, current: UInt32, currentBytes: Int?, found: [SegmentFile]
  ) {
    self.disk = disk
    self.log = log
    mostBytes = options.segmentBytes
    leastBytes = options.segmentBytes(behind: nil)
    pieceBytes = options.zeroFillPieceBytes
    shrinkBytes = options.shrinkPieceBytes
    reserveSpares = options.reserveSpares
    defects = options.defects
    let unverified = Dictionary(
      uniqueKeysWithValues: found.map { ($0.number, Spare(segment: $0, bytes: (try? disk.size($0.file)) ?? 0)) })
    stock = Mutex(
      Stock(unverified: unverified, current: current, segmentBytes: options.segmentBytes(behind: currentBytes)))
    work = Mutex(nil)
  }

  // MARK: In the background

  /// Does one piece of work: removes what was trimmed, fills a part of the next spare, looks through one found at boot, or
  /// gives one back. While a file system frees blocks or finds some, no sync gets through, so pieces are small.
  ///
  /// - Returns: Whether more work is left. A full disk, or no file descriptor left, is no error: it is tried again by the
  ///   next call; `space` reports the first.
  /// - Throws: A failed write or sync, which also makes the log unusable.
  package func provision() throws(LogError) -> Bool {
    turn.withLock { _ in }
    return try work.withLock { (filling: inout Filling?) throws(LogError) -> Bool in
      try step(&filling, wanted: nil)
    }
  }

  /// Sets how many bytes of completions the running jobs may still write; the stock grows or shrinks with it.
  package func setRunningReserve(bytes: Int) {
    stock.withLock { $0.runningBytes = max(0, bytes) }
  }

  /// The size in which segments are made; what the reserve counts in.
  package var segmentBytes: Int { stock.withLock { $0.segmentBytes } }

  /// Whether the stock is what it should be.
  var isStocked: Bool { stock.withLock { $0.readyBytes >= $0.target(reserve: reserveSpares) } }

  /// Makes segments twice as large from now on, if that is allowed and the disk has room to spare: a reserve must not come
  /// into want by it. To be called where the stock was full before the last segment was taken.
  ///
  /// - Parameter last: The size of that segment: until one of the present size is in use it does not grow.
  func grow(behind last: Int) {
    let (size, target) = stock.withLock { ($0.segmentBytes, $0.target(reserve: reserveSpares)) }
    guard last >= size, size < mostBytes, let free = try? disk.freeBytes(), free / 4 >= target else { return }
    stock.withLock { $0.segmentBytes = min(mostBytes, 2 * size) }
  }

  package var space: SpaceState {
    stock.withLock { stock in
      SpaceState(
        spareBytes: stock.unverified.values.reduce(stock.readyBytes) { $0 + $1.bytes },
        targetBytes: stock.target(reserve: reserveSpares),
        trimmedSegments: stock.trimmed.count + stock.nameless.count,
        lastProvisionFailedForSpace: stock.passingFailure?.isOutOfSpace ?? false)
    }
  }

  // MARK: For the writer

  /// Why the log must not go on, if so.
  var failure: LogError? { stock.withLock { $0.failure } }

  /// The segment with this number; made on the spot only if the stock has none.
  ///
  /// - Throws: An error that passes when it cannot be made now; every other makes the log unusable.
  func take(_ number: UInt32) throws(LogError) -> SegmentFile {
    if let ready = takeReady(number) { return ready }
    return try asWriter { (filling: inout Filling?) throws(LogError) -> SegmentFile in
      while true {
        if let ready = takeReady(number) { return ready }
        let more = try step(&filling, wanted: number)
        if !more, let failure = stock.withLock({ $0.ready[number] == nil ? $0.passingFailure : nil }) { throw failure }
      }
    }
  }

  /// Takes over segments that `HEAD` no longer names, oldest first, to remove their files. Pinned ones stay readable.
  func discard(_ segments: [SegmentFile]) { stock.withLock { $0.trimmed += segments } }

  /// Removes what was discarded so far, without waiting for its readers.
  ///
  /// - Returns: False when there was nothing.
  func removeDiscarded() throws(LogError) -> Bool {
    try asWriter { (_: inout Filling?) throws(LogError) in
      try orFail { () throws(LogError) in try removeAtOnce() }
    }
  }

  /// Gives bytes back to the file system for those that matter more: trimmed segments, else the spare in the making,
  /// else a finished one.
  ///
  /// Waits for the piece that is being made: under a number that is free in memory and not yet on disk, the other thread
  /// could make a segment, and its file would be the one that goes.
  ///
  /// - Returns: False when there are none.
  package func releaseSpace() throws(LogError) -> Bool {
    try asWriter { (filling: inout Filling?) throws(LogError) in
      try orFail { () throws(LogError) in
        if try removeAtOnce() { return true }
        if filling != nil {
          abandon(&filling)
          return true
        }
        guard try releaseSpare() else { return false }
        return try removeAtOnce()
      }
    }
  }

  private func asWriter<Result>(
    _ body: (inout Filling?) throws(LogError) -> sending Result
  ) throws(LogError) -> sending Result {
    try turn.withLock { (_) throws(LogError) -> sending Result in try work.withLock(body) }
  }

  private func takeReady(_ number: UInt32) -> SegmentFile? {
    stock.withLock { stock in
      guard let ready = stock.ready.removeValue(forKey: number) else { return nil }
      stock.current = number
      return ready.segment
    }
  }
}

/// How the disk's reserve stands.
package struct SpaceState: Hashable, Sendable {
  /// In spare segments, also those that are still to be looked through.
  package var spareBytes: Int
  /// What the reserve should be.
  package var targetBytes: Int
  /// Whose files are still to be removed.
  package var trimmedSegments: Int
  /// The last attempt to make a spare met a full disk, and none has been made since.
  package var lastProvisionFailedForSpace: Bool

  package init(
    spareBytes: Int, targetBytes: Int, trimmedSegments: Int = 0, lastProvisionFailedForSpace: Bool
  ) {
    self.spareBytes = spareBytes
    self.targetBytes = targetBytes
    self.trimmedSegments = trimmedSegments
    self.lastProvisionFailedForSpace = lastProvisionFailedForSpace
  }
}
