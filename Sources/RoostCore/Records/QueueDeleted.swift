/// A queue without jobs was deleted, with its settings, pause and totals.
struct QueueDeleted: LogRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueDeleted }
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
    guard queue != .none, state.queues[Int(queue)].exists else { return }
    let jobs = state.queues[Int(queue)].jobs
    guard jobs == 0 else { throw .unfit("a queue without jobs", "one with \(jobs)", place.position) }
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    let queue = state.queueNames.find(name)
    guard queue != .none, state.queues[Int(queue)].exists else { return }
    if let setup = state.setup(queue) {
      if setup.pointee.isPaused { state.reasons.release(setup.pointee.reason) }
      (setup.pointee.isPaused, setup.pointee.settings) = (false, QueueSettings())
      state.closeSetup(queue)
    }
    QueueForgotten.apply(to: queue, in: &state)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let queue = state.queueNames.find(name)
    if queue != .none, state.queues[Int(queue)].jobs == 0 { apply(to: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    return out
  }
}
