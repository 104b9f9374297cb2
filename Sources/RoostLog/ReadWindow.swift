/// A buffer that slides over a file, so that bytes are read in large pieces and looked at in place.
/// The unsafe memory of all reading lives here and in no other type.
final class ReadWindow {
  /// Reading in pieces that stay in the second-level cache is faster than in larger ones.
  static let pieceBytes = 1 << 20

  private var buffer: UnsafeMutableRawBufferPointer
  private var segment: SegmentFile?
  /// File offset of the buffer's first byte, and how many bytes are valid.
  private var start = 0
  private var filled = 0
  /// File offset behind which nothing is read.
  var limit = Int.max

  init() {
    buffer = .allocate(byteCount: ReadWindow.pieceBytes, alignment: 16)
  }

  deinit {
    buffer.deallocate()
  }

  /// Turns to another file and forgets what was read.
  func look(at segment: SegmentFile) {
    self.segment = segment
    start = 0
    filled = 0
  }

  /// Bytes of the file from an offset; fewer than asked for only at its end. Valid until the next call.
  ///
  /// - Parameter ahead: Gives all that is there, at least `count`.
  func bytes(at offset: Int, count: Int, ahead: Bool = false) throws(LogError) -> UnsafeRawBufferPointer {
    if offset < start || offset + count > start + filled { try slide(to: offset, count: count) }
    let available = start + filled - offset
    let length = ahead ? available : min(count, available)
    return UnsafeRawBufferPointer(rebasing: buffer[(offset - start)..<(offset - start + length)])
  }

  private func slide(to offset: Int, count: Int) throws(LogError) {
    guard let segment else { preconditionFailure("a window looks at a file before it is read") }
    let kept = offset >= start && offset < start + filled ? start + filled - offset : 0
    if count > buffer.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count + ReadWindow.pieceBytes, alignment: 16)
      if kept > 0 {
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[(offset - start)..<(offset - start + kept)]))
      }
      buffer.deallocate()
      buffer = larger
    } else if kept > 0, let base = buffer.baseAddress {
      base.copyMemory(from: base + (offset - start), byteCount: kept)
    }
    start = offset
    filled = kept
    while filled < count, start + filled < limit {
      let end = min(buffer.count, limit - start)
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<end])
      let at = start + filled
      let read = try onDisk { () throws(DiskError) in try segment.disk.read(segment.file, into: rest, at: at) }
      if read == 0 { break }
      filled += read
    }
  }
}

/// Whether all bytes are zero; eight at a time.
func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
  var at = 0
  while at + 64 <= bytes.count {
    var any: UInt64 = 0
    for word in 0..<8 { any |= bytes.loadUnaligned(fromByteOffset: at + word * 8, as: UInt64.self) }
    if any != 0 { return false }
    at += 64
  }
  return bytes[at...].allSatisfy { $0 == 0 }
}
