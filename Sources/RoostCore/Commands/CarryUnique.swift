extension Command {
  /// What holds a key after its job was purged, to be written again at the end of the log.
  package struct CarryUnique: Sendable, BitwiseCopyable {
    package var hash: KeyHash
    /// What the stub must still say when the copy is written.
    package var base: LogPosition

    package init(hash: KeyHash, base: LogPosition) {
      self.hash = hash
      self.base = base
    }
  }
}

extension Command.CarryUnique: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let cell = state.uniques.find(hash)
    if cell != .none, state.uniques.cell(cell).pointee.isStub, state.base(ofUnique: cell) == base.rawValue {
      let stub = state.stubs.pointer(state.uniques.cell(cell).pointee.job)
      let event = CarriedUnique(hash: hash, stub: stub.pointee)
      stub.pointee.base = event.encode(into: &step.records).position.rawValue
    }
    step.answer(ticket, .carried(true))
  }
}
