/// A worker that waits for a job, or a reader that waits for a job's end; lost on a crash, like its connection.
struct Waiter: BitwiseCopyable {
  var ticket: UInt64
  /// Of those who wait at one time, who came earlier has the smaller one.
  var order: Int64 = 0
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
    waitsBegun += 1
    view[waiter].pointee.order = waitsBegun
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

  /// The job that goes before the others of all queues in which a worker waits. Its links run from the queue that it
  /// listed last to the first.
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
    let order = waiters.pointer(firstWaiter(queue)).pointee.order
    hungry.insert(queue, deadline: defects.contains(.waitersPassedOver) ? .max : order)
  }

  private func firstWaiter(_ queue: UInt32) -> Slot {
    waitLinks.pointer(queues[Int(queue)].firstWait).pointee.waiter
  }

  /// Gives READY jobs to the workers that wait for them: the one who has waited longest, of all queues, gets the best of
  /// its own, so that in none of them another goes before who came earlier. Where leases are refused, where jobs that are
  /// too late hide the others, or a step would grow too large, their queues stay hungry.
  mutating func feed(_ step: inout Step) {
    endGroupWaits()
    endRateWaits()
    lateLeft = Self.mostLate
    var hidden: [UInt32] = []
    let mostLeases = nextLease + Self.leasesPerFeed
    while let next = hungry.minimum, !conditions.refusesLeases, nextLease < mostLeases {
      let queue = next.slot
      guard queues[Int(queue)].firstWait != .none, firstReady(queue) != .none else {
        hungry.popMinimum()
        queues[Int(queue)].isHungry = false
        if queues[Int(queue)].firstWait != .none { awaitRate(queue) }
        continue
      }
      let waiter = firstWaiter(queue)
      let cell = waiters.pointer(waiter).pointee
      // Whoever was the first of the queue before has left: later ones came later.
      guard cell.order == next.deadline || defects.contains(.waitersPassedOver) else {
        hungry.popMinimum()
        hungry.insert(queue, deadline: cell.order)
        continue
      }
      let slot = first(of: cell)
      // What waited for the one that leaves may become READY: for somebody who has waited longer.
      if buryIfLate(slot, &step) { continue }
      guard mayBegin(slot) else {
        hungry.popMinimum()
        hidden.append(queue)
        continue
      }
      serve(waiter, slot, &step)
      unpark(waiter: waiter)
    }
    for queue in hidden { hungry.insert(queue, deadline: 0) }
    // Of those that were too late.
    if !endedJobs.isEmpty { answerEnds(&step) }
    if !schedules.ended.isEmpty { endRuns(&step) }
  }

  /// Bounds what waiting workers add to a step, with the deliveries of one: the store keeps room for as much again by
  /// `decideDue`.
  private static let leasesPerFeed = UInt64(1_000 - Command.LeaseDeliveries.mostJobs)

  /// Gives a waiting worker a job, and others behind it if it wished for several.
  private mutating func serve(_ waiter: Slot, _ slot: Slot, _ step: inout Step) {
    let cell = waiters.pointer(waiter).pointee
    let terms = LeaseTerms(
      milliseconds: cell.leaseMilliseconds, worker: workerNames.bytes(cell.worker), keyID: keyNames.bytes(cell.keyID))
    guard cell.maxJobs > 0 else { return step.answer(cell.ticket, .leased(grant(slot, terms, &step))) }
    var several = Several(first: step.grants.count, jobs: cell.maxJobs, bytes: cell.maxBytes)
    var next = slot
    while take(next, terms, &several, &step) {
      next = self.next(behind: several)
      guard next == .none else { continue }
      next = first(of: cell)
      while buryIfLate(next, &step) { next = first(of: cell) }
      // What waited for one that left may be for somebody who has waited longer.
      if !mayBegin(next) || hungry.minimum?.deadline ?? .max < cell.order { break }
    }
    step.answer(cell.ticket, several.answer(step))
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
