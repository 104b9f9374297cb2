/// Rebuilding memory from the log. Rows are built record by record; lists and heaps once, at the end.
extension StateMachine {
  /// Begins a replay of a log whose first record is at `first` or behind it.
  package mutating func beginReplay(first: LogPosition) {
    precondition(jobs.count == 0 && epoch == 0, "a replay begins with an empty state machine")
    isLive = false
    firstPosition = first
  }

  /// Makes room for the row count of a later `ground`, if these records begin with one: growing the index while it
  /// fills would cost a tenth of the replay.
  ///
  /// - Parameter logBytes: What the log takes: it holds no more jobs than fit.
  /// - Returns: The memory that the replay will fill.
  package mutating func expect(
    _ records: UnsafeRawBufferPointer, logBytes: Int
  ) -> [UnsafeRawBufferPointer] {
    guard let event = Ground(first: records) else { return [] }
    jobs.reserve(min(Int(clamping: event.rows), 1 << 24, logBytes / Self.leastJobBytes))
    return jobs.rowMemory
  }

  /// A job's record with its length, bytes: no names, no payload.
  private static let leastJobBytes = 87

  /// Applies one frame's records; each is checked before it changes anything.
  ///
  /// - Parameters:
  ///   - records: Length-prefixed records; checked by the log.
  ///   - start: Position of the first length prefix.
  ///   - logTime: Of the frame.
  ///   - epoch: Of the frame.
  ///   - startsSegment: Then it begins with `ground`: one day it may be the log's first.
  package mutating func replay(
    _ records: UnsafeRawBufferPointer, at start: LogPosition, logTime: Int64, epoch: UInt64,
    startsSegment: Bool
  ) throws(ReplayError) {
    guard !startsSegment || records.count > 4 && records[4] == Ground.kind.rawValue else {
      throw .unfit("ground, a segment's first record", "\(records.count) bytes that do not begin with one", start)
    }
    guard (now.log...RecordBounds.time).contains(logTime) else {
      throw .unfit("a frame of log time \(now.log) or later", "\(logTime)", start)
    }
    now.log = logTime
    var at = 0
    while at < records.count {
      guard records.count - at >= 4 else {
        throw .unfit(
          "a record's length", "\(records.count - at) bytes", LogPosition(rawValue: start.rawValue + UInt64(at)))
      }
      let length = Int(UInt32(littleEndian: records.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      let position = LogPosition(rawValue: start.rawValue + UInt64(at) + 4)
      guard length > 0, length <= records.count - at - 4 else {
        throw .unfit("a record that fits its frame", "\(length) bytes", position)
      }
      let content = UnsafeRawBufferPointer(rebasing: records[(at + 4)..<(at + 4 + length)])
      try replay(record: content, at: position)
      at += 4 + length
    }
    guard epoch == self.epoch else { throw .unfit("a frame of epoch \(self.epoch)", "epoch \(epoch)", start) }
  }

  private mutating func replay(record: UnsafeRawBufferPointer, at position: LogPosition) throws(ReplayError) {
    guard let kind = RecordKind(of: record) else {
      throw .unknown(kind: record[0], position)
    }
    guard hasGround || kind == .ground else { throw .unfit("ground, the log's first record", "\(kind)", position) }
    try kind.record.replay(record, into: &self, at: position)
  }
}

/// What a replay found that the log cannot say if it is whole, or if this release wrote it.
package struct ReplayError: Error, Sendable {
  /// The record.
  package var position: LogPosition
  package var expected: String
  package var found: String
  /// A kind of record that this release does not know. Checksums vouch for it: a newer release wrote it.
  package var unknownKind: UInt8?

  @inline(never)
  static func unknown(kind: UInt8, _ position: LogPosition) -> ReplayError {
    ReplayError(position: position, expected: "a known kind of record", found: "kind \(kind)", unknownKind: kind)
  }

  @inline(never)
  static func unfit(_ expected: String, _ found: String, _ position: LogPosition) -> ReplayError {
    ReplayError(position: position, expected: expected, found: found)
  }
}
