import RoostCore
import RoostLog
import RoostSimulation

/// A segment's frames with their checksums not compared: whatever stands in them is walked, decoded and described, as if
/// it had been written so. What the records would make of the state is `RecordOracle`'s question.
enum SegmentOracle {
  /// The segments of a small log; what a run begins with.
  static let samples: [[UInt8]] = DirectoryOracle.sweep.files.filter { $0.name.hasSuffix(".wal") }.map {
    Array($0.bytes.dropFirst(LogFormat.segmentHeaderBytes))
  }

  static func problem(with bytes: [UInt8]) -> String? {
    var describer = RecordDescriber()
    return bytes.withUnsafeBytes { all in
      var offset = 0
      while offset + FrameHeader.bytes <= all.count {
        let begin = offset + FrameHeader.bytes
        let header = FrameHeader(decoding: UnsafeRawBufferPointer(rebasing: all[offset..<begin]))
        guard header.frameBytes >= FrameHeader.bytes, Int(header.recordBytes) <= all.count - begin else { return nil }
        let records = UnsafeRawBufferPointer(rebasing: all[begin..<(begin + Int(header.recordBytes))])
        let start = RecordPosition(segment: header.segment, offset: header.offset &+ UInt32(FrameHeader.bytes))
        if let problem = describe(records, at: start, &describer) { return problem }
        offset += header.frameBytes
      }
      return nil
    }
  }

  private static func describe(
    _ records: UnsafeRawBufferPointer, at start: RecordPosition, _ describer: inout RecordDescriber
  ) -> String? {
    var walk = FrameRecords(records, start: start)
    var bytes = 0
    while let (position, content) = walk.next() {
      bytes += LogFormat.recordLengthBytes + content.count
      if position.rawValue &- start.rawValue != UInt64(bytes - content.count) { return "a record at \(position)" }
      _ = describer.describe(content)
    }
    return walk.isWhole == (bytes == records.count) ? nil : "\(bytes) of \(records.count) bytes were walked"
  }
}

/// A small data directory with some of its bytes changed: it opens with the right state, or is refused.
enum DirectoryOracle {
  /// The directory of a daemon that was killed a second after its last answer.
  static let sweep: DamageSweep = {
    do { return try DamageSweep(seed: 6, operations: 120, ending: .idle) } catch {
      preconditionFailure("the sample directory cannot be made: \(error)")
    }
  }()

  /// Each change is six bytes: file, what to do, place (2), how much, with what.
  static let changeBytes = 6

  static func problem(with bytes: [UInt8]) -> String? {
    var files = sweep.files
    for change in 0..<min(8, bytes.count / changeBytes) {
      let fields = bytes[(change * changeBytes)..<((change + 1) * changeBytes)].map { Int($0) }
      let index = fields[0] % files.count
      let size = files[index].bytes.count
      guard size > 0 else { continue }
      let place = (fields[2] << 8 | fields[3]) * size / 65_536
      let end = min(size, place + max(1, fields[4]))
      switch fields[1] % 6 {
      case 0: files[index].bytes[place] ^= UInt8(max(1, fields[5]))
      case 1: for byte in place..<end { files[index].bytes[byte] = UInt8(fields[5]) }
      case 2: files[index].bytes.removeLast(size - place)
      case 3: files[index].bytes.append(contentsOf: files[index].bytes[place..<end])
      case 4:
        // A block that was meant for another place, or another file.
        let source = files[fields[5] % files.count].bytes
        guard end <= source.count else { continue }
        files[index].bytes.replaceSubrange(place..<end, with: source[place..<end])
      default: files[index].bytes.removeSubrange(place..<end)
      }
    }
    return sweep.judge(files)
  }
}

/// A small log with its records changed, doubled, moved and taken out, its checksums right: it is refused, or what it says
/// is consistent, can be worked with, compacted and opened again; and a repair makes of it a log that opens.
enum RecordOracle {
  private static let sweep: RecordSweep = {
    do { return try RecordSweep(DamageSweep(seed: 6, operations: 200, ending: .idle)) } catch {
      preconditionFailure("the sample log cannot be made: \(error)")
    }
  }()

  /// One change of each sort: what a run begins with.
  static let samples: [[UInt8]] = {
    let changes = sweep.everyChange(recordsOfEachKind: 1)
    return stride(from: 0, to: changes.count, by: 23).map { changes[$0] }
  }()

  static func problem(with bytes: [UInt8]) -> String? { sweep.problem(with: bytes) }
}
