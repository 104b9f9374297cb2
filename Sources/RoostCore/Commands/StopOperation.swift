extension Command {
  /// Ends an operation where it is.
  package struct StopOperation: Sendable, BitwiseCopyable {
    /// 1 or more.
    package var id: UInt64

    package init(id: UInt64) { self.id = id }
  }
}

extension Command.StopOperation: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    if var operation = state.operations.running.first(where: { $0.id == id }) {
      (operation.phase, operation.endedAt) = (.stopped, state.now.wall)
      state.advance(operation, &step)
    }
    Command.ReadOperations(id: id).decide(in: &state, ticket, &step)
  }
}
