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
  /// Jobs that wait for their time, or for their next attempt, are READY at once.
  case retry = 6
  /// Jobs that wait go to another queue, each in its state and at its place.
  case move = 7
  /// A schedule makes the jobs of instants that have passed. Its `type` is the schedule's name; instants lie behind
  /// `bound` and up to `before`, and `cursor` is the last that was made, all in seconds since 1970.
  case backfill = 8

  /// Those that change jobs that there are.
  package static let ofJobs: [OperationKind] = [.cancel, .delete, .replay, .purge, .deleteQueue, .retry, .move]

  /// The name on the wire.
  package var name: String { self == .deleteQueue ? "delete_queue" : "\(self)" }

  /// Whether jobs that have ended leave.
  package var removes: Bool { self == .delete || self == .purge || self == .deleteQueue }

  /// Whether it gives room back: on a disk that is nearly full it is the way out.
  package var makesRoom: Bool { self == .cancel || removes }

  /// The states whose jobs it looks at, one after the other. A job that becomes due meanwhile is met in a later one, and
  /// so is one that was leased and failed. Whatever a worker holds when its turn comes is passed over.
  package var states: [JobState] {
    switch self {
    case .cancel: [.blocked, .scheduled, .retry, .ready, .retry]
    case .delete: [.acked, .cancelled, .dead]
    case .replay: [.dead]
    case .retry: [.retry, .scheduled]
    case .move: [.blocked, .scheduled, .retry, .ready, .retry]
    // What this cancels stays for as long as its retention says.
    case .purge: [.acked, .cancelled, .dead, .blocked, .scheduled, .retry, .ready, .retry]
    case .deleteQueue: [.blocked, .scheduled, .retry, .ready, .acked, .cancelled, .dead]
    case .backfill: []
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
  package var name: String { self == .active ? "running" : "\(self)" }
}

/// Something that is done to all jobs that match, in bounded pieces over many commits, and goes on after a crash where
/// the log says that it was. It covers the jobs that there were when it began, each once.
struct Operation {
  var id: UInt64
  var kind: OperationKind
  /// `JobState.bit` of each.
  var states: UInt8
  /// Of `StateMachine.queueNames`; `.none`: any.
  var queue: UInt32
  /// Of `StateMachine.queueNames`: where jobs go that are moved or replayed; `.none`: they stay in their queues.
  var target: UInt32
  /// Of `StateMachine.typeNames`; `.none`: any.
  var type: UInt32
  /// Of `StateMachine.ownerNames`; `.none`: any.
  var owner: UInt32
  /// Of `StateMachine.groupNames`; `.none`: the jobs that say no group; nil: any.
  var group: UInt32?
  /// Only jobs submitted before this wall time, milliseconds.
  var before: Int64
  /// Only jobs with smaller numbers; for the deletion of a queue the last there is.
  var bound: UInt64
  /// At most so many.
  var limit: UInt64
  /// Wall milliseconds.
  var startedAt: Int64
  var endedAt: Int64 = 0
  /// How many operations ended before, and itself; 0 while it goes on.
  var endNumber: UInt64 = 0
  var phase = OperationPhase.active
  /// Which of the kind's states it looks at, and below which number.
  var pass: UInt8 = 0
  var cursor: UInt64
  /// Jobs that were changed.
  var done: UInt64 = 0
  /// Of those that it met since it began with its first state: what must stay for others. Volatile.
  var kept: UInt32 = 0
  /// Jobs that were passed over: another holds their key.
  var skipped: UInt64 = 0

  func looksAt(_ state: JobState) -> Bool { states & state.bit != 0 }
  var hasLookedAtAll: Bool { Int(pass) == kind.states.count }

  /// Looks at another of its states, from the last job on.
  mutating func beginPass(_ pass: UInt8) {
    (self.pass, cursor) = (pass, bound)
    if pass == 0 { kept = 0 }
  }
}

/// The operations that run, and those that ended last.
struct Operations {
  /// Operations that go on, one after the other; and with those that only wait for RUNNING jobs.
  static let mostActive = 16
  static let mostRunning = 256
  /// Of those that ended so many are known.
  static let mostEnded = 16

  /// By their numbers.
  private(set) var running: [Operation] = []
  /// In the order of their ends.
  private(set) var ended: [Operation] = []
  /// The number of the next one.
  private(set) var next: UInt64 = 1
  /// `Operation.endNumber` of the one that ends next.
  private(set) var nextEnd: UInt64 = 1

  /// The one that goes on: the first of those that do not wait.
  var active: Operation? { running.first { $0.phase == .active && $0.kind != .backfill } }
  /// The backfill that goes on: apart from the others, as it may wait for what they make room for.
  var backfill: Operation? { running.first { $0.phase == .active && $0.kind == .backfill } }

  var mayBegin: Bool {
    running.count < Self.mostRunning && running.count { $0.phase == .active } < Self.mostActive
  }

  func find(_ id: UInt64) -> Operation? { running.first { $0.id == id } ?? ended.first { $0.id == id } }

  /// Those with numbers in `range`, by their numbers.
  func within(_ range: ClosedRange<UInt64>) -> [Operation] {
    (ended + running).filter { range.contains($0.id) }.sorted { $0.id < $1.id }
  }

  /// What a record does not say, for the next step.
  mutating func note(kept: UInt32, of id: UInt64) {
    if let place = running.firstIndex(where: { $0.id == id }) { running[place].kept = kept }
  }

  /// Takes an operation as it is now. Of those that ended, the ones that ended last are kept; and the one with the last
  /// number, so that no number is given twice, whatever a trim leaves.
  ///
  /// - Returns: The one of which nothing is known any more.
  mutating func update(_ operation: Operation) -> Operation? {
    running.removeAll { $0.id == operation.id }
    ended.removeAll { $0.id == operation.id }
    next = max(next, operation.id + 1)
    guard operation.phase.isOver else {
      running.insert(operation, at: running.firstIndex { $0.id > operation.id } ?? running.count)
      return nil
    }
    nextEnd = max(nextEnd, operation.endNumber + 1)
    ended.insert(operation, at: ended.firstIndex { $0.endNumber > operation.endNumber } ?? ended.count)
    guard ended.count > Self.mostEnded else { return nil }
    let last = max(running.last?.id ?? 0, ended.lazy.map(\.id).max() ?? 0)
    return ended.remove(at: ended.firstIndex { $0.id != last }!)
  }
}

/// An operation as it is shown.
package struct OperationImage: Sendable, BitwiseCopyable {
  package var id: UInt64
  package var kind: OperationKind
  package var phase: OperationPhase
  package var states: UInt8
  /// In `Step.text`; empty: any.
  package var queue: ByteRange
  package var target: ByteRange
  package var type: ByteRange
  package var owner: ByteRange
  /// `_`: jobs that say no group.
  package var group: ByteRange
  /// Wall milliseconds; the last there are: any.
  package var before: Int64
  package var limit: UInt64
  package var startedAt: Int64
  package var endedAt: Int64
  package var done: UInt64
  /// Jobs that were passed over: another holds their key.
  package var skipped: UInt64
}

extension StateMachine {
  func image(of operation: Operation, _ step: inout Step) -> OperationImage {
    OperationImage(
      id: operation.id, kind: operation.kind, phase: operation.phase, states: operation.states,
      queue: operation.queue == .none ? .empty : step.copy(queueNames.bytes(operation.queue)),
      target: operation.target == .none ? .empty : step.copy(queueNames.bytes(operation.target)),
      type: operation.type == .none ? .empty : step.copy(typeNames.bytes(operation.type)),
      owner: operation.owner == .none ? .empty : step.copy(ownerNames.bytes(operation.owner)),
      group: operation.group.map { step.copy(nameOfFilter($0)) } ?? .empty,
      before: operation.before, limit: operation.limit, startedAt: operation.startedAt, endedAt: operation.endedAt,
      done: operation.done, skipped: operation.skipped)
  }

  /// Writes how far an operation is, and applies it.
  mutating func advance(_ operation: Operation, _ step: inout Step) {
    var operation = operation
    if operation.phase.isOver { operation.endNumber = operations.nextEnd }
    let event = OperationAdvanced(operation)
    event.encode(into: &step.records)
    event.apply(to: &self)
    operations.note(kept: operation.kept, of: operation.id)
  }

  // MARK: Queues that are deleted

  /// A job of a queue under deletion came into another state: what is left of it is looked at once more.
  mutating func resumeDeletion(of queue: UInt32, _ step: inout Step) {
    guard var operation = operations.running.first(where: { $0.queue == queue && $0.phase == .waiting }) else { return }
    operation.phase = .active
    operation.beginPass(0)
    advance(operation, &step)
  }

  /// A queue takes and gives nothing from here on, or does again.
  mutating func setDraining(_ queue: UInt32, _ isDraining: Bool) {
    queues[Int(queue)].isDraining = isDraining
    guard isLive else { return }
    noteChange(queue)
    if !isDraining { wake(queue) }
  }

  /// Which queues are under deletion, at the end of a replay.
  mutating func listDraining() {
    drained = operations.running.filter { $0.kind == .deleteQueue }.map(\.queue)
  }
}
