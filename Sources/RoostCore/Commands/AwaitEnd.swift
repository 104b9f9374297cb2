extension Command {
  /// A read that waits: the reader parks until the job is ACKED, DEAD or CANCELLED, or its time is over.
  package struct AwaitEnd: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var milliseconds: Int64

    package init(job: JobRef, viewer: ViewerRef, milliseconds: Int64) {
      self.job = job
      self.viewer = viewer
      self.milliseconds = milliseconds
    }
  }
}

extension Command.AwaitEnd: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.awaitEnd(self, ticket, &step)
  }
}

extension StateMachine {
  /// Answers with the job as soon as it has ended; at once where there is nothing to wait for.
  fileprivate mutating func awaitEnd(_ command: Command.AwaitEnd, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    let hasEnded = JobState(rawValue: jobs.hot(slot).pointee.state)!.isFinished
    if hasEnded || command.milliseconds <= 0 || isDraining { return step.answer(ticket, .job(image(slot, &step))) }
    guard waiterCount < limits.maxWaiters else { return step.answer(ticket, .refused(.overloaded)) }
    let first = firstEndWait(slot)
    let waiter = waiters.allocate(
      Waiter(ticket: ticket, deadline: now.log + command.milliseconds.nanoseconds, job: slot, nextOfJob: first))
    if first != .none {
      waiters.pointer(first).pointee.previousOfJob = waiter
      setFirstEndWait(first, false)
    }
    setFirstEndWait(waiter, true)
    enter(waiter: waiter)
  }

  /// The first who waits for a job's end, `.none` when nobody does.
  private func firstEndWait(_ job: Slot) -> Slot {
    let view = waiters.view
    return endWaitIndex.find(Self.place(UInt64(job))) { view[$0].pointee.job == job }
  }

  /// Enters a waiter as the first of its job, or takes it out.
  private mutating func setFirstEndWait(_ waiter: Slot, _ isFirst: Bool) {
    let view = waiters.view
    let job = view[waiter].pointee.job
    if isFirst {
      endWaitIndex.insert(waiter, at: Self.place(UInt64(job))) {
        view[$0].pointee.job == job
      } placeOf: {
        Self.place(UInt64(view[$0].pointee.job))
      }
    } else {
      endWaitIndex.remove(waiter, at: Self.place(UInt64(job))) { Self.place(UInt64(view[$0].pointee.job)) }
    }
  }

  /// Whoever waits for the end of a job waits for that of another from here on, for which nobody waits yet.
  mutating func passWaits(from job: Slot, to other: Slot) {
    guard endWaitIndex.count > 0, case let first = firstEndWait(job), first != .none else { return }
    setFirstEndWait(first, false)
    var waiter = first
    while waiter != .none {
      waiters.pointer(waiter).pointee.job = other
      waiter = waiters.pointer(waiter).pointee.nextOfJob
    }
    setFirstEndWait(first, true)
  }

  /// A job came to its end: those who wait for it are answered at the end of the command.
  mutating func noteEnd(_ slot: Slot) {
    if schedules.hasRuns { noteRunEnd(slot) }
    if !graph.isEmpty { noteDependencyEnd(slot) }
    if endWaitIndex.count > 0, firstEndWait(slot) != .none { endedJobs.append(slot) }
  }

  /// Answers everyone who waits for a job that has ended in this command.
  mutating func answerEnds(_ step: inout Step) {
    for slot in endedJobs {
      while case let waiter = firstEndWait(slot), waiter != .none {
        endWait(waiters.pointer(waiter).pointee.ticket, &step)
      }
    }
    endedJobs.removeAll(keepingCapacity: true)
  }

  /// Takes a waiter off the list of its job.
  mutating func leaveJob(_ waiter: Slot) {
    let cell = waiters.pointer(waiter).pointee
    if cell.nextOfJob != .none { waiters.pointer(cell.nextOfJob).pointee.previousOfJob = cell.previousOfJob }
    if cell.previousOfJob != .none {
      waiters.pointer(cell.previousOfJob).pointee.nextOfJob = cell.nextOfJob
    } else {
      setFirstEndWait(waiter, false)
      if cell.nextOfJob != .none { setFirstEndWait(cell.nextOfJob, true) }
    }
  }
}
