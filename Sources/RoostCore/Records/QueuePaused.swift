/// A queue gives no jobs from here on; also written again at the end of a trimmed log.
struct QueuePaused: LogRecord {
  /// Wall time, milliseconds.
  var at: Int64
  /// Wall time at which it goes on by itself, milliseconds; 0: never.
  var until: Int64
  /// Why, as whoever paused it said; UTF-8, at most 255 bytes.
  var reason: UnsafeRawBufferPointer
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queuePaused }
  static var layout: [RecordField] { [8, 8, 1, 1] }

  // MARK: Bytes

  static let mostBytes = 1 + 8 + 8 + 1 + 2 * Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(at)
    out.put(until)
    out.put(UInt8(reason.count))
    out.put(reason)
    out.put(name)
    records.close(out)
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

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(name.count), RecordBounds.isWall(at), until >= 0, RecordBounds.isWall(until)
    else { throw .unfit("a queue's pause", "since \(at) until \(until)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    let queue = state.queueForSetup(name)
    let setup = state.openSetup(queue)
    let known = state.reasons.intern(reason)
    if setup.pointee.isPaused { state.reasons.release(setup.pointee.reason) }
    (setup.pointee.isPaused, setup.pointee.reason) = (true, known)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (at, until)
    guard state.isLive else { return }
    if until > 0 { state.pauseHeap.insert(queue, deadline: until.nanoseconds) }
    // Pauses that ended before their time leave entries behind.
    if state.pauseHeap.count > 2 * state.setups.count + 64 { state.listPauses() }
    state.noteChange(queue)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(to: &state) }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    QueuePaused(whole: record).map {
      var event = LoggedEvent(.queuePaused, .queue($0.name))
      event.reason = $0.reason
      return event
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    out.add("at_ms", at)
    out.add("until_ms", until)
    out.add("reason", content: reason)
    return out
  }
}
