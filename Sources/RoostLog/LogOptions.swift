/// How a log is laid out and what its creation needs.
package struct LogOptions: Sendable {
  /// The largest size of a segment; at least its header and one small frame.
  package var segmentBytes: Int
  /// The size of a new log's segments, from which it doubles as the log grows; `segmentBytes` where that is less.
  package var firstSegmentBytes: Int
  /// Segments that a daemon's log takes at least: the one that is written, the next, and three in reserve, for compaction,
  /// for a start on a full disk, and for leases when submits have filled it.
  package static let leastSegments = 5

  /// A new log is made only where as much is free; the least is one segment.
  package var leastFreeBytes = 0
  /// Largest frame that `commit` takes.
  package var frameLimitBytes: Int
  /// What one call of `provision` writes; eight times as much where the writer waits for it.
  package var zeroFillPieceBytes: Int
  /// By what it shortens a removed file.
  package var shrinkPieceBytes: Int
  /// The UUID that a new log gets: randomness comes from outside.
  package var newLogIdentity: (UInt64, UInt64)
  /// Spares beyond the next segment that are always kept: one for carrying live records, one for a start.
  package var reserveSpares: Int
  /// The number of a new log's first segment; another than 1 where positions of an older log must not come again.
  package var firstSegment: UInt32 = 1
  /// Opens a directory in spite of `HOLD`: only for whoever put it there.
  package var ignoresHold = false
  /// Only tests put something in.
  package var defects: Set<LogDefect>

  package init(
    newLogIdentity: (UInt64, UInt64), segmentBytes: Int = 64 << 20, firstSegmentBytes: Int = .max,
    frameLimitBytes: Int = 16 << 20, zeroFillPieceBytes: Int = 128 << 10, shrinkPieceBytes: Int = 4 << 20,
    reserveSpares: Int = 2, defects: Set<LogDefect> = []
  ) {
    precondition(segmentBytes >= 1024, "a segment holds its header and a frame")
    self.newLogIdentity = newLogIdentity
    self.segmentBytes = segmentBytes
    self.firstSegmentBytes = firstSegmentBytes
    self.frameLimitBytes = frameLimitBytes
    self.zeroFillPieceBytes = zeroFillPieceBytes
    self.shrinkPieceBytes = shrinkPieceBytes
    self.reserveSpares = reserveSpares
    self.defects = defects
  }

  /// The size of segments for a log whose last one has this size; nil: for one that has none yet.
  func segmentBytes(behind last: Int?) -> Int { min(segmentBytes, max(firstSegmentBytes, last ?? 0)) }
}

/// The unanswered end of the last segment that a crash left behind and opening set aside.
package struct TornTail: Hashable, Sendable {
  package var segment: UInt32
  /// From the first byte that is no frame to the last that is not zero.
  package var offset: Int
  package var bytes: Int
  /// Why it is no frame.
  package var reason: Corruption
}
