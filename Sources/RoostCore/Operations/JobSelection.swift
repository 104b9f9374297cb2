/// Which jobs an operation is for, as a caller says it.
package struct JobSelection: Sendable, BitwiseCopyable {
  package var kind: OperationKind
  /// `JobState.bit` of each; those of the kind count.
  package var states: UInt8
  // Empty: any.
  package var queue: ByteRange
  /// Where jobs go that are moved or replayed; empty: they stay in their queues.
  package var target = ByteRange.empty
  package var type: ByteRange
  /// `_`: jobs that say no group.
  package var group = ByteRange.empty
  package var owner: ByteRange
  /// Only jobs submitted before this wall time, milliseconds.
  package var before: Int64
  /// At most so many jobs.
  package var limit: UInt64

  package init(
    kind: OperationKind, states: UInt8, queue: ByteRange, type: ByteRange, owner: ByteRange, before: Int64,
    limit: UInt64
  ) {
    self.kind = kind
    self.states = states
    self.queue = queue
    self.type = type
    self.owner = owner
    self.before = before
    self.limit = limit
  }
}

extension StateMachine {
  /// An operation that would begin now, for a count; nil where a name that it gives is nobody's: then none matches.
  mutating func operation(of selection: JobSelection, _ step: borrowing Step) -> Operation? {
    var wanted = Operation(
      id: 0, kind: selection.kind, states: selection.states, queue: .none, target: .none, type: .none, owner: .none,
      before: selection.before, bound: nextNumber, limit: selection.limit, startedAt: 0, cursor: nextNumber)
    if !selection.queue.isEmpty { wanted.queue = queueNames.find(step.bytes(selection.queue)) }
    if !selection.target.isEmpty { wanted.target = queueNames.find(step.bytes(selection.target)) }
    if !selection.type.isEmpty { wanted.type = typeNames.find(step.bytes(selection.type)) }
    if !selection.owner.isEmpty { wanted.owner = ownerNames.find(step.bytes(selection.owner)) }
    if !selection.group.isEmpty { wanted.group = groupNamed(step.bytes(selection.group)) }
    let isNobodys =
      !selection.queue.isEmpty && wanted.queue == .none || !selection.type.isEmpty && wanted.type == .none
      || !selection.owner.isEmpty && wanted.owner == .none
      || !selection.group.isEmpty && wanted.group == nil
    return isNobodys ? nil : wanted
  }

  /// The next job that an operation matches; nil when it has looked at all, or at as many masks of sets as it may.
  ///
  /// - Parameters:
  ///   - masks: How many may still be looked at; counted down.
  ///   - isCount: What is only counted leaves nothing behind for a second look at its state.
  func nextMatch(of operation: inout Operation, masks: inout Int, isCount: Bool = false) -> Slot? {
    while !operation.hasLookedAtAll, masks > 0 {
      let states = operation.kind.states
      let state = states[Int(operation.pass)]
      let isAgain = states.prefix(Int(operation.pass)).contains(state)
      guard operation.looksAt(state), !(isCount && isAgain) else {
        operation.beginPass(operation.pass + 1)
        continue
      }
      switch sets.last(below: operation.cursor, in: filter(operation, state), masks: &masks) {
      case .none: operation.beginPass(operation.pass + 1)
      case .stopped(let at): operation.cursor = at
      case .number(let number):
        operation.cursor = number
        masks -= 1
        let slot = jobs.find(number)
        if matches(slot, operation) { return slot }
      }
    }
    return nil
  }

  /// The sets whose common numbers are the jobs of a state that may match.
  private func filter(_ operation: Operation, _ state: JobState) -> NumberSets.Intersection {
    var filter = NumberSets.Intersection(Listed.state(state.rawValue))
    if operation.queue != .none { filter.add(Listed.queue(operation.queue)) }
    if operation.owner != .none { filter.add(Listed.owner(operation.owner)) }
    return filter
  }

  private func matches(_ slot: Slot, _ operation: Operation) -> Bool {
    (operation.kind != .move || queue(of: slot) != operation.target)
      && (operation.type == .none || jobs.cold(slot).pointee.type == operation.type)
      && jobs.cold(slot).pointee.created < operation.before
      && (operation.group == nil || groups[jobs.hot(slot).pointee.group].pointee.name == operation.group)
  }
}
