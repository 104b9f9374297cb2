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
  /// CRC32C of `text`, sealed with the job number and all other fields: an entry is read by itself, outside its frame.
  package var checksum: UInt32
  package var worker: UnsafeRawBufferPointer

  package static let fixedBytes = 1 + 2 + 8 + 8 + 4 + 4 + 1
  package static let checksumOffset = 1 + 2 + 8 + 8 + 4
  /// The longest text kept for any but the newest entry when a job is carried, bytes.
  package static let keptTextBytes = 1_024
  /// Entries kept when a job is carried.
  package static let keptEntries = 20
  /// An `ended` record whose text was cut to that, with the longest name of a worker.
  static let mostCutRecordBytes = 64 + fixedBytes + keptTextBytes + Int(UInt8.max)
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

  // MARK: Checksum

  /// Puts the seal on the CRC32C of `text`.
  package mutating func seal(_ textChecksum: UInt32, number: UInt64) { checksum = textChecksum ^ seal(number) }

  /// The CRC32C of `text`, 0 without text, as the seal says it.
  func textChecksum(number: UInt64) -> UInt32 { checksum ^ seal(number) }

  /// Whether all fields are those that were written for this job.
  ///
  /// - Parameter checksum: CRC32C.
  package func isSound(_ number: UInt64, checksum: (UnsafeRawBufferPointer) -> UInt32) -> Bool {
    (text.isEmpty ? 0 : checksum(text)) ^ seal(number) == self.checksum
  }

  /// Every step is a bijection for a given value, so a change of one field always changes the 64 bits.
  private func seal(_ number: UInt64) -> UInt32 {
    var mixed = UInt64(checksumSeal(number))
    func mix(_ value: UInt64) {
      mixed = (mixed ^ value) &* 0x9E37_79B9_7F4A_7C15
      mixed ^= mixed >> 32
    }
    mix(UInt64(outcome.rawValue) << 24 | UInt64(attempt) << 8 | UInt64(UInt8(truncatingIfNeeded: worker.count)))
    mix(UInt64(bitPattern: leasedAt))
    mix(UInt64(bitPattern: endedAt))
    var at = 0
    while at < worker.count {
      var part: UInt64 = 0
      for byte in worker[at..<min(at + 8, worker.count)] { part = part << 8 | UInt64(byte) }
      mix(part)
      at += 8
    }
    return UInt32(truncatingIfNeeded: mixed)
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
  /// Of the history records since the last carry what the next one would keep, bytes.
  var historyTotal: UInt32 = 0
  /// The record with what the worker last said of its progress; 0 when it said nothing in this attempt.
  var report: UInt64 = 0
  var reportBytes: UInt32 = 0
  /// Milliseconds of the last pause before a retry.
  var pause: UInt32 = 0
  /// Interned names.
  var worker: UInt32 = 0
  var keyID: UInt32 = 0
  /// CRC32C of the result or error with which the last lease ended; 0 for none.
  var said: UInt32 = 0
  /// `Outcome` of the last lease; 0 while it is held.
  var lastOutcome: UInt8 = 0
}
