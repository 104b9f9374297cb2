extension Command {
  /// Who holds which jobs, in slices: RUNNING jobs with their workers, the newest job first. The first slice has the workers
  /// that wait for one, too.
  package struct ReadWorkers: Sendable, BitwiseCopyable {
    /// Where to go on, as the slice before says; 0: from the beginning.
    package var cursor: UInt64 = 0

    package init() {}

    /// Masks of sets that a slice looks at, and jobs that it shows.
    fileprivate static let masks = 4_096
    fileprivate static let most = 1_000
  }
}

/// A job in a worker's hands; or a worker that waits for one.
package struct WorkerImage: Sendable, BitwiseCopyable {
  /// In `Step.text`.
  package var worker: ByteRange
  package var keyID: ByteRange
  /// Empty for one that waits.
  package var queue: ByteRange
  /// Nil for one that waits.
  package var job: JobID?
  /// Wall milliseconds; for one that waits: until when it does.
  package var leasedAt: Int64
  package var until: Int64
}

extension Command.ReadWorkers: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.workers.count
    if cursor == 0 { state.showWaiting(&step) }
    let running = NumberSets.Intersection(StateMachine.Listed.state(JobState.running.rawValue))
    var (masks, at, shown, next) = (Self.masks, cursor == 0 ? state.nextNumber : cursor, 0, UInt64(0))
    slice: while true {
      switch state.sets.last(below: at, in: running, masks: &masks) {
      case .none: break slice
      case .stopped(let stopped):
        next = stopped
        break slice
      case .number(let number):
        at = number
        masks -= 1
        state.showRunning(state.jobs.find(number), &step)
        shown += 1
        guard shown < Self.most, masks > 0 else {
          next = number
          break slice
        }
      }
    }
    step.answer(
      ticket, .workers(first: Int32(first), count: Int32(step.workers.count - first), next: next))
  }
}

extension StateMachine {
  fileprivate func showRunning(_ slot: Slot, _ step: inout Step) {
    guard let cell = existingLeaseCell(slot)?.pointee else { return }
    step.workers.append(
      WorkerImage(
        worker: step.copy(workerNames.bytes(cell.worker)), keyID: step.copy(keyNames.bytes(cell.keyID)),
        queue: step.copy(queueNames.bytes(queue(of: slot))), job: id(slot), leasedAt: cell.leasedAt,
        until: foreseen(slot)))
  }

  fileprivate func showWaiting(_ step: inout Step) {
    var slots: [Slot] = []
    waiterIndex.forEach { slots.append($0) }
    for slot in slots {
      let waiter = waiters.pointer(slot).pointee
      guard waiter.job == .none, slot != deliveries.waiter else { continue }
      step.workers.append(
        WorkerImage(
          worker: step.copy(workerNames.bytes(waiter.worker)), keyID: step.copy(keyNames.bytes(waiter.keyID)),
          queue: .empty, job: nil, leasedAt: 0, until: wall(ofLog: waiter.deadline)))
    }
  }
}
