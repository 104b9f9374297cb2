/// An ordered, durable sequence of frames with one writer: append at (epoch, expected sequence), trim before.
///
/// Replay is part of opening, as only the implementation knows how it begins. A replicated journal implements the same.
package protocol Journal: AnyObject {
  /// The sequence that the next record gets; what an append expects.
  var nextSequence: UInt64 { get }

  /// The largest frame, header and padding included, that `commit` takes.
  var frameLimitBytes: Int { get }

  /// Decides where the next frame will stand, before its first record is made.
  func prepareFrame(expectedBytes: Int) throws(LogError) -> FrameStart

  /// Appends the prepared frame. On return it is durable; `LogError.fenced` means that it was not and will not be.
  func commit(
    _ frame: UnsafeMutableRawBufferPointer, recordBytes: Int, recordCount: Int, stamp: FrameStamp
  ) throws(LogError)

  /// Gives up everything before a segment; durable on return.
  func trim(before segment: UInt32) throws(LogError)

  /// Keeps a segment readable while the result lives.
  func pin(_ segment: UInt32) -> SegmentFile
}
