extension Command {
  /// Hands an operation the jobs of a piece that it does match.
  package struct Choose: Sendable, BitwiseCopyable {
    /// The operation, 1 or more.
    package var id: UInt64
    /// Where it was when the piece was read, and where it goes on behind it.
    package var from: OperationChoice.Place
    package var end: OperationChoice.Place
    /// As `OperationChoice.encode` writes them.
    package var items: ByteRange
    /// Jobs that the piece had.
    package var examined: UInt32

    package init(
      id: UInt64, from: OperationChoice.Place, end: OperationChoice.Place, items: ByteRange, examined: UInt32
    ) {
      self.id = id
      (self.from, self.end, self.items, self.examined) = (from, end, items, examined)
    }
  }
}

extension Command.Choose: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard var operation = state.operations.running.first(where: { $0.id == id && $0.wantsChoice }),
      let items = OperationChoice.decode(step.bytes(items)), from == operation.place, isPossible(operation, items)
    else { return step.answer(ticket, .operations(first: 0, count: 0)) }
    // As its steps, which wait while the disk is full.
    if state.conditions.diskLevel >= (operation.kind.makesRoom ? 3 : 1) {
      return step.answer(ticket, .refused(.diskLow))
    }
    let chosen = ChosenJobs(items: items, end: end, examined: UInt64(examined))
    if items.isEmpty {
      operation.goOn(behind: chosen)
      if operation.hasLookedAtAll { (operation.phase, operation.endedAt) = (.done, state.now.wall) }
      state.advance(operation, &step)
    } else {
      state.operations.note(chosen: chosen, of: id)
    }
    Command.ReadOperations(id: id).decide(in: &state, ticket, &step)
  }

  /// Whether it goes on, and stays within what there is.
  private func isPossible(_ operation: Operation, _ items: [OperationChoice.Item]) -> Bool {
    let isFurther = end.pass == from.pass ? end.cursor < from.cursor : end.pass > from.pass
    return isFurther && end.pass <= operation.kind.states.count && end.cursor <= operation.bound
      && (items.first?.number ?? 0) < max(1, from.cursor)
      && (end.pass > from.pass || items.last.map { $0.number >= end.cursor } ?? true)
  }
}
