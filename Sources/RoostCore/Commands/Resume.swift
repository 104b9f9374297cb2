extension Command {
  /// Ends a queue's pause, if there is one.
  package struct Resume: Sendable, BitwiseCopyable {
    package var name: ByteRange

    package init(name: ByteRange) { self.name = name }
  }
}

extension Command.Resume: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    let queue = state.queueNames.find(step.bytes(name))
    if queue != .none, state.setup(queue)?.pointee.isPaused == true { state.resume(queue: queue, &step) }
    state.readQueue(name, ticket, &step)
  }
}
