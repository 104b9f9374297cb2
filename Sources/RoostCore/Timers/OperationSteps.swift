/// Operations go on, the one that began first before the others. It leaves half of a step to what else is due.
enum OperationSteps: DueSource {
  /// Masks of sets that a step looks at.
  private static let masks = 4_096

  static func nextDeadline(of state: borrowing StateMachine) -> Int64? {
    state.hasOperationsToStep ? state.now.log : nil
  }

  static func decide(atMost most: Int, in state: inout StateMachine, _ step: inout Step) -> Int {
    state.wakeDeletions(&step)
    guard most > 0, let place = state.operations.active else { return 0 }
    var operation = state.operations[place]
    var masks = Self.masks
    var left = (most + 1) / 2
    let states = operation.kind.states
    while Int(operation.pass) < states.count {
      guard left > 0, masks > 0, operation.done < operation.limit else { break }
      let current = states[Int(operation.pass)]
      guard operation.looksAt(current) else {
        (operation.pass, operation.cursor) = (operation.pass + 1, operation.bound)
        continue
      }
      switch state.sets.last(below: operation.cursor, in: state.filter(operation, current), masks: &masks) {
      case .none: (operation.pass, operation.cursor) = (operation.pass + 1, operation.bound)
      case .stopped(let at): operation.cursor = at
      case .number(let number):
        operation.cursor = number
        masks -= 1
        let slot = state.jobs.find(number)
        guard state.matches(slot, operation) else { continue }
        if !state.defects.contains(.operationSkips) || !number.isMultiple(of: 7) {
          state.change(slot, by: operation.kind, &step)
        }
        operation.done += 1
        left -= 1
      }
    }
    let isOver = Int(operation.pass) == states.count || operation.done >= operation.limit
    if isOver { state.end(&operation, &step) }
    state.advance(operation, &step)
    return (most + 1) / 2 - left
  }
}

extension StateMachine {
  /// An operation goes on, or a deletion may: the last job of its queue that ran has ended since.
  var hasOperationsToStep: Bool { operations.active != nil || !drained.isEmpty }

  fileprivate mutating func change(_ slot: Slot, by kind: OperationKind, _ step: inout Step) {
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    if state.isWaiting {
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
      // Without RUNNING jobs what is left came back meanwhile: it is looked at once more.
      let isHeld = queues[Int(operation.queue)].counts[.running] > 0
      (operation.endedAt, operation.phase) = (0, isHeld ? .waiting : .active)
      if !isHeld { (operation.pass, operation.cursor) = (0, operation.bound) }
      return
    }
    let event = QueueDeleted(name: queueNames.bytes(operation.queue))
    event.encode(into: &step.records)
    event.apply(to: &self)
  }

  /// Deletions whose queue has no RUNNING job any more.
  fileprivate mutating func wakeDeletions(_ step: inout Step) {
    guard !drained.isEmpty else { return }
    for queue in drained where queues[Int(queue)].counts[.running] == 0 { resumeDeletion(of: queue, &step) }
    drained.removeAll()
  }
}
