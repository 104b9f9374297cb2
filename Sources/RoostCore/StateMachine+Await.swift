/// Waiting for the end of a job: a reader parks until the job is ACKED, DEAD or CANCELLED, or its time is over.
extension StateMachine {
  /// Answers with the job as soon as it has ended; at once where there is nothing to wait for.
  mutating func awaitEnd(
    _ job: JobRef, _ viewer: ViewerRef, _ milliseconds: Int64, _ ticket: UInt64, _ step: inout Step
  ) {
    let slot = find(job, viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    let hasEnded = JobState(rawValue: jobs.hot(slot).pointee.state)!.isFinished
    if hasEnded || milliseconds <= 0 || isDraining { return step.answer(ticket, .job(image(slot, &step))) }
    guard waiters.count < limits.maxWaiters else { return step.answer(ticket, .refused(.overloaded)) }
    let first = endWaits[slot] ?? .none
    let waiter = waiters.allocate(
      Waiter(ticket: ticket, deadline: now.log + milliseconds.nanoseconds, job: slot, nextOfJob: first))
    if first != .none { waiters.pointer(first).pointee.previousOfJob = waiter }
    endWaits[slot] = waiter
    waiterOfTicket[ticket] = waiter
    waitHeap.insert(waiter, deadline: waiters.pointer(waiter).pointee.deadline)
  }

  /// A job came to its end: those who wait for it are answered at the end of the command.
  mutating func noteEnd(_ slot: Slot) {
    if !endWaits.isEmpty, endWaits[slot] != nil { endedJobs.append(slot) }
  }

  /// Answers everyone who waits for a job that has ended in this command.
  mutating func answerEnds(_ step: inout Step) {
    for slot in endedJobs {
      while let waiter = endWaits[slot] { endWait(waiters.pointer(waiter).pointee.ticket, &step) }
    }
    endedJobs.removeAll(keepingCapacity: true)
  }

  /// Takes a waiter off the list of its job.
  mutating func leaveJob(_ cell: Waiter) {
    if cell.nextOfJob != .none { waiters.pointer(cell.nextOfJob).pointee.previousOfJob = cell.previousOfJob }
    if cell.previousOfJob != .none {
      waiters.pointer(cell.previousOfJob).pointee.nextOfJob = cell.nextOfJob
    } else {
      endWaits[cell.job] = cell.nextOfJob == .none ? nil : cell.nextOfJob
    }
  }
}
