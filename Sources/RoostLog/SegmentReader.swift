/// Reads one segment from front to back in large pieces and checks every frame.
///
/// It judges bytes by themselves (checksums, places, lengths); how frames follow each other is `FrameChain`'s part.
final class SegmentReader {
  /// What stands at an offset.
  enum Finding {
    /// A whole frame; the bytes of its records are valid until the next call.
    case frame(FrameHeader, records: UnsafeRawBufferPointer)
    /// Zeros from here to the end of the file.
    case end
    /// Something else.
    case invalid(Corruption)
  }

  let number: UInt32
  let fileBytes: Int
  private let name: String
  private let segment: SegmentFile
  private let window: ReadWindow
  private let seeds: ChecksumSeeds
  private let defects: Set<LogDefect>

  /// - Parameter window: Its buffer is used again from segment to segment.
  init(
    _ segment: SegmentFile, log: LogIdentity, window: ReadWindow, defects: Set<LogDefect> = []
  ) throws(LogError) {
    self.defects = defects
    number = segment.number
    name = segment.name
    self.segment = segment
    self.window = window
    seeds = ChecksumSeeds(log: log, segment: segment.number)
    fileBytes = try onDisk { () throws(DiskError) in try segment.disk.size(segment.file) }
    window.look(at: segment)
  }

  func finding(at offset: Int) throws(LogError) -> Finding {
    let bytes = try window.bytes(at: offset, count: FrameHeader.bytes)
    guard bytes.count == FrameHeader.bytes, bytes.field(0, as: UInt64.self) != 0 else {
      return try findingWithoutHeader(at: offset)
    }
    if let corruption = headerCorruption(bytes, at: offset) { return .invalid(corruption) }
    // From here on the header's length is verified and may be believed.
    let header = FrameHeader(decoding: bytes)
    guard header.frameBytes <= fileBytes - offset else {
      return .invalid(
        corruption(
          offset, expected: "a frame of \(header.frameBytes) bytes",
          found: "the end of the file after \(fileBytes - offset)"))
    }
    let frame = try window.bytes(at: offset, count: header.frameBytes)
    guard frame.count == header.frameBytes else {
      return .invalid(corruption(offset + frame.count, expected: "the rest of a frame", found: "the end of the file"))
    }
    let covered = UnsafeRawBufferPointer(rebasing: frame[FrameHeader.bytes...])
    let actual = Checksum.of(covered, seed: seeds.at(offset + FrameHeader.bytes))
    guard actual == header.recordsChecksum || defects.contains(.noRecordsChecksum) else {
      return .invalid(
        corruption(
          offset + FrameHeader.bytes, expected: "records with checksum \(hexadecimal(header.recordsChecksum))",
          found: "\(hexadecimal(actual)) over \(covered.count) bytes"))
    }
    return .frame(header, records: UnsafeRawBufferPointer(rebasing: covered[..<Int(header.recordBytes)]))
  }

  /// Reads the place again, and says whether a whole frame stands there by now.
  func isWholeNow(at offset: Int) throws(LogError) -> Bool {
    window.look(at: segment)
    if case .frame = try finding(at: offset) { return true }
    return false
  }

  /// The header of a frame that need not be whole; nil when the header itself is not.
  func header(at offset: Int) throws(LogError) -> FrameHeader? {
    let bytes = try window.bytes(at: offset, count: FrameHeader.bytes)
    guard bytes.count >= FrameHeader.bytes, headerCorruption(bytes, at: offset) == nil else { return nil }
    return FrameHeader(decoding: bytes)
  }

  /// Where the frame at an offset ends, as its header says; nil when the header is not whole.
  func statedEnd(at offset: Int) throws(LogError) -> Int? {
    try header(at: offset).map { offset + $0.frameBytes }
  }

  /// Bytes whose checksum does not match; fewer than asked for at the end of the file. Valid until the next call.
  func unchecked(at offset: Int, count: Int) throws(LogError) -> UnsafeRawBufferPointer {
    try window.bytes(at: offset, count: min(count, max(0, fileBytes - offset)))
  }

  /// The first offset behind this one at which a frame's header is whole.
  func nextHeader(after offset: Int) throws(LogError) -> Int? {
    var candidate = offset + LogFormat.alignment
    while candidate + FrameHeader.bytes <= fileBytes {
      let bytes = try window.bytes(at: candidate, count: FrameHeader.bytes, ahead: true)
      guard bytes.count >= FrameHeader.bytes else { return nil }
      var inside = 0
      while inside + FrameHeader.bytes <= bytes.count {
        let header = UnsafeRawBufferPointer(rebasing: bytes[inside...])
        if FrameHeader.isMarked(header), headerCorruption(header, at: candidate + inside) == nil {
          return candidate + inside
        }
        inside += LogFormat.alignment
      }
      candidate += inside
    }
    return nil
  }

  /// The end of the last byte that is not zero, from an offset on; nil when all are.
  func lastUsedByte(from offset: Int) throws(LogError) -> Int? {
    var last: Int?
    var at = offset
    while at < fileBytes {
      let bytes = try window.bytes(at: at, count: 1, ahead: true)
      if bytes.isEmpty { break }
      if !isZero(bytes), let index = bytes.lastIndex(where: { $0 != 0 }) { last = at + index + 1 }
      at += bytes.count
    }
    return last
  }

  private func firstUsedByte(from offset: Int) throws(LogError) -> Int? {
    var at = offset
    while at < fileBytes {
      let bytes = try window.bytes(at: at, count: 1, ahead: true)
      if bytes.isEmpty { break }
      if !isZero(bytes), let index = bytes.firstIndex(where: { $0 != 0 }) { return at + index }
      at += bytes.count
    }
    return nil
  }

  private func findingWithoutHeader(at offset: Int) throws(LogError) -> Finding {
    guard let used = try firstUsedByte(from: offset) else { return .end }
    return .invalid(
      corruption(used, expected: "a frame at byte \(offset), or zeros to the end of the file", found: "other bytes"))
  }

  /// Why these bytes are no header of a frame at this place; nil when they are.
  private func headerCorruption(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Corruption? {
    guard FrameHeader.isMarked(bytes) else {
      return corruption(
        offset, expected: "a frame's magic RFRM", found: "bytes \(hexadecimal(bytes.field(0, as: UInt32.self)))")
    }
    let stored = bytes.field(4, as: UInt32.self)
    let actual = FrameHeader.checksum(bytes, seed: seeds.at(offset))
    let header = FrameHeader(decoding: bytes)
    guard stored == actual || defects.contains(.noHeaderChecksum) else {
      let elsewhere = header.segment != number || header.offset != UInt32(truncatingIfNeeded: offset)
      return corruption(
        offset,
        expected: "a frame header with checksum \(hexadecimal(actual)), of segment \(number) at byte \(offset)",
        found: elsewhere
          ? "\(hexadecimal(stored)), a frame that says segment \(header.segment), byte \(header.offset)"
          : hexadecimal(stored))
    }
    guard header.segment == number, header.offset == UInt32(truncatingIfNeeded: offset) else {
      return corruption(
        offset, expected: "a frame of segment \(number), byte \(offset)",
        found: "one of segment \(header.segment), byte \(header.offset)")
    }
    // The memory that a frame takes, and sums over its fields, are bounded by what a daemon can have written.
    guard header.frameBytes <= LogFormat.mostFrameBytes,
      UInt64(header.recordCount) * UInt64(LogFormat.recordLengthBytes) <= UInt64(header.recordBytes),
      header.firstSequence <= LogFormat.mostCounted, header.stamp.epoch <= LogFormat.mostCounted
    else {
      return corruption(
        offset, expected: "a frame that a daemon can have written",
        found: "\(header.recordCount) records in \(header.recordBytes) bytes, sequence \(header.firstSequence), "
          + "epoch \(header.stamp.epoch)")
    }
    return nil
  }

  private func corruption(_ offset: Int, expected: String, found: String) -> Corruption {
    Corruption(file: name, offset: offset, expected: expected, found: found)
  }
}

/// How frames follow each other through all segments: sequence, checksum of the frame before, epoch.
struct FrameChain {
  /// nil before the first frame: what came before it was trimmed.
  private(set) var last: FrameHeader?
  private let defects: Set<LogDefect>

  init(defects: Set<LogDefect> = []) { self.defects = defects }

  /// The sequence that the next frame begins with.
  var nextSequence: UInt64 { last?.nextSequence ?? 0 }
  var checksum: UInt32 { last?.checksum ?? 0 }

  /// Takes the next frame in, or says why it cannot be the next.
  mutating func accept(_ header: FrameHeader, file: String) -> Corruption? {
    if let last, !defects.contains(.noChainCheck) {
      let offset = Int(header.offset)
      guard header.firstSequence == last.nextSequence else {
        return Corruption(
          file: file, offset: offset, expected: "a frame that begins with sequence \(last.nextSequence)",
          found: "sequence \(header.firstSequence)")
      }
      guard header.previousChecksum == last.checksum else {
        return Corruption(
          file: file, offset: offset, expected: "a frame that follows checksum \(hexadecimal(last.checksum))",
          found: "one that follows \(hexadecimal(header.previousChecksum))")
      }
      guard header.stamp.epoch >= last.stamp.epoch else {
        return Corruption(
          file: file, offset: offset, expected: "epoch \(last.stamp.epoch) or later",
          found: "epoch \(header.stamp.epoch)")
      }
    }
    last = header
    return nil
  }

  /// Begins anew, after damage that was reported.
  mutating func restart() {
    last = nil
  }
}
