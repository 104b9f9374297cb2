/// A worker that waits for a job, or a reader that waits for a job's end; lost on a crash, like its connection.
struct Waiter: BitwiseCopyable {
  var ticket: UInt64
  /// Log time at which the wait is over.
  var deadline: Int64
  /// Milliseconds; 0: the job's own.
  var leaseMilliseconds: Int64 = 0
  /// As in `Command.Lease`.
  var isListed = false
  var maxJobs: Int32 = 0
  var maxBytes = 0
  var worker: UInt32 = .none
  var keyID: UInt32 = .none
  var firstLink: Slot = .none
  /// The job whose end is waited for; `.none` for a worker.
  var job: Slot = .none
  /// Others who wait for the same job's end.
  var nextOfJob: Slot = .none
  var previousOfJob: Slot = .none
}

/// A waiter's place in one queue.
struct WaitLink: BitwiseCopyable {
  var waiter: Slot
  var queue: UInt32
  var previous: Slot = .none
  var next: Slot = .none
  /// The same waiter's place in the queue that it listed before this one.
  var sibling: Slot = .none
}

/// The workers that wait for a job: each stands in the queues that it named, first come first served.
extension StateMachine {
  mutating func park(_ command: Command.Lease, _ ticket: UInt64, _ step: inout Step) {
    let names = step.bytes(command.queues)
    guard waiterCount < limits.maxWaiters else { return step.answer(ticket, .refused(.overloaded)) }
    let made = unknownNames(names)
    if made > 0 {
      // A wait for a queue that does not exist keeps its name in memory: bounded, and not when there is none left.
      guard waitedNames + made <= limits.maxWaitedNames else { return step.answer(ticket, .refused(.overloaded)) }
      guard !conditions.isMemoryLow else { return step.answer(ticket, .refused(.memoryLow)) }
    }
    let waiter = waiters.allocate(
      Waiter(
        ticket: ticket, deadline: now.log + command.waitMilliseconds.nanoseconds,
        leaseMilliseconds: command.leaseMilliseconds, isListed: command.isListed, maxJobs: command.maxJobs,
        maxBytes: command.maxBytes,
        worker: workerNames.intern(step.bytes(command.worker)),
        keyID: keyNames.intern(step.bytes(command.keyID))))
    var reader = RecordReader(names)
    while reader.at < names.count {
      let length = Int(reader.get(UInt8.self))
      let queue = openQueue(reader.get(count: length))
      link(waiter, queue)
      awaitRate(queue)
    }
    enter(waiter: waiter)
  }

  /// How many of these names nobody uses yet.
  private mutating func unknownNames(_ names: UnsafeRawBufferPointer) -> Int {
    var unknown = 0
    var reader = RecordReader(names)
    while reader.at < names.count {
      let length = Int(reader.get(UInt8.self))
      let queue = queueNames.find(reader.get(count: length))
      // A receipt may still hold the name of a queue that went.
      let isUsed = queue != .none && (queues[Int(queue)].exists || queues[Int(queue)].firstWait != .none)
      if !isUsed { unknown += 1 }
    }
    return unknown
  }

  /// A wait begins: it is found by its ticket, and ends at its deadline.
  mutating func enter(waiter: Slot) {
    let view = waiters.view
    let ticket = view[waiter].pointee.ticket
    waiterIndex.insert(waiter, at: Self.place(ticket)) {
      view[$0].pointee.ticket == ticket
    } placeOf: {
      Self.place(view[$0].pointee.ticket)
    }
    waitHeap.insert(waiter, deadline: view[waiter].pointee.deadline)
  }

  /// The waiter with a ticket, `.none` when its wait is over.
  private func waiter(of ticket: UInt64) -> Slot {
    let view = waiters.view
    return waiterIndex.find(Self.place(ticket)) { view[$0].pointee.ticket == ticket }
  }

  /// Spreads small numbers over an index.
  static func place(_ number: UInt64) -> UInt64 {
    let mixed = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
    return (mixed ^ mixed >> 32) &* 0xBF58_476D_1CE4_E5B9
  }

  private mutating func link(_ waiter: Slot, _ queue: UInt32) {
    let last = queues[Int(queue)].lastWait
    if last == .none, !queues[Int(queue)].exists { waitedNames += 1 }
    let made = waitLinks.allocate(
      WaitLink(waiter: waiter, queue: queue, previous: last, sibling: waiters.pointer(waiter).pointee.firstLink))
    waiters.pointer(waiter).pointee.firstLink = made
    queues[Int(queue)].waiters += 1
    if queues[Int(queue)].exists { noteChange(queue) }
    if last == .none { queues[Int(queue)].firstWait = made } else { waitLinks.pointer(last).pointee.next = made }
    queues[Int(queue)].lastWait = made
  }

  /// Takes a waiter out of all its queues.
  mutating func unpark(waiter: Slot) {
    if waiter == deliveries.waiter { deliveries.waiter = .none }
    let view = waiters.view
    let cell = view[waiter].pointee
    waiterIndex.remove(waiter, at: Self.place(cell.ticket)) { Self.place(view[$0].pointee.ticket) }
    defer { waiters.free(waiter) }
    guard cell.job == .none else { return leaveJob(waiter) }
    var at = cell.firstLink
    while at != .none {
      let link = waitLinks.pointer(at).pointee
      let queue = Int(link.queue)
      if link.previous == .none {
        queues[queue].firstWait = link.next
      } else {
        waitLinks.pointer(link.previous).pointee.next = link.next
      }
      if link.next == .none {
        queues[queue].lastWait = link.previous
      } else {
        waitLinks.pointer(link.next).pointee.previous = link.previous
      }
      waitLinks.free(at)
      queues[queue].waiters -= 1
      if queues[queue].exists { noteChange(link.queue) }
      if queues[queue].firstWait == .none, !queues[queue].exists { waitedNames -= 1 }
      closeQueue(link.queue)
      at = link.sibling
    }
    workerNames.release(cell.worker)
    keyNames.release(cell.keyID)
  }

  /// The job that a waiter gets, if any of its queues has one that is not too late. Its links run from the queue that it listed last to the
  /// first.
  private mutating func best(of waiter: Waiter, _ step: inout Step) -> Slot {
    var slot = first(of: waiter)
    while buryIfLate(slot, &step) { slot = first(of: waiter) }
    return mayBegin(slot) ? slot : .none
  }

  private func first(of waiter: Waiter) -> Slot {
    let isListed = waiter.isListed && !defects.contains(.listedOrderIgnored)
    var best = Slot.none
    var at = waiter.firstLink
    while at != .none {
      let link = waitLinks.pointer(at).pointee
      let slot = firstReady(link.queue)
      if slot != .none, best == .none || isListed || goesBefore(slot, best) { best = slot }
      at = link.sibling
    }
    return best
  }

  /// A job became READY: workers that wait for the queue are met at the end of the command.
  mutating func wake(_ queue: UInt32) {
    if queues[Int(queue)].parked.first != .none { unpark(fromQueue: queue) }
    guard queues[Int(queue)].firstWait != .none, !queues[Int(queue)].isHungry else { return }
    queues[Int(queue)].isHungry = true
    hungry.append(queue)
  }

  /// Gives READY jobs to the workers that wait for them. Where leases are refused, or a step would grow too large,
  /// their queues stay hungry.
  mutating func feed(_ step: inout Step) {
    endGroupWaits()
    lateLeft = Self.mostLate
    var fed = 0
    let mostLeases = nextLease + Self.leasesPerFeed
    // A job that is given may let another of its queue go, so that the list grows meanwhile.
    while fed < hungry.count {
      let queue = hungry[fed]
      while queues[Int(queue)].firstWait != .none, firstReady(queue) != .none {
        guard !conditions.refusesLeases, nextLease < mostLeases else {
          hungry.removeFirst(fed)
          return
        }
        // What is too late is put to rest by itself, and the queue is met then. Who waits for it is not to get a job of
        // another queue in its stead: others may have waited longer for that.
        guard firstInTime(queue, &step) != .none else { break }
        let waiter = waitLinks.pointer(queues[Int(queue)].firstWait).pointee.waiter
        guard serve(waiter, &step) else { break }
        unpark(waiter: waiter)
      }
      if queues[Int(queue)].firstWait != .none { awaitRate(queue) }
      queues[Int(queue)].isHungry = false
      fed += 1
    }
    hungry.removeAll(keepingCapacity: true)
  }

  /// The first job of a queue; those before it that are too late are put to rest, as many as a step may.
  private mutating func firstInTime(_ queue: UInt32, _ step: inout Step) -> Slot {
    var slot = firstReady(queue)
    while buryIfLate(slot, &step) { slot = firstReady(queue) }
    return mayBegin(slot) ? slot : .none
  }

  /// Bounds what waiting workers add to a step, with the deliveries of one: the store keeps room for as much again by
  /// `decideDue`.
  private static let leasesPerFeed = UInt64(1_000 - Command.LeaseDeliveries.mostJobs)

  /// Gives a waiting worker what it wished for.
  ///
  /// - Returns: False where all that there is is too late.
  private mutating func serve(_ waiter: Slot, _ step: inout Step) -> Bool {
    let cell = waiters.pointer(waiter).pointee
    let terms = LeaseTerms(
      milliseconds: cell.leaseMilliseconds, worker: workerNames.bytes(cell.worker), keyID: keyNames.bytes(cell.keyID))
    // Another of its queues may have got a job that goes before.
    let slot = best(of: cell, &step)
    guard slot != .none else { return false }
    guard cell.maxJobs > 0 else {
      step.answer(cell.ticket, .leased(grant(slot, terms, &step)))
      return true
    }
    var several = Several(first: step.grants.count, jobs: cell.maxJobs, bytes: cell.maxBytes)
    var next = slot
    while take(next, terms, &several, &step) {
      next = self.next(behind: several)
      if next == .none { next = best(of: cell, &step) }
    }
    step.answer(cell.ticket, several.answer(step))
    return true
  }

  /// A wait is over: a worker is told that there is nothing, a reader how the job is.
  mutating func endWait(_ ticket: UInt64, _ step: inout Step) {
    let waiter = waiter(of: ticket)
    guard waiter != .none else { return }
    let job = waiters.pointer(waiter).pointee.job
    unpark(waiter: waiter)
    step.answer(ticket, job == .none ? .nothing : .job(image(job, &step)))
  }

  /// Ends the waits whose time is over. Writes nothing, so that a full disk does not prolong them.
  package mutating func endDueWaits(_ step: inout Step) {
    while let first = waitHeap.minimum, first.deadline <= now.log {
      _ = waitHeap.popMinimum()
      endWaitInHeap(first.slot, first.deadline, &step)
    }
  }

  /// An entry of the heap may be of a waiter that left earlier; its cell may even be another's by now.
  mutating func endWaitInHeap(_ waiter: Slot, _ deadline: Int64, _ step: inout Step) {
    guard waiters.hasMemory(waiter) else { return }
    let cell = waiters.pointer(waiter).pointee
    guard self.waiter(of: cell.ticket) == waiter, cell.deadline == deadline else { return }
    endWait(cell.ticket, &step)
  }
}
