/// Operations go on, the one that began first before the others. It leaves half of a step to what else is due.
enum OperationSteps: DueSource {
  /// Masks of sets that a step looks at.
  private static let masks = 4_096

  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.hasOperationsToStep ? state.now.log : nil
  }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.wakeDeletions(&step)
    guard most > 0, var operation = state.operations.active else { return 0 }
    var masks = Self.masks
    var left = (most + 1) / 2
    while left > 0, operation.done < operation.limit, let slot = state.nextMatch(of: &operation, masks: &masks) {
      guard operation.target == .none || state.takes(operation, &step) else {
        operation.phase = .stopped
        break
      }
      if operation.kind.removes, state.isKept(slot) {
        operation.kept += 1
        left -= 1
        continue
      }
      // Another job holds the key that it would hold again.
      if operation.kind == .replay, state.rival(of: slot) != .none {
        operation.skipped += 1
        left -= 1
        continue
      }
      if !state.defects.contains(.operationSkips) || !operation.cursor.isMultiple(of: 7) {
        state.change(slot, by: operation, &step)
      }
      operation.done += 1
      left -= 1
    }
    let isOver = operation.hasLookedAtAll || operation.done >= operation.limit
    if operation.phase == .stopped {
      operation.endedAt = state.now.wall
    } else if isOver {
      state.end(&operation, &step)
    }
    state.advance(operation, &step)
    return (most + 1) / 2 - left
  }
}

extension StateMachine {
  /// An operation goes on, or a deletion may: a job of its queue came into another state since.
  var hasOperationsToStep: Bool { operations.active != nil || !drained.isEmpty }

  /// Whether the queue to which jobs are to go takes them.
  fileprivate mutating func takes(_ operation: Operation, _ step: inout Step) -> Bool {
    whyNotTaken(by: queueNames.bytes(operation.target), &step) == nil
  }

  fileprivate mutating func change(_ slot: Slot, by operation: Operation, _ step: inout Step) {
    let (state, kind) = (JobState(rawValue: jobs.hot(slot).pointee.state)!, operation.kind)
    if kind == .move || kind == .replay && operation.target != .none && operation.target != queue(of: slot) {
      move(slot, to: queueNames.bytes(operation.target), beginsAnew: kind == .replay, &step)
    } else if kind == .retry {
      ready(slot, isReplay: false, &step)
    } else if state.isWaiting {
      cancel(slot, because: .operation, &step)
      // Before it may leave: somebody may wait for its end.
      if !endedJobs.isEmpty { answerEnds(&step) }
    } else if kind == .replay {
      ready(slot, isReplay: true, &step)
    } else {
      purge(slot, &step)
    }
  }

  /// All was looked at, or as much as was wanted.
  fileprivate mutating func end(_ operation: inout Operation, _ step: inout Step) {
    operation.endedAt = now.wall
    operation.phase = .done
    guard operation.kind == .deleteQueue, queues[Int(operation.queue)].exists else { return }
    guard queues[Int(operation.queue)].jobs == 0 else {
      // What is left besides RUNNING jobs came back meanwhile: all is looked at once more.
      let held = queues[Int(operation.queue)].counts[.running] + operation.kept
      let isHeld = held >= queues[Int(operation.queue)].jobs
      (operation.endedAt, operation.phase) = (0, isHeld ? .waiting : .active)
      if !isHeld { operation.beginPass(0) }
      // What it did itself is no reason to look again.
      drained.removeAll { $0 == operation.queue }
      return
    }
    QueueDeleted(name: queueNames.bytes(operation.queue)).encode(into: &step.records)
    QueueDeleted.apply(to: operation.queue, in: &self)
  }

  /// Deletions into whose queue a job came back, or in which one ended.
  fileprivate mutating func wakeDeletions(_ step: inout Step) {
    guard !drained.isEmpty else { return }
    for queue in drained { resumeDeletion(of: queue, &step) }
    drained.removeAll()
  }
}
