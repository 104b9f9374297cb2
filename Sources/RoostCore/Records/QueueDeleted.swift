/// A queue without jobs was deleted, with its settings, pause and totals.
struct QueueDeleted: QueueNameRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueDeleted }

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    QueueDeleted(whole: record).map { LoggedEvent(.queueDeleted, .queue($0.name)) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    if let queue = try emptyQueue(in: &state, at: place.position) { Self.apply(to: queue, in: &state) }
  }

  static func apply(to queue: UInt32, in state: inout StateMachine) {
    state.endPause(of: queue)
    state.setup(queue)?.pointee.settings = QueueSettings()
    state.closeSetup(queue)
    QueueForgotten.apply(to: queue, in: &state)
  }

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    if let queue = try? emptyQueue(in: &state, at: place.position) { Self.apply(to: queue, in: &state) }
  }
}
