extension Command {
  /// A job with those that it waits for and those that wait for it, and so on, the nearest first.
  package struct ReadGraph: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var limit: Int32

    package init(job: JobRef, viewer: ViewerRef, limit: Int) {
      self.job = job
      self.viewer = viewer
      self.limit = Int32(limit)
    }
  }
}

/// That one job of an answer waits for another: their places in it.
package struct GraphLink: Sendable, BitwiseCopyable {
  package var holder: Int32
  package var dependency: Int32
}

extension Command.ReadGraph: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.readGraph(self, ticket, &step)
  }
}

extension StateMachine {
  /// Edges that are looked at.
  private static var mostEdges: Int { 20_000 }

  fileprivate mutating func readGraph(_ command: Command.ReadGraph, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    var (found, places, isCut, looks) = ([slot], [slot: Int32(0)], false, 0)
    var at = 0
    while at < found.count, looks < Self.mostEdges {
      for other in neighbours(of: found[at], &looks) where places[other] == nil {
        guard mayView(other, command.viewer, step) else { continue }
        guard found.count < command.limit else {
          isCut = true
          break
        }
        places[other] = Int32(found.count)
        found.append(other)
      }
      at += 1
    }
    let (first, firstLink) = (step.jobs.count, step.links.count)
    for (place, slot) in found.enumerated() {
      step.jobs.append(image(slot, &step))
      graph.forEachEdge(of: slot) { _, edge in
        let job = graph.nodes.pointer(edge.node).pointee.job
        if job != .none, let other = places[job] {
          step.links.append(GraphLink(holder: Int32(place), dependency: other))
        }
        return true
      }
    }
    step.answer(
      ticket,
      .graphView(
        jobs: Int32(first), count: Int32(found.count), links: Int32(firstLink),
        linkCount: Int32(step.links.count - firstLink), isCut: isCut || at < found.count))
  }

  /// The jobs that a job waits for, then those that wait for it.
  private func neighbours(of slot: Slot, _ looks: inout Int) -> [Slot] {
    var found: [Slot] = []
    graph.forEachEdge(of: slot) { _, edge in
      looks += 1
      let job = graph.nodes.pointer(edge.node).pointee.job
      if job != .none { found.append(job) }
      return true
    }
    let node = graph.node(of: slot)
    guard node != .none else { return found }
    var at = graph.nodes.pointer(node).pointee.first
    while at != .none, looks < Self.mostEdges {
      looks += 1
      let edge = graph.edges.pointer(at).pointee
      if !edge.isGone { found.append(edge.holder) }
      at = edge.nextOfNode
    }
    return found
  }
}
