import RoostCore
import RoostLog

/// Reads what jobs carry back from the log, and checks it. Works on any thread.
package struct RecordLoader: Sendable {
  /// Live segments, oldest first, without gaps.
  private let segments: [SegmentFile]

  package init(_ segments: [SegmentFile]) { self.segments = segments }

  /// The content of a record.
  package func record(at position: LogPosition, bytes: UInt32) throws(LogError) -> [UInt8] {
    let place = RecordPosition(rawValue: position.rawValue)
    guard let first = segments.first?.number, place.segment >= first, Int(place.segment - first) < segments.count else {
      throw .corrupt(
        Corruption(
          file: SegmentName.of(place.segment), offset: Int(place.offset), expected: "a live segment",
          found: "one that was trimmed"))
    }
    return try read(segments[Int(place.segment - first)], place, Int(bytes))
  }

  /// The content of a record, if no wait for the disk is needed.
  package func cachedRecord(at position: LogPosition, bytes: UInt32) -> [UInt8]? {
    let place = RecordPosition(rawValue: position.rawValue)
    guard let first = segments.first?.number, place.segment >= first, Int(place.segment - first) < segments.count else {
      return nil
    }
    let file = segments[Int(place.segment - first)]
    var isCached = false
    let record = [UInt8](unsafeUninitializedCapacity: Int(bytes)) { memory, filled in
      isCached = file.readIfCached(place, count: Int(bytes), into: UnsafeMutableRawBufferPointer(memory))
      filled = isCached ? Int(bytes) : 0
    }
    return isCached ? record : nil
  }

  /// The `KeyFields` of a job or of a key's stub; nil where there are none, or they cannot be read.
  package func keyFields(at position: LogPosition) -> [UInt8]? {
    guard position != .none else { return nil }
    // A record's length stands before it.
    let prefix = LogPosition(rawValue: position.rawValue - 4)
    guard let length = try? record(at: prefix, bytes: 4),
      let bytes = try? record(
        at: position, bytes: length.reversed().reduce(0) { $0 << 8 | UInt32($1) })
    else { return nil }
    let fields = bytes.withUnsafeBytes { [UInt8](StoredRecord($0).keyFields) }
    return fields.isEmpty ? nil : fields
  }

  private func read(_ file: SegmentFile, _ place: RecordPosition, _ count: Int) throws(LogError) -> [UInt8] {
    var failure: LogError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      let raw = UnsafeMutableRawBufferPointer(memory)
      if !file.readIfCached(place, count: count, into: raw) {
        do throws(LogError) {
          try file.read(place, count: count, into: raw)
        } catch {
          failure = error
        }
      }
      filled = failure == nil ? count : 0
    }
    if let failure { throw failure }
    return bytes
  }

  /// A job's history, newest first: the entries of each record as they stand there.
  ///
  /// - Parameter known: A record that need not be read: the one that is being carried, with all its payload.
  package func history(
    at position: LogPosition, bytes: UInt32, known: (position: LogPosition, record: UnsafeRawBufferPointer)? = nil
  ) throws(LogError) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var next = (position, bytes)
    while next.0 != .none, found.count < HistoryEntry.keptEntries {
      if let known, known.position == next.0, let part = StoredRecord(known.record).history {
        found.append([UInt8](part.entries))
        next = (part.previous, part.previousBytes)
        continue
      }
      let record = try record(at: next.0, bytes: next.1)
      let part = record.withUnsafeBytes { bytes in
        StoredRecord(bytes).history.map { ([UInt8]($0.entries), $0.previous, $0.previousBytes) }
      }
      guard let part else { throw damaged(next.0, expected: "a record with a job's history") }
      found.append(part.0)
      next = (part.1, part.2)
    }
    return found
  }

  /// What a job's worker said of its progress; nil when it said nothing.
  package func report(
    of number: UInt64, at position: LogPosition, bytes: UInt32
  ) throws(LogError) -> StoredReport? {
    guard position != .none else { return nil }
    let record = try record(at: position, bytes: bytes)
    guard let report = StoredReport(record, of: number) else {
      throw damaged(position, expected: "the progress of job \(number), as its checksum says")
    }
    return report
  }

  /// The error for bytes of a job that are not what was written.
  package func damaged(_ position: LogPosition, expected: String) -> LogError {
    let place = RecordPosition(rawValue: position.rawValue)
    return .corrupt(
      Corruption(
        file: SegmentName.of(place.segment), offset: Int(place.offset), expected: expected, found: "other bytes"))
  }
}

/// What a worker said of its progress, read back and found to be that.
package struct StoredReport {
  package let text: [UInt8]
  /// Sealed.
  let checksum: UInt32

  init?(_ record: [UInt8], of number: UInt64) {
    let report = record.withUnsafeBytes { bytes in
      StoredRecord(bytes).report.flatMap { report in
        Checksum.of(report.text) ^ checksumSeal(number) == report.checksum
          ? ([UInt8](report.text), report.checksum) : nil
      }
    }
    guard let report else { return nil }
    (text, checksum) = report
  }
}

extension JobBodyLayout {
  /// Whether the bytes are those that were submitted as this job.
  package func isSound(_ number: UInt64) -> Bool { Checksum.of(covered) ^ checksumSeal(number) == checksum }
}
