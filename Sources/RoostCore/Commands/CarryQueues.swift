extension Command {
  /// Some queues with their totals, to be written again: the last of each trim, so that skipped events precede them.
  package struct CarryQueues: Sendable, BitwiseCopyable {
    package var first: UInt32
    /// Queues that one command carries: few enough for a small segment.
    static let most = 5

    package init(first: UInt32) { self.first = first }
  }
}

extension Command.CarryQueues: StateCommand {
  var mostBytes: Int { Self.most * (320 + QueueConfigured.mostBytes + QueuePaused.mostBytes) }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.carryQueues(from: first, ticket, &step)
  }
}

extension StateMachine {
  /// What carries all quotas, operations and queues, piece by piece, a piece of the queues last; `groupCarries` follow.
  package var queueCarries: [Command] {
    quotaCarries + operationCarries + batchCarries
      + stride(from: 0, to: max(1, queues.count), by: Command.CarryQueues.most).map {
        .carryQueues(Command.CarryQueues(first: UInt32($0)))
      }
  }

  fileprivate mutating func carryQueues(from first: UInt32, _ ticket: UInt64, _ step: inout Step) {
    let piece = (Int(first)..<Int(first) + Command.CarryQueues.most).clamped(to: queues.indices)
    for id in piece where queues[id].exists && !defects.contains(.totalsNotCarried) {
      CarriedQueue(
        totals: queues[id].totals, idleSince: defects.contains(.idleTimeNotCarried) ? now.log : queues[id].idleSince,
        name: queueNames.bytes(UInt32(id))
      ).encode(into: &step.records)
      carrySetup(UInt32(id), &step)
    }
    step.answer(ticket, .carried(true))
  }
}
