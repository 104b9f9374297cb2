extension Command {
  /// Changes a queue's settings; the queue need not have had a job.
  package struct Configure: Sendable, BitwiseCopyable {
    package var name: ByteRange
    /// `QueueSettings.bytes`: those that get a value.
    package var settings: ByteRange
    /// `QueueSettingsChange.clearedBits`: those that return to the daemon's default.
    package var cleared: UInt64
    /// The queue that takes what failed, if the settings say that there is one.
    package var deadLetter: ByteRange
    /// `PushTarget`: where jobs are delivered, if the settings say that they are.
    package var target: ByteRange

    package init(
      name: ByteRange, settings: ByteRange, cleared: UInt64, deadLetter: ByteRange = .empty,
      target: ByteRange = .empty
    ) {
      self.name = name
      self.settings = settings
      self.cleared = cleared
      self.deadLetter = deadLetter
      self.target = target
    }
  }
}

extension Command.Configure: StateCommand {
  var mostBytes: Int { QueueConfigured.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.configure(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func configure(_ command: Command.Configure, _ ticket: UInt64, _ step: inout Step) {
    let change = QueueSettingsChange(step.bytes(command.settings), cleared: command.cleared)
    let name = step.bytes(command.name)
    let known = queueNames.find(name)
    let old = known == .none ? nil : setup(known)?.pointee
    let new = change.applied(to: old?.settings ?? QueueSettings())
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    var rate = RateState()
    if let limit = LeaseRate(new) {
      rate = old?.rate ?? rate
      if new.rate != old?.settings.rate { rate = fitted(rate, to: limit) }
    }
    let isNamed = change.settings[.deadLetter] != nil
    let taker = isNamed ? step.bytes(command.deadLetter) : new[.deadLetter] == nil ? none : deadLetterName(old)
    let target =
      change.settings[.push] != nil ? step.bytes(command.target) : new[.push] == nil ? none : targetBytes(old)
    let isSame = taker.elementsEqual(deadLetterName(old)) && target.elementsEqual(targetBytes(old))
    if new != old?.settings ?? QueueSettings() || !isSame {
      let isRegrouped =
        new[.groupOrdered] != old?.settings[.groupOrdered] || new[.groupScope] != old?.settings[.groupScope]
      if isRegrouped, known != .none, queues[Int(known)].jobs > 0 {
        return step.answer(ticket, .refused(.queueNotEmpty))
      }
      guard mayChange(queue: command.name, ticket, &step) else { return }
      let event = QueueConfigured(rate: rate, settings: new, deadLetter: taker, target: target, name: name)
      event.encode(into: &step.records)
      event.apply(to: &self)
    }
    readQueue(command.name, ticket, &step)
  }

  /// Whether there is room for what is to be said of a queue; otherwise it is refused.
  mutating func mayChange(queue name: ByteRange, _ ticket: UInt64, _ step: inout Step) -> Bool {
    let queue = queueNames.find(step.bytes(name))
    let isNew = queue == .none || !queues[Int(queue)].exists
    // What is left of the reserve belongs to the jobs that are running.
    let refusal: Refusal? =
      if queue != .none && queues[Int(queue)].isDraining {
        .draining
      } else if conditions.diskLevel >= 3 || isNew && conditions.diskLevel >= 1 {
        .diskLow
      } else if isNew && conditions.isMemoryLow {
        .memoryLow
      } else if isNew && !makeRoom(for: step.bytes(name), &step) {
        .tooManyQueues
      } else {
        nil
      }
    if let refusal { step.answer(ticket, .refused(refusal)) }
    return refusal == nil
  }
}
