extension Command {
  /// Asks a worker to take no more jobs, or lets it take them again. It need not be there.
  package struct QuietWorker: Sendable, BitwiseCopyable {
    /// As it calls itself, 1 to 200 bytes.
    package var worker: ByteRange
    package var isQuiet: Bool

    package init(worker: ByteRange, isQuiet: Bool) {
      self.worker = worker
      self.isQuiet = isQuiet
    }
  }

  /// Who is quiet, to be written again in each trim.
  package struct CarryQuiet: Sendable, BitwiseCopyable {
    /// A place among them. Who was asked since the trim began stands in the log behind it.
    fileprivate var first: Int
    fileprivate static let most = 64
  }
}

extension Command.QuietWorker: StateCommand {
  var mostBytes: Int { WorkerQuieted.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let name = step.bytes(worker)
    let known = state.workerNames.find(name)
    guard state.quietWorkers.contains(known) != isQuiet else { return step.answer(ticket, .nothing) }
    if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
    guard !isQuiet || state.mayQuiet(name) else { return step.answer(ticket, .refused(.overloaded)) }
    let event = WorkerQuieted(at: state.now.wall, isQuiet: isQuiet, worker: name)
    event.encode(into: &step.records)
    event.apply(to: &state)
    step.answer(ticket, .nothing)
    state.endWaits(ofWorker: name, &step)
  }
}

extension Command.CarryQuiet: StateCommand {
  var mostBytes: Int { Self.most * (WorkerQuieted.mostBytes + 8) + 1_024 }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    for cell in state.quietWorkers.cells.dropFirst(first).prefix(Self.most)
    where !state.defects.contains(.quietNotCarried) {
      WorkerQuieted(at: cell.at, isQuiet: true, worker: state.workerNames.bytes(cell.worker)).encode(
        into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  /// What carries those who are quiet, the last first: where one leaves meanwhile those behind it move to the front, and are
  /// written already.
  var quietCarries: [Command] {
    stride(from: 0, to: quietWorkers.cells.count, by: Command.CarryQuiet.most).reversed().map {
      .carryQuiet(Command.CarryQuiet(first: $0))
    }
  }
}
