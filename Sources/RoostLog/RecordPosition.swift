/// Where a record's content lies: segment number in the upper half, byte offset in the segment's file in the lower.
/// Opaque to everyone above the log, and ordered as the records were written.
package struct RecordPosition: Comparable, Hashable, Sendable {
  package var rawValue: UInt64

  package init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// - Parameter offset: Of the content, after the record's four length bytes.
  package init(segment: UInt32, offset: UInt32) {
    rawValue = UInt64(segment) << 32 | UInt64(offset)
  }

  package var segment: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

  /// Byte offset in the segment's file.
  package var offset: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

  package static func < (left: RecordPosition, right: RecordPosition) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension RecordPosition: CustomStringConvertible {
  package var description: String { "\(SegmentName.of(segment))@\(offset)" }
}

/// Names of the files in a log directory.
/// Segments are named by number, sixteen decimal digits, so that a listing sorts as the log runs.
package enum SegmentName {
  package static let lock = "LOCK"
  package static let head = "HEAD"
  /// Says why no daemon may serve the directory; see `LogHold`.
  package static let hold = "HOLD"
  package static let unfinishedSuffix = ".tmp"
  package static let segmentSuffix = ".wal"

  /// The file of a segment.
  package static func of(_ segment: UInt32) -> String { digits(segment) + segmentSuffix }

  /// Where the torn tail of a segment is set aside.
  package static func torn(_ segment: UInt32) -> String { digits(segment) + ".torn" }

  /// The segment whose file this is; nil for every other name.
  package static func number(of name: String) -> UInt32? {
    guard name.hasSuffix(segmentSuffix), name.utf8.count == 16 + segmentSuffix.utf8.count else { return nil }
    guard let number = UInt32(name.dropLast(segmentSuffix.utf8.count)), of(number) == name,
      (1...LogFormat.mostSegments).contains(number)
    else { return nil }
    return number
  }

  private static func digits(_ segment: UInt32) -> String {
    let number = String(segment)
    return String(repeating: "0", count: 16 - number.utf8.count) + number
  }
}
