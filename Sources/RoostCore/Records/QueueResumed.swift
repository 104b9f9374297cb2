/// A queue that was paused gives jobs again.
struct QueueResumed: QueueNameRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueResumed }

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    QueueResumed(whole: record).map { LoggedEvent(.queueResumed, .queue($0.name)) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    apply(to: &state)
  }

  /// Where the pause stands in a segment that is gone there is none to end.
  func apply(to state: inout StateMachine) {
    let queue = state.queueNames.find(name)
    guard queue != .none else { return }
    state.endPause(of: queue)
    state.closeSetup(queue)
    guard state.isLive else { return }
    state.noteChange(queue)
    state.wake(queue)
  }

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(to: &state) }
}
