/// Stubs of keys whose window is over are forgotten, by uptime.
enum StubExpiry: DueItems {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.stubHeap.minimum.map { $0.deadline + state.credited }
  }

  static func decideFirst(in state: inout StateMachine, _ step: inout Step) -> Bool {
    guard let first = state.stubHeap.minimum, first.deadline <= state.uptime else { return false }
    _ = state.stubHeap.popMinimum()
    let entry = state.keys.entry(first.slot).pointee
    let event = KeyForgotten(hash: entry.hash, base: state.stubs.pointer(entry.target).pointee.base)
    event.encode(into: &step.records)
    event.apply(to: first.slot, in: &state)
    return true
  }
}
