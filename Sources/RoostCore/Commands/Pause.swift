extension Command {
  /// Pauses a queue, or changes why and until when.
  package struct Pause: Sendable, BitwiseCopyable {
    package var name: ByteRange
    /// At most 255 bytes.
    package var reason: ByteRange
    /// Wall time, milliseconds; 0: until it is resumed.
    package var until: Int64

    package init(name: ByteRange, reason: ByteRange, until: Int64) {
      self.name = name
      self.reason = reason
      self.until = until
    }
  }
}

extension Command.Pause: StateCommand {
  var mostBytes: Int { QueuePaused.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    guard state.mayChange(queue: name, ticket, &step) else { return }
    let event = QueuePaused(
      at: state.now.wall, until: until, reason: step.bytes(reason), name: step.bytes(name))
    event.encode(into: &step.records)
    event.apply(to: &state)
    state.readQueue(name, ticket, &step)
  }
}
