/// The first sector of every segment: which log, which segment, which format, how long. Written once, never changed.
package struct SegmentHeader: Hashable, Sendable {
  /// "ROOSTWAL" as the bytes stand.
  package static let magic: UInt64 = 0x4C41_5754_534F_4F52
  private static let checksumOffset = 60

  package var log: LogIdentity
  package var segment: UInt32
  /// The length to which the file was filled with zeros before it got its name; it may grow beyond, never shrink.
  package var bytes: UInt32

  /// The whole sector.
  package func encoded() -> [UInt8] {
    var sector = [UInt8](repeating: 0, count: LogFormat.segmentHeaderBytes)
    sector.withUnsafeMutableBytes { bytes in
      bytes.setField(0, SegmentHeader.magic)
      bytes.setField(8, LogFormat.major)
      bytes.setField(10, LogFormat.minor)
      bytes.setField(12, segment)
      bytes.setField(16, log.low)
      bytes.setField(24, log.high)
      bytes.setField(32, UInt32(LogFormat.segmentHeaderBytes))
      bytes.setField(36, self.bytes)
      let covered = UnsafeRawBufferPointer(rebasing: bytes[..<SegmentHeader.checksumOffset])
      bytes.setField(SegmentHeader.checksumOffset, Checksum.of(covered))
    }
    return sector
  }

  /// Reads and checks a segment's first sector.
  ///
  /// - Throws: `corrupt` where the checksum does not match; `unknownVersion` for another major under a right one.
  package init(decoding bytes: UnsafeRawBufferPointer, file: String) throws(LogError) {
    guard bytes.count >= LogFormat.segmentHeaderBytes else {
      throw .corrupt(
        file, at: 0, expected: "a segment header of \(LogFormat.segmentHeaderBytes) bytes",
        found: "the file's end at \(bytes.count)")
    }
    let magic = bytes.field(0, as: UInt64.self)
    guard magic == SegmentHeader.magic else {
      throw .corrupt(file, at: 0, expected: "the magic ROOSTWAL", found: "bytes \(hexadecimal(magic.byteSwapped))")
    }
    let stored = bytes.field(SegmentHeader.checksumOffset, as: UInt32.self)
    let actual = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<SegmentHeader.checksumOffset]))
    guard stored == actual else {
      throw .corrupt(
        file, at: SegmentHeader.checksumOffset, expected: "header checksum \(hexadecimal(actual))",
        found: hexadecimal(stored))
    }
    let major = bytes.field(8, as: UInt16.self)
    guard major == LogFormat.major else {
      throw .unknownVersion(file: file, major: major, minor: bytes.field(10))
    }
    log = LogIdentity(bytes.field(16), bytes.field(24))
    segment = bytes.field(12)
    self.bytes = bytes.field(36)
    guard (1...LogFormat.mostSegments).contains(segment) else {
      throw .corrupt(
        file, at: 12, expected: "a segment number from 1 to \(LogFormat.mostSegments)", found: "\(segment)")
    }
  }

  package init(log: LogIdentity, segment: UInt32, bytes: UInt32) {
    self.log = log
    self.segment = segment
    self.bytes = bytes
  }

  /// Reads the header of an open segment.
  static func read(_ file: DiskFile, on disk: any Disk) throws(LogError) -> SegmentHeader {
    let sector = UnsafeMutableRawBufferPointer.allocate(byteCount: LogFormat.segmentHeaderBytes, alignment: 8)
    defer { sector.deallocate() }
    let filled = try fill(sector, from: file, at: 0, on: disk)
    return try SegmentHeader(decoding: UnsafeRawBufferPointer(rebasing: sector[..<filled]), file: file.name)
  }

  /// The same, and it must be this segment of this log, in its full length.
  static func checked(
    _ file: DiskFile, on disk: any Disk, log: LogIdentity, segment: UInt32
  ) throws(LogError) -> SegmentHeader {
    let found = try read(file, on: disk)
    guard found.log == log else {
      throw .corrupt(file.name, at: 16, expected: "a segment of log \(log)", found: "one of log \(found.log)")
    }
    guard found.segment == segment else {
      throw .corrupt(file.name, at: 12, expected: "segment number \(segment)", found: "number \(found.segment)")
    }
    try found.checkLength(of: file, on: disk)
    return found
  }

  /// Frames at the end of a file that was cut short might be missed by nobody.
  func checkLength(of file: DiskFile, on disk: any Disk) throws(LogError) {
    let length = try onDisk { () throws(DiskError) in try disk.size(file) }
    guard length >= Int(bytes) else {
      throw .corrupt(file.name, at: length, expected: "a file of \(bytes) bytes or more", found: "the file's end")
    }
  }
}

/// Reads until the buffer is full or the file ends.
///
/// - Returns: Bytes read.
func fill(
  _ buffer: UnsafeMutableRawBufferPointer, from file: DiskFile, at offset: Int, on disk: any Disk
) throws(LogError) -> Int {
  var filled = 0
  while filled < buffer.count {
    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
    let read = try onDisk { () throws(DiskError) in try disk.read(file, into: rest, at: offset + filled) }
    if read == 0 { break }
    filled += read
  }
  return filled
}
