extension Command {
  /// Who holds which jobs, in slices: the workers that wait for one, then RUNNING jobs with theirs, the newest job first.
  package struct ReadWorkers: Sendable, BitwiseCopyable {
    /// Where to go on, as the slice before says; 0: from the beginning.
    package var cursor: UInt64 = 0
    /// Whether workers that wait are shown.
    package var showsWaiting = true

    package init() {}

    /// Masks of sets that a slice looks at, and jobs and waits that it shows.
    fileprivate static let masks = 4_096
    package static let most = 1_000
    /// Of a cursor: waits are shown from a part of their index on.
    fileprivate static let waiting: UInt64 = 1 << 63
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
    var cursor = cursor
    if showsWaiting && cursor == 0 || cursor & Self.waiting != 0 {
      let part = state.showWaiting(from: Int(cursor & ~Self.waiting), atMost: Self.most, &step)
      guard part == SlotIndex.shardCount else {
        return step.answer(
          ticket,
          .workers(
            first: Int32(first), count: Int32(step.workers.count - first), next: UInt64(part) | Self.waiting))
      }
      cursor = 0
    }
    let running = NumberSets.Intersection(StateMachine.Listed.state(JobState.running.rawValue))
    var (masks, at) = (Self.masks, cursor == 0 ? state.nextNumber : cursor)
    var (shown, next) = (step.workers.count - first, UInt64(0))
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

  /// Shows workers that wait, and looks at `most` waits and those of one part of the index at most.
  ///
  /// - Returns: The part of the index with which the next slice begins.
  fileprivate func showWaiting(from first: Int, atMost most: Int, _ step: inout Step) -> Int {
    var (part, slots) = (first, [Slot]())
    while part < SlotIndex.shardCount, slots.count < most {
      waiterIndex.forEach(inShard: part) { slots.append($0) }
      part += 1
    }
    for slot in slots {
      let waiter = waiters.pointer(slot).pointee
      guard waiter.job == .none, slot != deliveries.waiter else { continue }
      step.workers.append(
        WorkerImage(
          worker: step.copy(workerNames.bytes(waiter.worker)), keyID: step.copy(keyNames.bytes(waiter.keyID)),
          queue: .empty, job: nil, leasedAt: 0, until: wall(ofLog: waiter.deadline)))
    }
    return part
  }
}
