extension Command {
  /// Begins an operation on all jobs that match.
  package struct Operate: Sendable, BitwiseCopyable {
    package var selection: JobSelection
    /// Only where the queue that it names holds no job.
    package var isForEmpty = false

    package init(_ selection: JobSelection) { self.selection = selection }
  }
}

extension Command.Operate: StateCommand {
  var mostBytes: Int { OperationBegan.mostBytes + 1_280 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let refusingLevel = selection.kind.makesRoom ? 3 : 1
    if state.conditions.diskLevel >= refusingLevel { return step.answer(ticket, .refused(.diskLow)) }
    if selection.kind == .deleteQueue {
      let queue = state.queueNames.find(step.bytes(selection.queue))
      guard queue != .none, state.queues[Int(queue)].exists else {
        return step.answer(ticket, .operations(first: 0, count: 0))
      }
      if state.queues[Int(queue)].isDraining { return step.answer(ticket, .refused(.draining)) }
      if isForEmpty, state.queues[Int(queue)].jobs > 0 { return step.answer(ticket, .refused(.queueNotEmpty)) }
    }
    guard state.operations.mayBegin else { return step.answer(ticket, .refused(.tooManyOperations)) }
    if !selection.target.isEmpty, let refusal = state.whyNotTaken(by: step.bytes(selection.target), &step) {
      return step.answer(ticket, .refused(refusal))
    }
    // What comes into the queue on its way, by a batch that is complete or as a dead letter, goes with it.
    let bound = selection.kind == .deleteQueue ? JobNumber.limit : state.nextNumber
    let event = OperationBegan(
      id: state.operations.next, at: state.now.wall, kind: selection.kind, states: selection.states,
      before: selection.before, bound: bound, limit: selection.limit, queue: step.bytes(selection.queue),
      type: step.bytes(selection.type), owner: step.bytes(selection.owner), group: step.bytes(selection.group),
      target: step.bytes(selection.target))
    event.encode(into: &step.records)
    event.apply(to: &state)
    Command.ReadOperations(id: event.id).decide(in: &state, ticket, &step)
  }
}
