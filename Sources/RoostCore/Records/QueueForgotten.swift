/// A queue without jobs is gone, with its totals: it had held none for a while, or made room for another.
struct QueueForgotten: LogRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueForgotten }
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
    guard name.count <= UInt8.max else { throw .unfit("a queue's name", "\(name.count) bytes", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let queue = state.queueNames.find(name)
    // All that told of it may be trimmed away.
    guard queue != .none, state.queues[Int(queue)].exists else { return }
    let jobs = state.queues[Int(queue)].jobs
    guard jobs == 0 else { throw .unfit("a queue without jobs", "one with \(jobs)", place.position) }
    guard state.queues[Int(queue)].setup == .none else {
      throw .unfit("a queue without settings", "one that has some", place.position)
    }
    Self.apply(to: queue, in: &state)
  }

  /// The queue is as if it had never been, but for those who wait for it.
  static func apply(to queue: UInt32, in state: inout StateMachine) {
    let id = Int(queue)
    if state.isLive {
      state.leaveIdle(queue)
      state.noteChange(queue)
    }
    state.queues[id].totals = QueueTotals()
    state.queues[id].activity = QueueActivity()
    state.queues[id].idleSince = -1
    state.queues[id].exists = false
    state.existingQueues -= 1
    if state.queues[id].firstWait != .none { state.waitedNames += 1 }
    state.closeQueue(queue)
  }

  // MARK: Salvage

  /// A queue whose jobs' ends are lost stays, with them.
  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let queue = state.queueNames.find(name)
    guard queue != .none, state.queues[Int(queue)].exists, state.queues[Int(queue)].jobs == 0,
      state.queues[Int(queue)].setup == .none
    else { return }
    Self.apply(to: queue, in: &state)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    return out
  }
}
