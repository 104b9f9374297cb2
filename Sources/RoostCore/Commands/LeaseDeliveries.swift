extension Command {
  /// The daemon asks for jobs that it is to deliver itself.
  package struct LeaseDeliveries: Sendable, BitwiseCopyable {
    /// 1…`mostJobs`.
    package var maxJobs: Int32
    /// Of the jobs' records together; the first is granted whatever its size.
    package var maxBytes: Int
    /// 0: do not wait.
    package var waitMilliseconds: Int64

    package static let mostJobs = 100

    package init(maxJobs: Int32, maxBytes: Int, waitMilliseconds: Int64) {
      self.maxJobs = maxJobs
      self.maxBytes = maxBytes
      self.waitMilliseconds = waitMilliseconds
    }
  }
}

extension Command.LeaseDeliveries: StateCommand {
  var mostBytes: Int { max(1, Int(maxJobs)) * (80 + 2 * PushLease.bytes.count) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.leaseDeliveries(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func leaseDeliveries(
    _ command: Command.LeaseDeliveries, _ ticket: UInt64, _ step: inout Step
  ) {
    if conditions.refusesLeases { return step.answer(ticket, .refused(.diskLow)) }
    endDeliveryWaits()
    var several = Several(first: step.grants.count, jobs: command.maxJobs, bytes: command.maxBytes)
    while takeDelivery(&several, &step) {}
    if step.grants.count > several.first { return step.answer(ticket, several.answer(step)) }
    guard command.waitMilliseconds > 0, !isDraining else { return step.answer(ticket, .nothing) }
    endDeliveryWait(&step)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    deliveries.waiter = waiters.allocate(
      Waiter(
        ticket: ticket, deadline: now.log + command.waitMilliseconds.nanoseconds, maxJobs: command.maxJobs,
        maxBytes: command.maxBytes, worker: workerNames.intern(none), keyID: keyNames.intern(none)))
    enter(waiter: deliveries.waiter)
  }

  /// One waits at a time: whoever did so before is told that there is nothing.
  private mutating func endDeliveryWait(_ step: inout Step) {
    guard deliveries.waiter != .none else { return }
    endWait(waiters.pointer(deliveries.waiter).pointee.ticket, &step)
  }

  /// Gives jobs to deliver to the daemon's own wait for them.
  mutating func feedDeliveries(_ step: inout Step) {
    guard hasDeliveries, !conditions.refusesLeases else { return }
    let cell = waiters.pointer(deliveries.waiter).pointee
    var several = Several(first: step.grants.count, jobs: cell.maxJobs, bytes: cell.maxBytes)
    while takeDelivery(&several, &step) {}
    guard step.grants.count > several.first else { return }
    unpark(waiter: deliveries.waiter)
    step.answer(cell.ticket, several.answer(step))
  }
}
