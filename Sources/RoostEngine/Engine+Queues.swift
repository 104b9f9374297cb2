import RoostCore

/// What operators say of queues.
extension Engine {
  /// Changes settings of a queue; it need not have had a job.
  ///
  /// - Parameters:
  ///   - deadLetter: The queue that takes what failed, where the change says that there is one.
  ///   - target: `PushTarget`: where jobs are delivered, where the change says that they are.
  /// - Returns: The queue as it is now; nil when nothing was said of one that does not exist.
  /// - Throws: `tooManyQueues`, `diskLow`, `memoryLow`, and what every write may meet.
  package func configure(
    queue name: String, _ change: QueueSettingsChange, deadLetter: String = "", target: [UInt8] = []
  ) async throws(Refusal) -> QueueView? {
    var asked = AskedBytes()
    let (range, settings, taker) = (asked.add(name), asked.add(change.settings.bytes), asked.add(deadLetter))
    let place = asked.add(target)
    return try await queueAsked(name, asked) { base in
      .configure(
        Command.Configure(
          name: range.from(base), settings: settings.from(base), cleared: change.clearedBits,
          deadLetter: taker.from(base), target: place.from(base)))
    }
  }

  /// Pauses a queue, also before its first job: what is RUNNING goes on, submits are taken, nothing is leased.
  ///
  /// - Parameters:
  ///   - reason: At most 255 bytes.
  ///   - until: Wall time, milliseconds; nil: until it is resumed.
  package func pause(
    queue name: String, reason: String, untilMilliseconds until: Int64?
  ) async throws(Refusal) -> QueueView {
    var asked = AskedBytes()
    let (range, text) = (asked.add(name), asked.add(reason))
    let found = try await queueAsked(name, asked) { base in
      .pause(Command.Pause(name: range.from(base), reason: text.from(base), until: until ?? 0))
    }
    guard let found else { preconditionFailure("a paused queue exists") }
    return found
  }

  /// Ends a queue's pause, if there is one.
  ///
  /// - Returns: Nil where there is no such queue.
  package func resume(queue name: String) async throws(Refusal) -> QueueView? {
    var asked = AskedBytes()
    let range = asked.add(name)
    return try await queueAsked(name, asked) { base in .resume(Command.Resume(name: range.from(base))) }
  }

  /// One queue; nil when there is none of this name.
  package func queue(_ name: String) async throws(Refusal) -> QueueView? {
    var asked = AskedBytes()
    let range = asked.add(name)
    return try await queueAsked(name, asked) { base in .queue(Command.Queue(name: range.from(base))) }
  }

  private func queueAsked(
    _ name: String, _ asked: AskedBytes, _ command: (_ base: Int) -> Command
  ) async throws(Refusal) -> QueueView? {
    let delivery = try await ask(asked.bytes, command)
    return delivery.queues.first.map { image in
      var queue = QueueView(
        image, name: name, pauseReason: delivery.text(image.pauseReason),
        deadLetter: delivery.text(image.deadLetter), target: delivery.bytes(image.target))
      queue.setAge(at: delivery.logTime)
      return queue
    }
  }
}
