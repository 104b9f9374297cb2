extension Command {
  /// Shows the jobs of which an operation must know more than the machine does.
  package struct ReadPiece: Sendable, BitwiseCopyable {
    package init() {}
  }
}

extension Command.ReadPiece: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let piece = state.nextPiece()
    guard piece.id > 0, let operation = state.operations.find(piece.id) else { return step.answer(ticket, .nothing) }
    let first = step.jobs.count
    for item in piece.items { step.jobs.append(state.image(state.jobs.find(item.number), &step)) }
    let text = operation.text.withUnsafeBytes { step.copy($0) }
    step.answer(
      ticket,
      .piece(
        Answer.Piece(
          operation: piece.id, text: text, first: Int32(first), count: Int32(piece.items.count), from: piece.from,
          end: piece.end)))
  }
}
