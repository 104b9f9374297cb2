extension Command {
  /// Counts what an operation would match, in slices.
  package struct CountMatching: Sendable, BitwiseCopyable {
    package var selection: JobSelection
    /// Where to go on, as the slice before says; 0: from the beginning.
    package var pass: UInt8 = 0
    package var cursor: UInt64 = 0

    package init(_ selection: JobSelection) { self.selection = selection }

    /// Masks of sets that a slice looks at: some 50 µs.
    fileprivate static let masks = 4_096
    /// Jobs that are shown.
    fileprivate static let shown = 10
  }
}

extension Command.CountMatching: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.jobs.count
    var counted = Answer.Counted(first: Int32(first), count: 0, matches: 0, pass: pass, cursor: cursor, isOver: true)
    if var wanted = state.operation(of: selection, step) {
      wanted.pass = pass
      if cursor > 0 { wanted.cursor = min(cursor, wanted.bound) }
      var masks = Self.masks
      while let slot = state.nextMatch(of: &wanted, masks: &masks, isCount: true) {
        counted.matches += 1
        if step.jobs.count - first < Self.shown { step.jobs.append(state.image(slot, &step)) }
      }
      (counted.pass, counted.cursor, counted.isOver) = (wanted.pass, wanted.cursor, wanted.hasLookedAtAll)
    }
    counted.count = Int32(step.jobs.count - first)
    step.answer(ticket, .counted(counted))
  }
}
