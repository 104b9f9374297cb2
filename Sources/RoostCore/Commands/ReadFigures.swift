extension Command {
  /// How long jobs waited and ran, by queue and type.
  package struct ReadFigures: Sendable, BitwiseCopyable {
    package init() {}
  }
}

/// The figures of one queue and type, as they are shown.
package struct FigureImage: Sendable, BitwiseCopyable {
  /// In `Step.text`; `isOther`: those of the pairs beyond the bound together.
  package var queue: ByteRange
  package var type: ByteRange
  package var isOther: Bool
  package var wait: Durations
  package var run: Durations
  package var leased: UInt64
  package var acked: UInt64
  package var failed: UInt64
  package var dead: UInt64

  /// How long something took; milliseconds.
  package struct Durations: Sendable, BitwiseCopyable {
    /// How many there were in the last five to ten minutes, and their quantiles.
    package var recent: UInt64
    package var p50: Int64
    package var p95: Int64
    package var p99: Int64
    /// Since the start.
    package var all: DurationHistogram

    init(_ durations: JobFigures.Durations, at time: Int64) {
      let last = durations.recent(at: time)
      recent = last.count
      (p50, p95, p99) = (last.quantile(0.5), last.quantile(0.95), last.quantile(0.99))
      all = durations.all
    }
  }

  /// The bounds that metrics have, powers of two of milliseconds: 4 ms, 16 ms, 64 ms, … 4.6 h.
  package static let powers = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]
}

extension Command.ReadFigures: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.figures.count
    for pair in state.figures.pairs where pair.leased > 0 || pair.run.all.count > 0 {
      let isOther = pair.queue == .none
      step.figures.append(
        FigureImage(
          queue: isOther ? .empty : step.copy(state.queueNames.bytes(pair.queue)),
          type: isOther ? .empty : step.copy(state.typeNames.bytes(pair.type)), isOther: isOther,
          wait: FigureImage.Durations(pair.wait, at: state.now.log),
          run: FigureImage.Durations(pair.run, at: state.now.log), leased: pair.leased, acked: pair.acked,
          failed: pair.failed, dead: pair.dead))
    }
    step.answer(ticket, .figures(first: Int32(first), count: Int32(step.figures.count - first)))
  }
}
