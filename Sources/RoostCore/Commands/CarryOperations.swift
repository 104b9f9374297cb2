extension Command {
  /// The operations with some numbers, to be written again in each trim.
  package struct CarryOperations: Sendable, BitwiseCopyable {
    fileprivate var first: UInt64
    fileprivate var last: UInt64
    /// Of those that there were when the trim began.
    fileprivate static let most = 8
  }
}

extension Command.CarryOperations: StateCommand {
  var mostBytes: Int { Self.most * (OperationBegan.mostBytes + OperationAdvanced.mostBytes + 8) + 1_024 }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    for operation in state.operations.within(first...last)
    where !state.defects.contains(.operationNotCarried) {
      state.began(operation).encode(into: &step.records)
      OperationAdvanced(operation).encode(into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  /// What carries all operations, piece by piece.
  var operationCarries: [Command] {
    let all = operations.within(0...UInt64.max).map(\.id)
    return stride(from: 0, to: all.count, by: Command.CarryOperations.most).map {
      let last = all[min($0 + Command.CarryOperations.most, all.count) - 1]
      return .carryOperations(Command.CarryOperations(first: all[$0], last: last))
    }
  }

  fileprivate func began(_ operation: Operation) -> OperationBegan {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return OperationBegan(
      id: operation.id, at: operation.startedAt, kind: operation.kind, states: operation.states,
      before: operation.before, bound: operation.bound, limit: operation.limit,
      queue: operation.queue == .none ? none : queueNames.bytes(operation.queue),
      type: operation.type == .none ? none : typeNames.bytes(operation.type),
      owner: operation.owner == .none ? none : ownerNames.bytes(operation.owner),
      group: operation.group.map { nameOfFilter($0) } ?? none,
      target: operation.target == .none ? none : queueNames.bytes(operation.target))
  }
}
