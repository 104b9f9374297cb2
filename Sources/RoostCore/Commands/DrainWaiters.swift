extension Command {
  /// Every wait ends, and none begins: the daemon stops.
  package struct DrainWaiters: Sendable, BitwiseCopyable {
    package init() {}
  }
}

extension Command.DrainWaiters: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.drainWaiters(ticket, &step)
  }
}

extension StateMachine {
  /// Ends every wait, and lets none begin.
  fileprivate mutating func drainWaiters(_ ticket: UInt64, _ step: inout Step) {
    isDraining = true
    while let first = waitHeap.popMinimum() { endWaitInHeap(first.slot, first.deadline, &step) }
    step.answer(ticket, .nothing)
  }
}
