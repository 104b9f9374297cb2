/// What an operation does to each job that it matches; raw values stand in the log.
package enum OperationKind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// Jobs that wait are CANCELLED.
  case cancel = 1
  /// Jobs that have ended leave.
  case delete = 2
  /// Dead letters begin anew.
  case replay = 3
  /// Jobs that have ended leave, those that wait are CANCELLED.
  case purge = 4
  /// As a purge, until the queue holds no job; then it goes, with its settings. Meanwhile it takes none.
  case deleteQueue = 5

  /// The name on the wire.
  package var name: String { self == .deleteQueue ? "delete_queue" : "\(self)" }

  /// The states whose jobs it looks at, one after the other. A job that becomes due meanwhile is met in the later one.
  package var states: [JobState] {
    switch self {
    case .cancel: [.scheduled, .retry, .ready]
    case .delete: [.acked, .cancelled, .dead]
    case .replay: [.dead]
    // What this cancels stays for as long as its retention says.
    case .purge: [.acked, .cancelled, .dead, .scheduled, .retry, .ready]
    case .deleteQueue: [.scheduled, .retry, .ready, .acked, .cancelled, .dead]
    }
  }
}

/// How far an operation is; raw values stand in the log.
package enum OperationPhase: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case active = 1
  /// Jobs of the queue that is deleted are RUNNING still.
  case waiting = 2
  case done = 3
  case stopped = 4

  package var isOver: Bool { self == .done || self == .stopped }
  /// The name on the wire.
  package var name: String { self == .active || self == .waiting ? "running" : "\(self)" }
}

/// Something that is done to all jobs that match, in bounded pieces over many commits, and goes on after a crash where
/// the log says that it was. It covers the jobs that there were when it began, each once.
struct Operation {
  var id: UInt64
  var kind: OperationKind
  /// A bit for each state's raw value.
  var states: UInt8
  /// Of `StateMachine.queueNames`; `.none`: any.
  var queue: UInt32
  /// Of `StateMachine.typeNames`; `.none`: any.
  var type: UInt32
  /// Of `StateMachine.ownerNames`; `.none`: any.
  var owner: UInt32
  /// Only jobs submitted before this wall time, milliseconds.
  var before: Int64
  /// Only jobs with smaller numbers.
  var bound: UInt64
  /// At most so many.
  var limit: UInt64
  /// Wall milliseconds.
  var startedAt: Int64
  var endedAt: Int64 = 0
  var phase = OperationPhase.active
  /// Which of the kind's states it looks at, and below which number.
  var pass: UInt8 = 0
  var cursor: UInt64
  /// Jobs that were changed.
  var done: UInt64 = 0

  func looksAt(_ state: JobState) -> Bool { states & 1 << state.rawValue != 0 }
}

/// The operations that run, and those that ended last.
struct Operations {
  /// Operations at once.
  static let mostActive = 16
  /// Of those that ended so many are known.
  static let mostEnded = 16

  private(set) var all: [Operation] = []
  /// The number of the next one.
  private(set) var next: UInt64 = 1

  func find(_ id: UInt64) -> Int? { all.firstIndex { $0.id == id } }
  var active: Int? { all.firstIndex { $0.phase == .active } }
  var unfinished: Int { all.count { !$0.phase.isOver } }

  subscript(_ place: Int) -> Operation {
    get { all[place] }
    set { all[place] = newValue }
  }

  /// In the order of their numbers: after a trim a replay meets them in another.
  mutating func insert(_ operation: Operation) {
    all.insert(operation, at: all.firstIndex { $0.id > operation.id } ?? all.count)
    next = max(next, operation.id + 1)
  }

  /// Of those that ended the one that began first, where there are too many of them.
  var surplus: Int? {
    all.count { $0.phase.isOver } > Self.mostEnded ? all.firstIndex { $0.phase.isOver } : nil
  }

  mutating func remove(at place: Int) -> Operation { all.remove(at: place) }
}

/// An operation as it is shown.
package struct OperationImage: Sendable, BitwiseCopyable {
  package var id: UInt64
  package var kind: OperationKind
  package var phase: OperationPhase
  package var states: UInt8
  /// In `Step.text`; empty: any.
  package var queue: ByteRange
  package var type: ByteRange
  package var owner: ByteRange
  /// Wall milliseconds; the last there are: any.
  package var before: Int64
  package var limit: UInt64
  package var startedAt: Int64
  package var endedAt: Int64
  package var done: UInt64
}

extension StateMachine {
  func image(of operation: Operation, _ step: inout Step) -> OperationImage {
    OperationImage(
      id: operation.id, kind: operation.kind, phase: operation.phase, states: operation.states,
      queue: operation.queue == .none ? .empty : step.copy(queueNames.bytes(operation.queue)),
      type: operation.type == .none ? .empty : step.copy(typeNames.bytes(operation.type)),
      owner: operation.owner == .none ? .empty : step.copy(ownerNames.bytes(operation.owner)),
      before: operation.before, limit: operation.limit, startedAt: operation.startedAt, endedAt: operation.endedAt,
      done: operation.done)
  }

  /// The sets whose common numbers are the jobs of a state that may match.
  func filter(_ operation: Operation, _ state: JobState) -> NumberSets.Intersection {
    var filter = NumberSets.Intersection(Listed.state(state.rawValue))
    if operation.queue != .none { filter.add(Listed.queue(operation.queue)) }
    if operation.owner != .none { filter.add(Listed.owner(operation.owner)) }
    return filter
  }

  func matches(_ slot: Slot, _ operation: Operation) -> Bool {
    (operation.type == .none || jobs.cold(slot).pointee.type == operation.type)
      && jobs.cold(slot).pointee.created < operation.before
  }

  /// Writes how far an operation is, and applies it.
  mutating func advance(_ operation: Operation, _ step: inout Step) {
    let event = OperationAdvanced(operation)
    event.encode(into: &step.records)
    event.apply(to: &self)
  }

  // MARK: Queues that are deleted

  /// A queue under deletion holds no RUNNING job any more: what is left of it is looked at once more.
  mutating func resumeDeletion(of queue: UInt32, _ step: inout Step) {
    guard let place = operations.all.firstIndex(where: { $0.queue == queue && $0.phase == .waiting }) else { return }
    var operation = operations[place]
    (operation.phase, operation.pass, operation.cursor) = (.active, 0, operation.bound)
    advance(operation, &step)
  }

  /// Which queues are under deletion, at the end of a replay.
  mutating func listDraining() {
    for operation in operations.all where operation.kind == .deleteQueue {
      queues[Int(operation.queue)].isDraining = !operation.phase.isOver
      if !operation.phase.isOver { drained.append(operation.queue) }
    }
  }
}
