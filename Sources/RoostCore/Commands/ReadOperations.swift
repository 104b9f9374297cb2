extension Command {
  /// Shows an operation, or all of them by their numbers.
  package struct ReadOperations: Sendable, BitwiseCopyable {
    /// 0: all.
    package var id: UInt64

    package init(id: UInt64) { self.id = id }
  }
}

extension Command.ReadOperations: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.operations.count
    for operation in state.operations.within(id == 0 ? 0...UInt64.max : id...id) {
      step.operations.append(state.image(of: operation, &step))
    }
    step.answer(ticket, .operations(first: Int32(first), count: Int32(step.operations.count - first)))
  }
}
