/// An ordered, durable sequence of frames with one writer, and the segments in which this process keeps it: all that the
/// store knows of where its records go. `SegmentedLog`, the log in a directory, is the one there is; one that is kept by
/// others, too, appends to theirs and to its own segments, and throws `fenced` where they follow another writer.
///
/// Replay is part of opening, as only the implementation knows how it begins.
package protocol Journal: AnyObject {
  var identity: LogIdentity { get }
  /// What opening set aside of the last segment, if its tail was torn.
  var tornTail: TornTail? { get }

  // MARK: Appending

  /// The sequence that the next record gets; what an append expects.
  var nextSequence: UInt64 { get }
  /// Of the last frame, or of the clean stop; nil where nothing was ever committed.
  var lastStamp: FrameStamp? { get }
  /// The largest frame, header and padding included, that `commit` takes.
  var frameLimitBytes: Int { get }

  /// Decides where the next frame will stand, before its first record is made.
  ///
  /// - Throws: `outOfSpace` where there is no room for it; the journal stays usable then.
  func prepareFrame(expectedBytes: Int) throws(LogError) -> FrameStart

  /// Appends the prepared frame. On return it is durable; `LogError.fenced` means that it was not and will not be.
  func commit(
    _ frame: UnsafeMutableRawBufferPointer, recordBytes: Int, recordCount: Int, stamp: FrameStamp
  ) throws(LogError)

  /// Marks a clean stop; nothing may be called after it.
  func stop(_ stamp: FrameStamp) throws(LogError)

  // MARK: What was written

  /// Of the segments that there are, without gaps.
  var firstSegment: UInt32 { get }
  var currentSegment: UInt32 { get }
  /// Bytes of all frames.
  var totalBytes: UInt64 { get }
  /// The size of a segment, bytes.
  func segmentBytes(_ number: UInt32) -> Int

  /// Keeps a segment readable while the result lives.
  func pin(_ segment: UInt32) -> SegmentFile
  /// Gives up everything before a segment; durable on return.
  func trim(before segment: UInt32) throws(LogError)

  // MARK: Room

  /// The size in which segments are made now, bytes.
  var segmentBytes: Int { get }
  /// Spare segments, and how many there should be.
  var space: SpaceState { get }
  /// Whether a segment was wanted that could not be made.
  var isShortOfSpace: Bool { get }
  /// Whether there is room for many segments more, so that it may keep more than it must.
  var hasMuchSpace: Bool { get }
  /// What the current segment may take beyond its size, bytes.
  func roomToGrow() throws(LogError) -> Int
  /// Makes segments ahead, on a thread of its own.
  var provisioner: SegmentProvisioner { get }
  /// One piece of that work at once. Returns whether there is more.
  func provision() throws(LogError) -> Bool
}

extension Journal {
  /// How long ago a live segment's last frame was written, log time in nanoseconds, as the next one's first frame says it;
  /// nil where there is none, or it cannot be read.
  package func age(ofSegment number: UInt32) -> Int64? {
    guard number >= firstSegment, number < currentSegment, segmentBytes(number + 1) > LogFormat.segmentHeaderBytes,
      let next = try? pin(number + 1).firstFrame(), let now = lastStamp?.logTime
    else { return nil }
    return max(0, now - next.stamp.logTime)
  }
}
