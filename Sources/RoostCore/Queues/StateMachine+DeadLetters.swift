/// Queues that take what failed in another: instead of being DEAD, or after some attempts, a job begins anew there.
extension StateMachine {
  /// A failed attempt ends: the job waits for the next, is DEAD, or goes to the queue that takes such jobs.
  ///
  /// - Parameter pause: Milliseconds until RETRY is due.
  mutating func endFailed(
    _ slot: Slot, _ outcome: Outcome, _ next: JobState, text: ByteRange, _ checksum: UInt32, pause: Int64 = 0,
    _ step: inout Step
  ) {
    guard next != .cancelled, let queue = deadLetterQueue(of: slot, isDead: next == .dead, &step) else {
      return end(slot, outcome, next, text: text, checksum, pause: pause, &step)
    }
    end(slot, outcome, .dead, text: text, checksum, isForGood: false, &step)
    move(slot, to: queue, beginsAnew: true, &step)
  }

  /// The name of the queue that takes a job whose attempt failed; nil: it stays. A queue that goes, or for which there is no
  /// room, takes none.
  private mutating func deadLetterQueue(
    of slot: Slot, isDead: Bool, _ step: inout Step
  ) -> UnsafeRawBufferPointer? {
    let queue = queue(of: slot)
    guard let setup = setup(queue)?.pointee, let after = setup.settings[.deadLetter],
      isDead || after > 0 && jobs.hot(slot).pointee.attempts >= after, !defects.contains(.deadLetterIgnored)
    else { return nil }
    let name = reasons.bytes(setup.deadLetter)
    return takes(name, from: queue, &step) ? name : nil
  }

  /// Whether a queue can take jobs of another; it is made room for.
  private mutating func takes(_ name: UnsafeRawBufferPointer, from queue: UInt32, _ step: inout Step) -> Bool {
    let target = queueNames.find(name)
    if target != .none {
      guard target != queue, !queues[Int(target)].isDraining,
        self.setup(target)?.pointee.settings[.groupOrdered] == nil || groups.slotLimit < Self.mostOrderedGroups
      else { return false }
    }
    return makeRoom(for: name, &step)
  }

  /// Puts a job into another queue.
  ///
  /// - Parameter beginsAnew: It is READY there, with all its attempts before it; otherwise it stays in its state.
  mutating func move(_ slot: Slot, to queue: UnsafeRawBufferPointer, beginsAnew: Bool, _ step: inout Step) {
    let row = jobs.hot(slot)
    let isListed = beginsAnew || row.pointee.state == JobState.ready.rawValue
    let event = Moved(
      number: row.pointee.number, base: row.pointee.base, order: isListed ? nextOrder : row.pointee.order,
      beginsAnew: beginsAnew, queue: queue)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}
