/// One segment's open file. Whoever holds a reference can read it, also after the log has unlinked it.
///
/// Safe from every thread: the handle never changes and reads carry their offset. It is closed with the last reference.
package final class SegmentFile: Sendable {
  package let number: UInt32
  let disk: any Disk
  let file: DiskFile

  init(number: UInt32, file: DiskFile, disk: any Disk) {
    self.number = number
    self.file = file
    self.disk = disk
  }

  deinit {
    disk.close(file)
  }

  package var name: String { file.name }

  /// The segment's header.
  package func header() throws(LogError) -> SegmentHeader { try SegmentHeader.read(file, on: disk) }

  /// Reads bytes of a record, waiting for the device where it must.
  ///
  /// - Parameters:
  ///   - position: Anywhere in this segment.
  ///   - count: At most what the buffer holds.
  /// - Throws: `io`, or `corrupt` where the file ends before the last byte.
  package func read(
    _ position: RecordPosition, count: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(LogError) {
    precondition(position.segment == number, "a position of segment \(position.segment) read in segment \(number)")
    let whole = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    let filled = try fill(whole, from: file, at: Int(position.offset), on: disk)
    guard filled == count else {
      throw .corrupt(
        name, at: Int(position.offset) + filled, expected: "\(count - filled) more bytes of a record",
        found: "the end of the file")
    }
  }

  /// Reads the same if no wait for the device is needed.
  ///
  /// - Returns: Whether all bytes are in the buffer; false means nothing, neither error nor end.
  package func readIfCached(
    _ position: RecordPosition, count: Int, into buffer: UnsafeMutableRawBufferPointer
  ) -> Bool {
    precondition(position.segment == number, "a position of segment \(position.segment) read in segment \(number)")
    let whole = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    return disk.tryReadCached(file, into: whole, at: Int(position.offset)) == count
  }
}
