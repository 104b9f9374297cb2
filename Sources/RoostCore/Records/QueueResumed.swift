/// A queue that was paused gives jobs again.
struct QueueResumed: LogRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueResumed }
  static var layout: [RecordField] { [1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 1 + name.count)
    out.put(name)
    records.close(out)
  }

  init(name: UnsafeRawBufferPointer) { self.name = name }

  init(_ reader: inout RecordReader) { name = reader.rest }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(name.count) else {
      throw .unfit("a queue's name", "\(name.count) bytes", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    apply(to: &state)
  }

  /// Where the pause stands in a segment that is gone there is none to end.
  func apply(to state: inout StateMachine) {
    let queue = state.queueNames.find(name)
    guard queue != .none, let setup = state.setup(queue), setup.pointee.isPaused else { return }
    state.reasons.release(setup.pointee.reason)
    (setup.pointee.isPaused, setup.pointee.reason) = (false, .none)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (0, 0)
    state.closeSetup(queue)
    guard state.isLive else { return }
    state.noteChange(queue)
    state.wake(queue)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(to: &state) }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    return out
  }
}
