/// One line of a job's history, inside the record that made it and inside `carried`.
package struct HistoryEntry {
  package var outcome: Outcome
  /// 1 for the first attempt; 0 for what is not an attempt.
  package var attempt: UInt16
  /// Wall times, milliseconds; `leasedAt` is 0 for what was not leased.
  package var leasedAt: Int64
  package var endedAt: Int64
  /// The result, the error, or the reason.
  package var text: UnsafeRawBufferPointer
  /// CRC32C of `text`, sealed with the job number.
  package var checksum: UInt32
  package var worker: UnsafeRawBufferPointer

  package static let fixedBytes = 1 + 2 + 8 + 8 + 4 + 4 + 1
  /// The longest text kept for any but the newest entry when a job is carried, bytes.
  package static let keptTextBytes = 1_024
  /// Entries kept when a job is carried.
  package static let keptEntries = 20
  var encodedBytes: Int { Self.fixedBytes + text.count + worker.count }

  func encode(into out: inout RecordWriter) {
    out.put(outcome.rawValue)
    out.put(attempt)
    out.put(leasedAt)
    out.put(endedAt)
    out.put(UInt32(truncatingIfNeeded: text.count))
    out.put(checksum)
    out.put(UInt8(truncatingIfNeeded: worker.count))
    out.put(worker)
    out.put(text)
  }

  init(
    outcome: Outcome, attempt: UInt16, leasedAt: Int64, endedAt: Int64, text: UnsafeRawBufferPointer,
    checksum: UInt32, worker: UnsafeRawBufferPointer
  ) {
    self.outcome = outcome
    self.attempt = attempt
    self.leasedAt = leasedAt
    self.endedAt = endedAt
    self.text = text
    self.checksum = checksum
    self.worker = worker
  }

  package init?(_ reader: inout RecordReader) {
    guard let outcome = Outcome(rawValue: reader.get()) else { return nil }
    self.outcome = outcome
    attempt = reader.get()
    leasedAt = reader.get()
    endedAt = reader.get()
    let textBytes = reader.get(UInt32.self)
    checksum = reader.get()
    let workerBytes = reader.get(UInt8.self)
    worker = reader.get(count: Int(workerBytes))
    text = reader.get(count: Int(textBytes))
    guard !reader.isShort else { return nil }
  }
}

/// What is known of a job's last lease and of how it ended; only for jobs that were leased or cancelled.
struct LeaseCell: BitwiseCopyable {
  var id = LeaseID(epoch: 0, number: 0)
  /// Nanoseconds.
  var duration: Int64 = 0
  /// Wall times, milliseconds.
  var leasedAt: Int64 = 0
  var endedAt: Int64 = 0
  /// Uptime when the job last ended.
  var endedUptime: Int64 = 0
  /// The record with the newest history entry; 0 when there is none.
  var history: UInt64 = 0
  var historyBytes: UInt32 = 0
  /// Bytes of all history records since the last carry.
  var historyTotal: UInt32 = 0
  /// The record with what the worker last said of its progress; 0 when it said nothing in this attempt.
  var report: UInt64 = 0
  var reportBytes: UInt32 = 0
  /// Milliseconds of the last pause before a retry.
  var pause: UInt32 = 0
  /// Interned names.
  var worker: UInt32 = 0
  var keyID: UInt32 = 0
  /// `Outcome` of the last lease; 0 while it is held.
  var lastOutcome: UInt8 = 0
}
