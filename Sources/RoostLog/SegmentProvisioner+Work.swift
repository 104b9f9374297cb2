import Glibc
import Synchronization

/// The work itself, a piece at a time. Whoever calls holds `work`.
extension SegmentProvisioner {
  private enum Task {
    case make(UInt32)
    case verify(Spare)
    case release
    case nothing
  }

  /// - Parameter wanted: The segment the writer waits for; nil works towards the target.
  func step(_ filling: inout Filling?, wanted: UInt32?) throws(LogError) -> Bool {
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
  func orFail<Result>(_ body: () throws(LogError) -> Result) throws(LogError) -> Result {
    do throws(LogError) {
      return try body()
    } catch {
      if !error.isPassing { stock.withLock { $0.failure = error } }
      throw error
    }
  }

  private func doNext(_ filling: inout Filling?, wanted: UInt32?) throws(LogError) -> Bool {
    // Who waits may need the room.
    if try wanted == nil ? removeTrimmed() || shrinkNameless() : removeAtOnce() { return true }
    // Nor is there a commit that larger pieces would delay.
    let bytes = wanted == nil ? pieceBytes : 8 * pieceBytes
    if filling != nil {
      try fill(&filling, bytes)
      return true
    }
    switch nextTask(wanted: wanted) {
    case .make(let number): try begin(number, &filling, bytes)
    case .verify(let found): try verify(found)
    case .release: _ = try releaseSpare()
    case .nothing: return false
    }
    return true
  }

  /// Takes the names of trimmed files away, durably.
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
    stock.withLock { stock in
      stock.trimmed.removeFirst(trimmed.count)
      stock.nameless += trimmed
    }
    return true
  }

  /// Shortens a file without a name, so that its blocks become free piece by piece: 64 MiB at once kept a sync waiting for
  /// 15 ms on ext4. One that this process still reads is left alone until then, one that another has open, or a name for,
  /// for good: `roost backup` reads beside the daemon.
  ///
  /// - Returns: Whether something was done.
  private func shrinkNameless() -> Bool {
    let unread = stock.withLock { stock -> SegmentFile? in
      guard let index = stock.nameless.indices.first(where: { isKnownUniquelyReferenced(&stock.nameless[$0]) }) else {
        return nil
      }
      return stock.nameless.remove(at: index)
    }
    guard let unread else { return false }
    if shorten(unread.file) { stock.withLock { $0.nameless.append(unread) } }
    return true
  }

  /// - Returns: Whether there is more of it.
  private func shorten(_ file: DiskFile) -> Bool {
    guard disk.isForsaken(file) else { return false }
    do throws(DiskError) {
      let left = try disk.size(file) - shrinkBytes
      guard left > 0 else { return false }
      try disk.truncate(file, to: left)
      return true
    } catch {
      // Closing it frees the rest at once.
      return false
    }
  }

  /// For whom the space matters more than the wait. Blocks of files that are still read become free with the last reader.
  func removeAtOnce() throws(LogError) -> Bool {
    _ = try removeTrimmed()
    let nameless = stock.withLock { stock in
      defer { stock.nameless = [] }
      return stock.nameless
    }
    return !nameless.isEmpty
  }

  func releaseSpare() throws(LogError) -> Bool {
    let highest = stock.withLock { stock -> SegmentFile? in
      guard let number = (Array(stock.ready.keys) + Array(stock.unverified.keys)).max() else { return nil }
      return (stock.ready.removeValue(forKey: number) ?? stock.unverified.removeValue(forKey: number))?.segment
    }
    guard let highest else { return false }
    let disk = self.disk
    try onDisk { () throws(DiskError) in
      try disk.remove(highest.name)
      try disk.syncDirectory()
    }
    stock.withLock { $0.nameless.append(highest) }
    return true
  }

  private func nextTask(wanted: UInt32?) -> Task {
    stock.withLock { stock in
      if let wanted {
        if let found = stock.unverified[wanted] { return .verify(found) }
        return stock.ready[wanted] == nil ? .make(wanted) : .nothing
      }
      if let found = stock.unverified.min(by: { $0.key < $1.key }) { return .verify(found.value) }
      let (ready, target) = (stock.readyBytes, stock.target(reserve: reserveSpares))
      // One above the target stays: the reserve moves a little with every lease and acknowledgement.
      if ready > target + stock.segmentBytes { return .release }
      if ready >= target { return .nothing }
      var number = stock.current + 1
      while stock.ready[number] != nil { number += 1 }
      return .make(number)
    }
  }

  private func begin(_ number: UInt32, _ filling: inout Filling?, _ bytes: Int) throws(LogError) {
    let disk = self.disk
    // Asked first, so that a full disk is not filled and emptied again on every try.
    let free = try onDisk { () throws(DiskError) in try disk.freeBytes() }
    let segmentBytes = segmentBytes
    guard free >= segmentBytes else { throw .outOfSpace(file: SegmentName.of(number)) }
    let name = SegmentName.of(number) + SegmentName.unfinishedSuffix
    let file = try onDisk { () throws(DiskError) in try disk.open(name, create: true) }
    filling = Filling(number: number, bytes: segmentBytes, file: file, filled: 0)
    try fill(&filling, bytes)
  }

  /// Each piece is synced by itself: a segment's worth of dirty pages would make the next commit wait.
  private func fill(_ filling: inout Filling?, _ bytes: Int) throws(LogError) {
    guard var current = filling else { return }
    let disk = self.disk
    let header = SegmentHeader(log: log, segment: current.number, bytes: UInt32(current.bytes)).encoded()
    var piece = [UInt8](repeating: 0, count: min(bytes, current.bytes - current.filled))
    if current.filled == 0 {
      if piece.count < header.count { piece = header } else { piece.replaceSubrange(..<header.count, with: header) }
    }
    try write(piece, to: current.file, at: current.filled)
    current.filled += piece.count
    filling = current
    guard current.filled >= current.bytes else { return }
    try onDisk { () throws(DiskError) in
      try disk.rename(current.unfinishedName, to: current.name)
      if !defects.contains(.skipDirectorySync) { try disk.syncDirectory() }
    }
    filling = nil
    let file = DiskFile(descriptor: current.file.descriptor, name: current.name)
    let segment = Spare(
      segment: SegmentFile(number: current.number, file: file, disk: disk), bytes: current.bytes)
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
  /// not land where the next start would not look for it. A clean one of a size that segments do not have is removed.
  private func verify(_ found: Spare) throws(LogError) {
    let segment = found.segment
    let reader = try SegmentReader(segment, log: log, window: ReadWindow())
    let header = try SegmentHeader.read(segment.file, on: disk)
    let lastUsed = try reader.lastUsedByte(from: LogFormat.segmentHeaderBytes)
    let isOurs = header.log == log && header.segment == segment.number
    let isDirty = !isOurs || lastUsed != nil || reader.fileBytes < Int(header.bytes)
    let isUsable = !isDirty && (leastBytes...mostBytes).contains(reader.fileBytes)
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
      stock.ready[segment.number] = Spare(segment: segment, bytes: reader.fileBytes)
    }
  }

  /// Gives back what an unfinished segment took of a full disk.
  func abandon(_ filling: inout Filling?) {
    guard let current = filling else { return }
    disk.close(current.file)
    // If this fails too, the next attempt empties the same file, and the next start removes it.
    try? disk.remove(current.unfinishedName)
    filling = nil
  }
}
