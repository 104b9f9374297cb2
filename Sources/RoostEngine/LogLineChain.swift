import RoostCore
import RoostLog

/// The log lines of an attempt, read back from record to record, the newest first, as far as they are kept.
package struct LogLineChain {
  /// The record that is to be read next; no position: there is none.
  package private(set) var next: (position: LogPosition, bytes: UInt32)
  private let number: UInt64
  /// The texts of the records that were read, newest first.
  private var parts: [[UInt8]] = []
  private var count = 0

  /// - Parameters:
  ///   - number: The job.
  ///   - position: Of the newest record; none: the job has no lines.
  package init(of number: UInt64, at position: LogPosition, bytes: UInt32) {
    self.number = number
    next = (position, bytes)
  }

  package var wantsMore: Bool { next.position != .none && count < AttemptLogs.keptLines }

  /// Adds the record at `next`. Returns false where it is not what was written.
  package mutating func add(_ record: [UInt8]) -> Bool {
    record.withUnsafeBytes { bytes in
      guard let lines = StoredRecord(bytes).logLines, lines.number == number,
        Checksum.of(lines.text) == lines.textChecksum, let found = AttemptLogs.lineCount(lines.text)
      else { return false }
      parts.append([UInt8](lines.text))
      count += found
      next = (lines.previous, lines.previousBytes)
      return true
    }
  }

  /// The last 64 of the lines that were read, oldest first, a line feed behind each.
  package var text: [UInt8] {
    let all = parts.reversed().flatMap { $0 }
    guard count > AttemptLogs.keptLines else { return all }
    var surplus = count - AttemptLogs.keptLines
    let start = all.firstIndex { byte in
      if surplus == 0 { return true }
      if byte == UInt8(ascii: "\n") { surplus -= 1 }
      return false
    }
    return Array(all[(start ?? all.endIndex)...])
  }

  /// The same, line by line.
  package var lines: [String] {
    text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// Gives a copy of the job these lines.
  ///
  /// - Parameter append: Puts bytes where the copy's others stand.
  package func keep(in carry: inout Command.Carry, _ append: (UnsafeRawBufferPointer) -> ByteRange) {
    let text = text
    text.withUnsafeBytes { bytes in
      carry.logText = append(bytes)
      carry.logChecksum = bytes.isEmpty ? 0 : Checksum.of(bytes)
    }
    carry.logLines = UInt8(clamping: min(count, AttemptLogs.keptLines))
  }
}

extension RecordLoader {
  /// The lines of a job's last attempt that wrote some.
  package func logLines(
    of number: UInt64, at position: LogPosition, bytes: UInt32
  ) throws(LogError) -> LogLineChain {
    var chain = LogLineChain(of: number, at: position, bytes: bytes)
    while chain.wantsMore {
      let place = chain.next.position
      guard chain.add(try record(at: place, bytes: chain.next.bytes)) else {
        throw damaged(place, expected: "log lines of job \(number), as their checksum says")
      }
    }
    return chain
  }
}
