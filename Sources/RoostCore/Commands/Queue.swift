extension Command {
  /// What one queue holds; who may see it is decided before.
  package struct Queue: Sendable, BitwiseCopyable {
    package var name: ByteRange

    package init(name: ByteRange) { self.name = name }
  }
}

extension Command.Queue: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.readQueue(name, ticket, &step)
  }
}

extension StateMachine {
  /// What a queue holds; no queue in the answer when there is none. O(levels of priority).
  mutating func readQueue(_ name: ByteRange, _ ticket: UInt64, _ step: inout Step) {
    let first = Int32(step.queues.count)
    let queue = queueNames.find(step.bytes(name))
    if queue != .none, queues[Int(queue)].exists {
      var image = image(ofQueue: queue)
      image.pauseReason = step.copy(pauseReason(queue))
      image.deadLetter = step.copy(deadLetterName(setup(queue)?.pointee))
      image.target = step.copy(targetBytes(setup(queue)?.pointee))
      step.queues.append(image)
    }
    step.answer(ticket, .queues(first: first, count: Int32(step.queues.count) - first))
  }
}
