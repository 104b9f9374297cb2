/// What callers ask of the state machine: trivial values; their bytes lie in the batch's arena.
///
/// This is the table of the commands: a new one is a case and a line in both switches here, and its file in this folder.
package enum Command: Sendable, BitwiseCopyable {
  case submit(Submit)
  case submitGraph(SubmitGraph)
  case lease(Lease)
  case leaseDeliveries(LeaseDeliveries)
  case endWait(EndWait)
  case finish(Finish)
  case extend(Extend)
  case cancel(Cancel)
  case bury(Bury)
  case change(Change)
  case runNow(RunNow)
  case unblock(Unblock)
  case delete(Delete)
  case read(Read)
  case readGraph(ReadGraph)
  case readDependencies(ReadDependencies)
  case awaitEnd(AwaitEnd)
  case list(List)
  case queue(Queue)
  case configure(Configure)
  case pause(Pause)
  case resume(Resume)
  case changeGroup(ChangeGroup)
  case changeSchedule(ChangeSchedule)
  case fireSchedule(FireSchedule)
  case missInstants(MissInstants)
  case backfill(Backfill)
  case endBackfill(EndBackfill)
  case readSchedules(ReadSchedules)
  case carrySchedule(CarrySchedule)
  case readGroup(ReadGroup)
  case readGroups(ReadGroups)
  case readFigures(ReadFigures)
  case readWorkers(ReadWorkers)
  case operate(Operate)
  case countMatching(CountMatching)
  case readOperations(ReadOperations)
  case stopOperation(StopOperation)
  case openBatch(OpenBatch)
  case changeBatch(ChangeBatch)
  case readBatches(ReadBatches)
  case carryBatch(CarryBatch)
  case carryOperations(CarryOperations)
  case setQuota(SetQuota)
  case readQuota(ReadQuota)
  case carryQuotas(CarryQuotas)
  case carry(Carry)
  case carryStub(CarryStub)
  case carryUnique(CarryUnique)
  case carryQueues(CarryQueues)
  case carryGroups(CarryGroups)
  case drainWaiters(DrainWaiters)

  @inline(__always)
  fileprivate func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    switch self {
    case .submit(let command): command.decide(in: &state, ticket, &step)
    case .submitGraph(let command): command.decide(in: &state, ticket, &step)
    case .lease(let command): command.decide(in: &state, ticket, &step)
    case .leaseDeliveries(let command): command.decide(in: &state, ticket, &step)
    case .endWait(let command): command.decide(in: &state, ticket, &step)
    case .finish(let command): command.decide(in: &state, ticket, &step)
    case .extend(let command): command.decide(in: &state, ticket, &step)
    case .cancel(let command): command.decide(in: &state, ticket, &step)
    case .bury(let command): command.decide(in: &state, ticket, &step)
    case .change(let command): command.decide(in: &state, ticket, &step)
    case .runNow(let command): command.decide(in: &state, ticket, &step)
    case .unblock(let command): command.decide(in: &state, ticket, &step)
    case .delete(let command): command.decide(in: &state, ticket, &step)
    case .read(let command): command.decide(in: &state, ticket, &step)
    case .readGraph(let command): command.decide(in: &state, ticket, &step)
    case .readDependencies(let command): command.decide(in: &state, ticket, &step)
    case .awaitEnd(let command): command.decide(in: &state, ticket, &step)
    case .list(let command): command.decide(in: &state, ticket, &step)
    case .queue(let command): command.decide(in: &state, ticket, &step)
    case .configure(let command): command.decide(in: &state, ticket, &step)
    case .pause(let command): command.decide(in: &state, ticket, &step)
    case .resume(let command): command.decide(in: &state, ticket, &step)
    case .changeGroup(let command): command.decide(in: &state, ticket, &step)
    case .changeSchedule(let command): command.decide(in: &state, ticket, &step)
    case .fireSchedule(let command): command.decide(in: &state, ticket, &step)
    case .missInstants(let command): command.decide(in: &state, ticket, &step)
    case .backfill(let command): command.decide(in: &state, ticket, &step)
    case .endBackfill(let command): command.decide(in: &state, ticket, &step)
    case .readSchedules(let command): command.decide(in: &state, ticket, &step)
    case .carrySchedule(let command): command.decide(in: &state, ticket, &step)
    case .readGroup(let command): command.decide(in: &state, ticket, &step)
    case .readGroups(let command): command.decide(in: &state, ticket, &step)
    case .readFigures(let command): command.decide(in: &state, ticket, &step)
    case .readWorkers(let command): command.decide(in: &state, ticket, &step)
    case .operate(let command): command.decide(in: &state, ticket, &step)
    case .countMatching(let command): command.decide(in: &state, ticket, &step)
    case .readOperations(let command): command.decide(in: &state, ticket, &step)
    case .stopOperation(let command): command.decide(in: &state, ticket, &step)
    case .openBatch(let command): command.decide(in: &state, ticket, &step)
    case .changeBatch(let command): command.decide(in: &state, ticket, &step)
    case .readBatches(let command): command.decide(in: &state, ticket, &step)
    case .carryBatch(let command): command.decide(in: &state, ticket, &step)
    case .carryOperations(let command): command.decide(in: &state, ticket, &step)
    case .setQuota(let command): command.decide(in: &state, ticket, &step)
    case .readQuota(let command): command.decide(in: &state, ticket, &step)
    case .carryQuotas(let command): command.decide(in: &state, ticket, &step)
    case .carry(let command): command.decide(in: &state, ticket, &step)
    case .carryStub(let command): command.decide(in: &state, ticket, &step)
    case .carryUnique(let command): command.decide(in: &state, ticket, &step)
    case .carryQueues(let command): command.decide(in: &state, ticket, &step)
    case .carryGroups(let command): command.decide(in: &state, ticket, &step)
    case .drainWaiters(let command): command.decide(in: &state, ticket, &step)
    }
  }

  @inline(__always)
  private var traits: Traits {
    switch self {
    case .submit(let command): Traits(command)
    case .submitGraph(let command): Traits(command)
    case .lease(let command): Traits(command)
    case .leaseDeliveries(let command): Traits(command)
    case .endWait(let command): Traits(command)
    case .finish(let command): Traits(command)
    case .extend(let command): Traits(command)
    case .cancel(let command): Traits(command)
    case .bury(let command): Traits(command)
    case .change(let command): Traits(command)
    case .runNow(let command): Traits(command)
    case .unblock(let command): Traits(command)
    case .delete(let command): Traits(command)
    case .read(let command): Traits(command)
    case .readGraph(let command): Traits(command)
    case .readDependencies(let command): Traits(command)
    case .awaitEnd(let command): Traits(command)
    case .list(let command): Traits(command)
    case .queue(let command): Traits(command)
    case .configure(let command): Traits(command)
    case .pause(let command): Traits(command)
    case .resume(let command): Traits(command)
    case .changeGroup(let command): Traits(command)
    case .changeSchedule(let command): Traits(command)
    case .fireSchedule(let command): Traits(command)
    case .missInstants(let command): Traits(command)
    case .backfill(let command): Traits(command)
    case .endBackfill(let command): Traits(command)
    case .readSchedules(let command): Traits(command)
    case .carrySchedule(let command): Traits(command)
    case .readGroup(let command): Traits(command)
    case .readGroups(let command): Traits(command)
    case .readFigures(let command): Traits(command)
    case .readWorkers(let command): Traits(command)
    case .operate(let command): Traits(command)
    case .countMatching(let command): Traits(command)
    case .readOperations(let command): Traits(command)
    case .stopOperation(let command): Traits(command)
    case .openBatch(let command): Traits(command)
    case .changeBatch(let command): Traits(command)
    case .readBatches(let command): Traits(command)
    case .carryBatch(let command): Traits(command)
    case .carryOperations(let command): Traits(command)
    case .setQuota(let command): Traits(command)
    case .readQuota(let command): Traits(command)
    case .carryQuotas(let command): Traits(command)
    case .carry(let command): Traits(command)
    case .carryStub(let command): Traits(command)
    case .carryUnique(let command): Traits(command)
    case .carryQueues(let command): Traits(command)
    case .carryGroups(let command): Traits(command)
    case .drainWaiters(let command): Traits(command)
    }
  }

  /// What is to be known of a command before it is decided; `StateCommand` says what each means.
  private struct Traits {
    let mostBytes: Int
    let isCopy: Bool
    let isRead: Bool
    let meetsWaiters: Bool

    @inline(__always)
    init<Asked: StateCommand>(_ command: Asked) {
      mostBytes = command.mostBytes
      isCopy = Asked.isCopy
      isRead = Asked.isRead
      meetsWaiters = command.meetsWaiters
    }
  }

  /// The bytes that it may add to the batch at most; the batch ends before one that might not fit.
  package var mostBytes: Int { traits.mostBytes }
  /// Whether it only writes again what is there: compaction's, not a caller's.
  var isCopy: Bool { traits.isCopy }
  /// Whether it changes nothing.
  package var isRead: Bool { traits.isRead }
  fileprivate var meetsWaiters: Bool { traits.meetsWaiters }
}

/// One kind of command: its fields, and what it decides. Each is one file in this folder and one case of `Command`.
protocol StateCommand: Sendable, BitwiseCopyable {
  /// The bytes that it may add to the batch at most.
  var mostBytes: Int { get }
  /// Whether it only writes again what is there: compaction's, not a caller's.
  static var isCopy: Bool { get }
  /// Whether it changes nothing.
  static var isRead: Bool { get }
  /// Whether workers that wait get, behind it, the jobs that became READY.
  var meetsWaiters: Bool { get }
  /// Decides it: writes records, applies them, and gives one answer. A refusal leaves everything as it was.
  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step)
}

extension StateCommand {
  var mostBytes: Int { 1_024 }
  static var isCopy: Bool { false }
  static var isRead: Bool { false }
  var meetsWaiters: Bool { !Self.isCopy }
}

extension StateMachine {
  /// Decides one command; waiting workers are met at once.
  package mutating func handle(_ command: Command, ticket: UInt64, into step: inout Step) {
    followsFinish = hasJustFinished
    lateLeft = Self.mostLate
    // Copies come between any two commands.
    if !command.isCopy { hasJustFinished = false }
    command.decide(in: &self, ticket, &step)
    if !endedJobs.isEmpty { answerEnds(&step) }
    if !schedules.ended.isEmpty { endRuns(&step) }
    if !hungry.isEmpty, command.meetsWaiters { feed(&step) }
    if hasDeliveries, command.meetsWaiters { feedDeliveries(&step) }
  }
}
