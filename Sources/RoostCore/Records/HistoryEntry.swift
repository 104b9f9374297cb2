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

extension HistoryEntry {
  /// The entry as it stands in a record.
  var encoded: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: encodedBytes) { memory, count in
      var out = RecordWriter(at: memory.baseAddress!)
      encode(into: &out)
      count = encodedBytes
    }
  }

  /// A history shortened to what a carry keeps: 20 entries, all texts but the newest result or error and the reason
  /// of a cancel cut to 1 KiB. A cut text gets its checksum anew from `checksum`, so the old one must hold first.
  ///
  /// - Returns: Nil when a text does not match its checksum.
  package static func kept(
    _ histories: [[UInt8]], number: UInt64, checksum: (UnsafeRawBufferPointer) -> UInt32
  ) -> [UInt8]? {
    var kept = [UInt8]()
    var count = 0
    for history in histories {
      let isSound = history.withUnsafeBytes { bytes in
        var reader = RecordReader(bytes)
        while reader.at < bytes.count, count < keptEntries {
          guard var entry = HistoryEntry(&reader) else { return false }
          guard entry.isSound(number, checksum: checksum) else { return false }
          if count > 0, entry.text.count > keptTextBytes {
            entry.text = UnsafeRawBufferPointer(rebasing: entry.text.prefix(keptTextBytes))
            entry.seal(checksum(entry.text), number: number)
          }
          kept.append(contentsOf: entry.encoded)
          count += 1
        }
        return true
      }
      guard isSound else { return nil }
    }
    return kept
  }
}
