/// A queue that was paused gives jobs again.
struct QueueResumedEvent {
  var name: UnsafeRawBufferPointer

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.queueResumed, atMost: 1 + name.count)
    out.put(name)
    _ = records.close(out)
  }

  init(name: UnsafeRawBufferPointer) { self.name = name }

  init(_ reader: inout RecordReader) { name = reader.rest }
}

extension StateMachine {
  func checkFields(_ event: QueueResumedEvent, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(event.name.count) else {
      throw unfit("a queue's name", "\(event.name.count) bytes", position)
    }
  }

  /// Where the pause stands in a segment that is gone there is none to end.
  mutating func apply(_ event: QueueResumedEvent) {
    let queue = queueNames.find(event.name)
    guard queue != .none, let setup = setup(queue), setup.pointee.isPaused else { return }
    reasons.release(setup.pointee.reason)
    (setup.pointee.isPaused, setup.pointee.reason) = (false, .none)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (0, 0)
    closeSetup(queue)
    guard isLive else { return }
    noteChange(queue)
    wake(queue)
  }
}

extension RecordDescriber {
  func queueResumed(_ event: QueueResumedEvent) -> RecordDescription {
    var out = RecordDescription(kind: "queueResumed")
    out.add("queue", name: event.name)
    return out
  }
}
