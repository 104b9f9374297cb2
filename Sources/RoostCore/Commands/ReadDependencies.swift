extension Command {
  /// The jobs that a job waited for, as far as they are there: for whoever leased it.
  package struct ReadDependencies: Sendable, BitwiseCopyable {
    package var job: JobRef

    package init(job: JobRef) { self.job = job }
  }
}

extension Command.ReadDependencies: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.readDependencies(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func readDependencies(
    _ command: Command.ReadDependencies, _ ticket: UInt64, _ step: inout Step
  ) {
    let first = step.jobs.count
    let slot = find(command.job, .all, step)
    var found: [Slot] = []
    if slot != .none {
      graph.forEachEdge(of: slot) { _, edge in
        let job = graph.nodes.pointer(edge.node).pointee.job
        if job != .none { found.append(job) }
        return true
      }
    }
    for job in found { step.jobs.append(image(job, &step)) }
    step.answer(ticket, .page(first: Int32(first), count: Int32(step.jobs.count - first), next: 0, isFull: false))
  }
}
