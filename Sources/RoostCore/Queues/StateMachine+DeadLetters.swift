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
    guard queueNames.find(name) != queue else { return nil }
    return whyNotTaken(by: name, &step) == nil ? name : nil
  }

  /// Why a queue cannot take jobs of others now; nil where it can. It is made room for.
  mutating func whyNotTaken(by name: UnsafeRawBufferPointer, _ step: inout Step) -> Refusal? {
    let target = queueNames.find(name)
    if target != .none {
      if queues[Int(target)].isDraining { return .draining }
      let isOrdered = self.setup(target)?.pointee.settings[.groupOrdered] != nil
      if isOrdered, groups.slotLimit >= Self.mostOrderedGroups { return .overloaded }
    }
    return makeRoom(for: name, &step) ? nil : .tooManyQueues
  }

  /// Puts a job into another queue.
  ///
  /// - Parameter beginsAnew: It is READY there, with all its attempts before it; otherwise it stays in its state, and at
  ///   its place among the others.
  mutating func move(_ slot: Slot, to queue: UnsafeRawBufferPointer, beginsAnew: Bool, _ step: inout Step) {
    let row = jobs.hot(slot)
    let event = Moved(
      number: row.pointee.number, base: row.pointee.base, order: beginsAnew ? nextOrder : row.pointee.order,
      beginsAnew: beginsAnew, forgetsExpiry: beginsAnew && outlivesExpiry(slot), queue: queue)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }
}
