/// Copies a log as it is at one moment, also of a running daemon, which neither waits for it nor knows of it.
///
/// Segments are held open while they are copied, so no trim takes them away. All but the last are never written again:
/// they may be linked instead. Of the last one the whole frames are copied, after a sync of the file that they stand
/// in: a frame that the daemon had written but not yet synced is durable in both then. Everything is checked on the
/// way. `HOLD` comes first and `HEAD` last: a copy without `HEAD` was never finished.
package struct LogBackup {
  /// What was copied.
  package struct Outcome: Sendable, Hashable {
    package var firstSegment: UInt32
    package var lastSegment: UInt32
    package var linkedSegments = 0
    package var copiedBytes = 0
    /// What was copied besides the log.
    package var others: [String] = []
    /// Up to here, exclusive, the records stand in the copy.
    package var nextSequence: UInt64
    /// Of the last frame; nil without any.
    package var stamp: FrameStamp?
  }

  private let source: any Disk
  private let target: any Disk
  private let others: [String]
  private let link: (String) -> Bool

  /// - Parameters:
  ///   - source: The data directory, best opened with `LinuxDisk(inspecting:)`.
  ///   - target: An empty directory.
  ///   - others: Files besides the log that are copied where they stand.
  ///   - link: Gives a file of the source the same name in the target; false when it cannot.
  package init(
    from source: any Disk, to target: any Disk, others: [String] = [],
    link: @escaping (String) -> Bool = { _ in false }
  ) {
    self.source = source
    self.target = target
    self.others = others
    self.link = link
  }

  /// Makes the copy; on return it is durable.
  ///
  /// - Throws: `corrupt` if the log is damaged: a damaged log is not copied.
  package func run() throws(LogError) -> Outcome {
    if let hold = try LogHold.find(on: source) { throw .onHold(hold) }
    try LogHold.backup.put(on: target)
    let snapshot = try LogSnapshot(source)
    let end = try snapshot.walk { _ in }
    // What was read may still be in the page cache alone: after this it is on the device, as in any answer.
    let last = snapshot.segments[snapshot.segments.count - 1]
    try onDisk { () throws(DiskError) in try source.sync(last.file) }
    var outcome = Outcome(
      firstSegment: snapshot.head.firstSegment, lastSegment: end.segment, nextSequence: end.nextSequence,
      stamp: end.last?.stamp)
    for segment in snapshot.segments {
      try copy(segment, usedBytes: segment.number == end.segment ? end.offset : nil, &outcome)
    }
    // After the log: whoever made a job of it had its key before.
    outcome.others = try LogFiles.copy(others, from: source, to: target)
    try onDisk { () throws(DiskError) in try target.syncDirectory() }
    let head = try HeadFile.create(snapshot.headRecord(end), on: target)
    target.close(head.file)
    return outcome
  }

  /// - Parameter usedBytes: Of the segment that may still be written; nil for one that never is again.
  private func copy(_ segment: SegmentFile, usedBytes: Int?, _ outcome: inout Outcome) throws(LogError) {
    let fileBytes = try onDisk { () throws(DiskError) in try source.size(segment.file) }
    if usedBytes == nil, link(segment.name) {
      outcome.linkedSegments += 1
      return
    }
    try LogFiles.copy(segment, bytes: usedBytes ?? fileBytes, length: fileBytes, to: target)
    outcome.copiedBytes += usedBytes ?? fileBytes
  }
}
