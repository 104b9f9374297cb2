/// A worker got the job.
struct LeasedEvent {
  var number: UInt64
  var base: UInt64
  var lease: LeaseID
  var deadline: Int64
  /// Nanoseconds.
  var duration: Int64
  /// Wall time, milliseconds.
  var at: Int64
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.leased, atMost: 64 + worker.count + keyID.count)
    out.put(number)
    out.put(base)
    out.put(lease.epoch)
    out.put(lease.number)
    out.put(deadline)
    out.put(duration)
    out.put(at)
    out.put(UInt8(truncatingIfNeeded: worker.count))
    out.put(UInt8(truncatingIfNeeded: keyID.count))
    out.put(worker)
    out.put(keyID)
    _ = records.close(out)
  }

  init(
    number: UInt64, base: UInt64, lease: LeaseID, deadline: Int64, duration: Int64, at: Int64,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.base = base
    self.lease = lease
    self.deadline = deadline
    self.duration = duration
    self.at = at
    self.worker = worker
    self.keyID = keyID
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    lease = LeaseID(epoch: reader.get(), number: reader.get())
    deadline = reader.get()
    duration = reader.get()
    at = reader.get()
    let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    worker = reader.get(count: Int(workerBytes))
    keyID = reader.get(count: Int(keyBytes))
  }
}

/// An attempt ended: acknowledged, failed, expired, handed back or undelivered. Or a waiting job was cancelled, or a
/// running one marked.
struct EndedEvent {
  var number: UInt64
  var base: UInt64
  var next: JobState
  /// Milliseconds of the pause before a retry, for decorrelated jitter.
  var pause: UInt32
  /// Where the job now stands in its list; unchanged for RETRY and SCHEDULED.
  var order: UInt64
  /// RETRY, SCHEDULED: log time; ACKED, CANCELLED: uptime at which it may leave; else 0.
  var deadline: Int64
  /// Uptime at the end.
  var uptime: Int64
  /// The record that holds the history before this entry; 0 when there is none.
  var previous: UInt64
  var previousBytes: UInt32
  var entry: HistoryEntry

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    var (out, position) = records.open(.ended, atMost: 64 + entry.encodedBytes)
    out.put(number)
    out.put(base)
    out.put(next.rawValue)
    out.put(pause)
    out.put(order)
    out.put(deadline)
    out.put(uptime)
    out.put(previous)
    out.put(previousBytes)
    entry.encode(into: &out)
    return (position, records.close(out))
  }

  init(
    number: UInt64, base: UInt64, next: JobState, pause: UInt32, order: UInt64, deadline: Int64, uptime: Int64,
    previous: UInt64, previousBytes: UInt32, entry: HistoryEntry
  ) {
    self.number = number
    self.base = base
    self.next = next
    self.pause = pause
    self.order = order
    self.deadline = deadline
    self.uptime = uptime
    self.previous = previous
    self.previousBytes = previousBytes
    self.entry = entry
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    guard let next = JobState(rawValue: reader.get()) else { return nil }
    self.next = next
    pause = reader.get()
    order = reader.get()
    deadline = reader.get()
    uptime = reader.get()
    previous = reader.get()
    previousBytes = reader.get()
    guard let entry = HistoryEntry(&reader) else { return nil }
    self.entry = entry
  }
}

/// A lease was extended.
struct ExtendedEvent {
  var number: UInt64
  var base: UInt64
  var deadline: Int64
  var duration: Int64
  /// Wall time of the deadline, milliseconds; missing in records of earlier versions.
  var until: Int64?

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.extended, atMost: 48)
    out.put(number)
    out.put(base)
    out.put(deadline)
    out.put(duration)
    if let until { out.put(until) }
    _ = records.close(out)
  }

  init(number: UInt64, base: UInt64, deadline: Int64, duration: Int64, until: Int64?) {
    self.number = number
    self.base = base
    self.deadline = deadline
    self.duration = duration
    self.until = until
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    deadline = reader.get()
    duration = reader.get()
    until = reader.isAtEnd ? nil : reader.get()
  }
}

/// A worker said how far it is; also how a carried job keeps what was said.
struct ReportedEvent {
  var number: UInt64
  var base: UInt64
  /// CRC32C of `text`, sealed with the job number.
  var checksum: UInt32
  var text: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) -> (position: LogPosition, bytes: UInt32) {
    var (out, position) = records.open(.reported, atMost: 24 + text.count)
    out.put(number)
    out.put(base)
    out.put(checksum)
    out.put(text)
    return (position, records.close(out))
  }

  init(number: UInt64, base: UInt64, checksum: UInt32, text: UnsafeRawBufferPointer) {
    self.number = number
    self.base = base
    self.checksum = checksum
    self.text = text
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    checksum = reader.get()
    text = reader.rest
  }
}

/// A waiting or finished job became READY: due, hastened, or (attempts begin anew) replayed.
struct ReadiedEvent {
  var number: UInt64
  var base: UInt64
  var order: UInt64
  var isReplay: Bool

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.readied, atMost: 32)
    out.put(number)
    out.put(base)
    out.put(order)
    out.put(UInt8(isReplay ? 1 : 0))
    _ = records.close(out)
  }

  init(number: UInt64, base: UInt64, order: UInt64, isReplay: Bool) {
    self.number = number
    self.base = base
    self.order = order
    self.isReplay = isReplay
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    order = reader.get()
    isReplay = reader.get(UInt8.self) != 0
  }
}
