/// Groups of queues whose settings changed, where they are many: `Limits.groupsPerStep` of them are placed in a step. It
/// writes nothing, so that a full disk does not hold the queues back.
enum GroupRegrouping: DueSource {
  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.regroupingQueues.isEmpty ? nil : state.now.log
  }

  static func itemsLeft(_ conditions: Conditions) -> Int { .max }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    var left = state.limits.groupsPerStep
    while left > 0, let queue = state.regroupingQueues.first {
      left -= max(1, state.placeSomeTurns(of: queue, atMost: left))
    }
    return 0
  }
}
