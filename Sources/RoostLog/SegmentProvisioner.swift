import Glibc
import Synchronization

/// Makes segments ahead, zero-filled and synced, so that an append neither allocates blocks nor grows a file; and
/// removes those that were trimmed, so that no commit waits for the blocks that become free.
///
/// The segments it holds in stock are the disk's reserve, real files and not a sum. One background thread calls
/// `provision`; the writer takes from the stock without waiting for it, unless the stock is empty.
package final class SegmentProvisioner: Sendable {
  private let disk: any Disk
  private let log: LogIdentity
  private let segmentBytes: Int
  private let pieceBytes: Int
  private let reserveSpares: Int
  private let defects: Set<LogDefect>

  /// Short critical sections only: the writer takes this lock.
  private let stock: Mutex<Stock>
  /// Held over I/O, a piece at a time.
  private let work: Mutex<Filling?>
  /// The writer wants `work`. The background thread, which takes it piece after piece, would hardly ever let it in: a mutex
  /// is not handed over to who waits.
  private let isWriterWaiting = Atomic(false)

  private struct Stock {
    var ready: [UInt32: SegmentFile] = [:]
    /// Found at boot; read through before it is believed to be all zeros.
    var unverified: [UInt32: FoundSpare] = [:]
    /// `HEAD` names them no more; oldest first.
    var trimmed: [SegmentFile] = []
    /// The last segment that was taken.
    var current: UInt32
    var target: Int
    /// What kept the last attempt to make a spare from it, and none has been made since.
    var passingFailure: LogError?
    /// After a failed write or sync nothing is made any more.
    var failure: LogError?
  }

  /// Of whatever size segments had then.
  private struct FoundSpare {
    var segment: SegmentFile
    /// 0 where the disk does not say.
    var bytes: Int
  }

  /// A segment in the making, under its `.tmp` name.
  private struct Filling {
    var number: UInt32
    var file: DiskFile
    var filled: Int
    var name: String { SegmentName.of(number) }
    var unfinishedName: String { name + SegmentName.unfinishedSuffix }
  }

  private enum Task {
    case make(UInt32)
    case verify(FoundSpare)
    case release
    case nothing
  }

  init(disk: any Disk, log: LogIdentity, options: LogOptions, current: UInt32, found: [SegmentFile]) {
    self.disk = disk
    self.log = log
    segmentBytes = options.segmentBytes
    pieceBytes = options.zeroFillPieceBytes
    reserveSpares = options.reserveSpares
    defects = options.defects
    let unverified = Dictionary(
      uniqueKeysWithValues: found.map { ($0.number, FoundSpare(segment: $0, bytes: (try? disk.size($0.file)) ?? 0)) })
    stock = Mutex(Stock(unverified: unverified, current: current, target: 1 + options.reserveSpares))
    work = Mutex(nil)
  }

  // MARK: In the background

  /// Does one piece of work: removes what was trimmed, fills about 1 MiB of the next spare, looks through one found at
  /// boot, or gives one back.
  ///
  /// - Returns: Whether more work is left. A full disk, or no file descriptor left, is no error: it is tried again by the
  ///   next call; `space` reports the first.
  /// - Throws: A failed write or sync, which also makes the log unusable.
  package func provision() throws(LogError) -> Bool {
    while isWriterWaiting.load(ordering: .relaxed) { usleep(100) }
    return try work.withLock { (filling: inout Filling?) throws(LogError) -> Bool in
      try step(&filling, wanted: nil)
    }
  }

  /// Sets how many bytes of completions the running jobs may still write; the stock grows or shrinks with it.
  package func setRunningReserve(bytes: Int) {
    let target = 1 + reserveSpares + (max(0, bytes) + segmentBytes - 1) / segmentBytes
    stock.withLock { $0.target = target }
  }

  package var space: SpaceState {
    stock.withLock { stock in
      SpaceState(
        spareBytes: stock.unverified.values.reduce(stock.ready.count * segmentBytes) { $0 + $1.bytes },
        targetBytes: stock.target * segmentBytes,
        trimmedSegments: stock.trimmed.count,
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

  /// Removes what was discarded so far.
  ///
  /// - Returns: False when there was nothing.
  func removeDiscarded() throws(LogError) -> Bool {
    try asWriter { (_: inout Filling?) throws(LogError) in
      try orFail { () throws(LogError) in try removeTrimmed() }
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
        if try removeTrimmed() { return true }
        if filling != nil {
          abandon(&filling)
          return true
        }
        return try releaseSpare()
      }
    }
  }

  private func releaseSpare() throws(LogError) -> Bool {
    let highest = stock.withLock { stock -> UInt32? in
      guard let highest = (Array(stock.ready.keys) + Array(stock.unverified.keys)).max() else { return nil }
      stock.ready[highest] = nil
      stock.unverified[highest] = nil
      return highest
    }
    guard let highest else { return false }
    let disk = self.disk
    try onDisk { () throws(DiskError) in
      try disk.remove(SegmentName.of(highest))
      try disk.syncDirectory()
    }
    return true
  }

  private func asWriter<Result>(
    _ body: (inout Filling?) throws(LogError) -> sending Result
  ) throws(LogError) -> sending Result {
    isWriterWaiting.store(true, ordering: .relaxed)
    return try work.withLock { (filling: inout Filling?) throws(LogError) -> sending Result in
      // The background thread sleeps on the lock from here on.
      isWriterWaiting.store(false, ordering: .relaxed)
      return try body(&filling)
    }
  }

  private func takeReady(_ number: UInt32) -> SegmentFile? {
    stock.withLock { stock in
      guard let ready = stock.ready.removeValue(forKey: number) else { return nil }
      stock.current = number
      return ready
    }
  }

  // MARK: The work

  /// - Parameter wanted: The segment the writer waits for; nil works towards the target.
  private func step(_ filling: inout Filling?, wanted: UInt32?) throws(LogError) -> Bool {
    if let failure { throw failure }
    do throws(LogError) {
      return try orFail { () throws(LogError) in try doNext(&filling, wanted: wanted) }
    } catch {
      guard error.isPassing else { throw error }
      abandon(&filling)
      stock.withLock { $0.passingFailure = error }
      return false
    }
  }

  /// Any failure that does not pass by itself makes the log unusable.
  private func orFail<Result>(_ body: () throws(LogError) -> Result) throws(LogError) -> Result {
    do throws(LogError) {
      return try body()
    } catch {
      if !error.isPassing { stock.withLock { $0.failure = error } }
      throw error
    }
  }

  private func doNext(_ filling: inout Filling?, wanted: UInt32?) throws(LogError) -> Bool {
    if try removeTrimmed() { return true }
    if filling != nil {
      try fillPiece(&filling)
      return true
    }
    switch nextTask(wanted: wanted) {
    case .make(let number): try begin(number, &filling)
    case .verify(let found): try verify(found)
    case .release: _ = try releaseSpare()
    case .nothing: return false
    }
    return true
  }

  /// The files' blocks become free here, too, unless somebody still reads them.
  private func removeTrimmed() throws(LogError) -> Bool {
    let trimmed = stock.withLock { $0.trimmed }
    guard !trimmed.isEmpty else { return false }
    let disk = self.disk
    try onDisk { () throws(DiskError) in
      for segment in trimmed {
        for name in [SegmentName.torn(segment.number), segment.name] {
          do throws(DiskError) { try disk.remove(name) } catch { guard error.errno == ENOENT else { throw error } }
        }
      }
      try disk.syncDirectory()
    }
    stock.withLock { $0.trimmed.removeFirst(trimmed.count) }
    return true
  }

  private func nextTask(wanted: UInt32?) -> Task {
    stock.withLock { stock in
      if let wanted {
        if let found = stock.unverified[wanted] { return .verify(found) }
        return stock.ready[wanted] == nil ? .make(wanted) : .nothing
      }
      if let found = stock.unverified.min(by: { $0.key < $1.key }) { return .verify(found.value) }
      // One above the target stays: the reserve moves a little with every lease and acknowledgement.
      if stock.ready.count > stock.target + 1 { return .release }
      if stock.ready.count >= stock.target { return .nothing }
      var number = stock.current + 1
      while stock.ready[number] != nil { number += 1 }
      return .make(number)
    }
  }

  private func begin(_ number: UInt32, _ filling: inout Filling?) throws(LogError) {
    let disk = self.disk
    // Asked first, so that a full disk is not filled and emptied again on every try.
    let free = try onDisk { () throws(DiskError) in try disk.freeBytes() }
    guard free >= segmentBytes else { throw .outOfSpace(file: SegmentName.of(number)) }
    let name = SegmentName.of(number) + SegmentName.unfinishedSuffix
    let file = try onDisk { () throws(DiskError) in try disk.open(name, create: true) }
    filling = Filling(number: number, file: file, filled: 0)
    try fillPiece(&filling)
  }

  /// Each piece is synced by itself: a segment's worth of dirty pages would make the next commit wait.
  private func fillPiece(_ filling: inout Filling?) throws(LogError) {
    guard var current = filling else { return }
    let disk = self.disk
    let header = SegmentHeader(log: log, segment: current.number, bytes: UInt32(segmentBytes)).encoded()
    var piece = [UInt8](repeating: 0, count: min(pieceBytes, segmentBytes - current.filled))
    if current.filled == 0 {
      if piece.count < header.count { piece = header } else { piece.replaceSubrange(..<header.count, with: header) }
    }
    try write(piece, to: current.file, at: current.filled)
    current.filled += piece.count
    filling = current
    guard current.filled >= segmentBytes else { return }
    try onDisk { () throws(DiskError) in
      try disk.rename(current.unfinishedName, to: current.name)
      if !defects.contains(.skipDirectorySync) { try disk.syncDirectory() }
    }
    filling = nil
    let file = DiskFile(descriptor: current.file.descriptor, name: current.name)
    let segment = SegmentFile(number: current.number, file: file, disk: disk)
    stock.withLock { stock in
      stock.ready[current.number] = segment
      // Only a segment that was made shows that space is back: one that is given up or found does not.
      stock.passingFailure = nil
    }
  }

  private func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(LogError) {
    let disk = self.disk
    let failure = bytes.withUnsafeBytes { bytes -> DiskError? in
      do throws(DiskError) {
        try disk.write(file, bytes, at: offset)
        if !defects.contains(.spareNotSynced) { try disk.sync(file) }
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw LogError(failure) }
  }

  /// A spare that is too short, has another's header, or other bytes than zeros behind it, is set aside: a frame must
  /// not land where the next start would not look for it. A clean one of another size than segments have now is removed:
  /// the reserve counts in segments.
  private func verify(_ found: FoundSpare) throws(LogError) {
    let segment = found.segment
    let reader = try SegmentReader(segment, log: log, window: ReadWindow())
    let header = try SegmentHeader.read(segment.file, on: disk)
    let lastUsed = try reader.lastUsedByte(from: LogFormat.segmentHeaderBytes)
    let isOurs = header.log == log && header.segment == segment.number
    let isDirty = !isOurs || lastUsed != nil || reader.fileBytes < Int(header.bytes)
    let isUsable = !isDirty && reader.fileBytes == segmentBytes
    if !isUsable {
      let disk = self.disk
      try onDisk { () throws(DiskError) in
        if isDirty {
          try disk.rename(segment.name, to: SegmentName.torn(segment.number))
        } else {
          try disk.remove(segment.name)
        }
        try disk.syncDirectory()
      }
    }
    stock.withLock { stock in
      guard stock.unverified.removeValue(forKey: segment.number) != nil, isUsable else { return }
      stock.ready[segment.number] = segment
    }
  }

  /// Gives back what an unfinished segment took of a full disk.
  private func abandon(_ filling: inout Filling?) {
    guard let current = filling else { return }
    disk.close(current.file)
    // If this fails too, the next attempt empties the same file, and the next start removes it.
    try? disk.remove(current.unfinishedName)
    filling = nil
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
