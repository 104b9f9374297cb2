extension Command {
  /// The stub of a key, to be written again at the end of the log.
  package struct CarryStub: Sendable, BitwiseCopyable {
    package var hash: KeyHash
    /// What the stub must still say when the copy is written.
    package var base: LogPosition
    /// `KeyFields`, empty where there are none.
    package var fields: ByteRange

    package init(hash: KeyHash, base: LogPosition, fields: ByteRange) {
      self.hash = hash
      self.base = base
      self.fields = fields
    }
  }
}

extension Command.CarryStub: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.carryStub(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func carryStub(_ command: Command.CarryStub, _ ticket: UInt64, _ step: inout Step) {
    let entry = keys.find(command.hash)
    guard entry != .none, keys.entry(entry).pointee.isStub else { return step.answer(ticket, .carried(true)) }
    let stub = stubs.pointer(keys.entry(entry).pointee.target)
    guard stub.pointee.base == command.base.rawValue else { return step.answer(ticket, .carried(true)) }
    let event = CarriedStub(
      hash: command.hash, fingerprint: keys.entry(entry).pointee.fingerprint, stub: stub.pointee,
      keyFields: step.bytes(command.fields))
    stub.pointee.base = event.encode(into: &step.records).position.rawValue
    step.answer(ticket, .carried(true))
  }
}
