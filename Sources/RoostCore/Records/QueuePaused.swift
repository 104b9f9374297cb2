/// A queue gives no jobs from here on; also written again at the end of a trimmed log.
struct QueuePausedEvent {
  /// Wall time, milliseconds.
  var at: Int64
  /// Wall time at which it goes on by itself, milliseconds; 0: never.
  var until: Int64
  /// Why, as whoever paused it said; UTF-8, at most 255 bytes.
  var reason: UnsafeRawBufferPointer
  var name: UnsafeRawBufferPointer

  static let mostBytes = 1 + 8 + 8 + 1 + 2 * Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.queuePaused, atMost: Self.mostBytes)
    out.put(at)
    out.put(until)
    out.put(UInt8(reason.count))
    out.put(reason)
    out.put(name)
    _ = records.close(out)
  }

  init(at: Int64, until: Int64, reason: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer) {
    self.at = at
    self.until = until
    self.reason = reason
    self.name = name
  }

  init(_ reader: inout RecordReader) {
    at = reader.get()
    until = reader.get()
    reason = reader.get(count: Int(reader.get(UInt8.self)))
    name = reader.rest
  }
}

extension StateMachine {
  func checkFields(_ event: QueuePausedEvent, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(event.name.count), isWall(event.at), event.until >= 0, isWall(event.until)
    else {
      throw unfit("a queue's pause", "since \(event.at) until \(event.until)", position)
    }
  }

  mutating func apply(_ event: QueuePausedEvent) {
    let queue = queueForSetup(event.name)
    let setup = openSetup(queue)
    let reason = reasons.intern(event.reason)
    if setup.pointee.isPaused { reasons.release(setup.pointee.reason) }
    (setup.pointee.isPaused, setup.pointee.reason) = (true, reason)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (event.at, event.until)
    guard isLive else { return }
    if event.until > 0 { pauseHeap.insert(queue, deadline: event.until.nanoseconds) }
    noteChange(queue)
  }
}

extension RecordDescriber {
  func queuePaused(_ event: QueuePausedEvent) -> RecordDescription {
    var out = RecordDescription(kind: "queuePaused")
    out.add("queue", name: event.name)
    out.add("at_ms", event.at)
    out.add("until_ms", event.until)
    out.add("reason", content: event.reason)
    return out
  }
}
