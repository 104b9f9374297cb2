extension Command {
  /// A wait ends early: whoever waited has gone.
  package struct EndWait: Sendable, BitwiseCopyable {
    /// Of the command that waits.
    package var waiting: UInt64

    package init(ticket waiting: UInt64) { self.waiting = waiting }
  }
}

extension Command.EndWait: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.endWait(waiting, &step)
  }
}
