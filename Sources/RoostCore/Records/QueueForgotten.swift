/// A queue without jobs is gone, with its totals: it had held none for a while, or made room for another.
struct QueueForgotten: QueueNameRecord {
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueForgotten }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard let queue = try emptyQueue(in: &state, at: place.position) else { return }
    guard !state.isTold(queue) else {
      throw .unfit("a queue without settings", "one that has some", place.position)
    }
    Self.apply(to: queue, in: &state)
  }

  /// The queue is as if it had never been, but for those who wait for it.
  static func apply(to queue: UInt32, in state: inout StateMachine) {
    let id = Int(queue)
    state.forgetGroups(of: queue)
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

  /// A queue whose jobs' ends are lost stays, with them.
  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard let queue = try? emptyQueue(in: &state, at: place.position), !state.isTold(queue) else {
      return
    }
    Self.apply(to: queue, in: &state)
  }
}
