extension Command {
  /// Begins an operation on all jobs that match.
  package struct Operate: Sendable, BitwiseCopyable {
    package var kind: OperationKind
    /// A bit for each state's raw value; the kind's own count only.
    package var states: UInt8
    /// Empty: any.
    package var queue: ByteRange
    package var type: ByteRange
    package var owner: ByteRange
    /// Only jobs submitted before this wall time, milliseconds.
    package var before: Int64
    /// At most so many jobs.
    package var limit: UInt64
    /// Only counts: nothing is changed. Then it looks at so many masks, from a pass and a number on.
    package var isDry = false
    package var pass: UInt8 = 0
    package var cursor: UInt64 = 0

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

  /// Shows an operation, or all of them.
  package struct ReadOperations: Sendable, BitwiseCopyable {
    /// 0: all.
    package var id: UInt64

    package init(id: UInt64) { self.id = id }
  }

  /// Ends an operation where it is.
  package struct StopOperation: Sendable, BitwiseCopyable {
    package var id: UInt64

    package init(id: UInt64) { self.id = id }
  }

  /// Some operations, to be written again in each trim.
  package struct CarryOperations: Sendable, BitwiseCopyable {
    package var first: Int
    static let most = 8

    init(first: Int) { self.first = first }
  }
}

extension Command.Operate: StateCommand {
  var mostBytes: Int { OperationBegan.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if isDry { state.count(self, ticket, &step) } else { state.begin(self, ticket, &step) }
  }
}

extension Command.ReadOperations: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.operations.count
    for operation in state.operations.all where id == 0 || operation.id == id {
      step.operations.append(state.image(of: operation, &step))
    }
    step.answer(ticket, .operations(first: Int32(first), count: Int32(step.operations.count - first)))
  }
}

extension Command.StopOperation: StateCommand {
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    if let place = state.operations.find(id), !state.operations[place].phase.isOver {
      var operation = state.operations[place]
      (operation.phase, operation.endedAt) = (.stopped, state.now.wall)
      state.advance(operation, &step)
    }
    Command.ReadOperations(id: max(1, id)).decide(in: &state, ticket, &step)
  }
}

extension Command.CarryOperations: StateCommand {
  var mostBytes: Int { Self.most * (OperationBegan.mostBytes + OperationAdvanced.mostBytes + 8) + 1_024 }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    for operation in state.operations.all.dropFirst(first).prefix(Self.most)
    where !state.defects.contains(.operationNotCarried) {
      state.began(operation).encode(into: &step.records)
      OperationAdvanced(operation).encode(into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  fileprivate mutating func begin(_ command: Command.Operate, _ ticket: UInt64, _ step: inout Step) {
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    guard operations.unfinished < Operations.mostActive else { return step.answer(ticket, .refused(.overloaded)) }
    if command.kind == .deleteQueue {
      let queue = queueNames.find(step.bytes(command.queue))
      guard queue != .none, queues[Int(queue)].exists else {
        return step.answer(ticket, .operations(first: 0, count: 0))
      }
      if queues[Int(queue)].isDraining { return step.answer(ticket, .refused(.draining)) }
    }
    let event = OperationBegan(
      id: operations.next, at: now.wall, kind: command.kind, states: command.states, before: command.before,
      bound: nextNumber, limit: command.limit, queue: step.bytes(command.queue), type: step.bytes(command.type),
      owner: step.bytes(command.owner))
    event.encode(into: &step.records)
    event.apply(to: &self)
    Command.ReadOperations(id: event.id).decide(in: &self, ticket, &step)
  }

  fileprivate func began(_ operation: Operation) -> OperationBegan {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return OperationBegan(
      id: operation.id, at: operation.startedAt, kind: operation.kind, states: operation.states,
      before: operation.before, bound: operation.bound, limit: operation.limit,
      queue: operation.queue == .none ? none : queueNames.bytes(operation.queue),
      type: operation.type == .none ? none : typeNames.bytes(operation.type),
      owner: operation.owner == .none ? none : ownerNames.bytes(operation.owner))
  }

  /// What carries all operations, piece by piece.
  var operationCarries: [Command] {
    stride(from: 0, to: operations.all.count, by: Command.CarryOperations.most).map {
      .carryOperations(Command.CarryOperations(first: $0))
    }
  }

  // MARK: Counting

  /// A slice of a count of what would match: some 50 µs.
  fileprivate mutating func count(_ command: Command.Operate, _ ticket: UInt64, _ step: inout Step) {
    let (queue, type) = (step.bytes(command.queue), step.bytes(command.type))
    let owner = step.bytes(command.owner)
    var wanted = Operation(
      id: 0, kind: command.kind, states: command.states, queue: .none, type: .none, owner: .none,
      before: command.before, bound: nextNumber, limit: command.limit, startedAt: 0, pass: command.pass,
      cursor: command.cursor == 0 ? nextNumber : min(command.cursor, nextNumber))
    var isPossible = true
    if !queue.isEmpty { wanted.queue = queueNames.find(queue) }
    if !type.isEmpty { wanted.type = typeNames.find(type) }
    if !owner.isEmpty { wanted.owner = ownerNames.find(owner) }
    for (name, found) in [(queue, wanted.queue), (type, wanted.type), (owner, wanted.owner)] {
      if !name.isEmpty, found == .none { isPossible = false }
    }
    let first = step.jobs.count
    var counted: UInt64 = 0
    var masks = 4_096
    let states = command.kind.states
    while isPossible, Int(wanted.pass) < states.count, masks > 0 {
      let current = states[Int(wanted.pass)]
      guard wanted.looksAt(current) else {
        (wanted.pass, wanted.cursor) = (wanted.pass + 1, nextNumber)
        continue
      }
      switch sets.last(below: wanted.cursor, in: filter(wanted, current), masks: &masks) {
      case .none: (wanted.pass, wanted.cursor) = (wanted.pass + 1, nextNumber)
      case .stopped(let at): wanted.cursor = at
      case .number(let number):
        wanted.cursor = number
        masks -= 1
        let slot = jobs.find(number)
        guard matches(slot, wanted) else { continue }
        counted += 1
        if step.jobs.count - first < 10 { step.jobs.append(image(slot, &step)) }
      }
    }
    let isOver = !isPossible || Int(wanted.pass) == states.count
    step.answer(
      ticket,
      .counted(
        Answer.Counted(
          first: Int32(first), count: Int32(step.jobs.count - first), matches: counted, pass: wanted.pass,
          cursor: isOver ? 0 : wanted.cursor, isOver: isOver)))
  }
}
