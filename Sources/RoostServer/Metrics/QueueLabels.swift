import RoostCore
import RoostEngine
import Synchronization

/// Which queues have series of their own: so many, the busiest first; the others share the label `(other)`.
///
/// A queue that has its label keeps it as long as it lives, and one that found no room never gets one: series that changed
/// between the two would look like counters that fall. For the same reason `(other)` goes on counting what queues had seen
/// that are gone. A queue's name has no parentheses, so none is mistaken for `(other)`.
package final class QueueLabels: Sendable {
  package static let other = "(other)"

  private struct State {
    /// By their lives, with what they showed last.
    var named: [UInt64: QueueSums] = [:]
    /// Queues up to this life found no room when they were new.
    var lastLife: UInt64 = 0
    /// What named queues had shown that are gone: it is not of the others.
    var gone = QueueSums()
  }

  private let limit: Int
  private let state = Mutex(State())

  /// - Parameter limit: How many queues have series of their own.
  package init(limit: Int) { self.limit = limit }

  /// The queues as they are to be shown, by name; the others summed up as one of the name `(other)` at the end.
  package func shown(_ figures: QueueFigures) -> [QueueView] {
    var queues: [QueueView] = []
    queues.reserveCapacity(figures.count)
    figures.forEach { queues.append($0) }
    return shown(queues, departed: figures.departed)
  }

  /// - Parameter departed: What queues had seen that are gone since the daemon started.
  package func shown(_ queues: [QueueView], departed: QueueSums) -> [QueueView] {
    state.withLock { state in
      let wasNamed = state.named
      state.named = [:]
      var new: [QueueView] = []
      var shown: [QueueView] = []
      var others = departed
      var other: QueueView?
      func pool(_ queue: QueueView) {
        others.add(queue)
        if other == nil { other = .nothing(named: Self.other) }
        other?.addDepths(queue)
      }
      for queue in queues {
        if wasNamed[queue.life] != nil {
          shown.append(queue)
        } else if queue.life > state.lastLife {
          new.append(queue)
        } else {
          pool(queue)
        }
      }
      state.lastLife = max(state.lastLife, new.map(\.life).max() ?? 0)
      if new.count > limit - shown.count {
        new.sort { ($1.totals.submitted, $0.name) < ($0.totals.submitted, $1.name) }
      }
      let room = max(0, limit - shown.count)
      shown += new.prefix(room)
      for queue in new.dropFirst(room) { pool(queue) }
      for queue in shown {
        var sums = QueueSums()
        sums.add(queue)
        state.named[queue.life] = sums
      }
      for (life, sums) in wasNamed where state.named[life] == nil { state.gone.add(sums) }
      shown.sort { $0.name < $1.name }
      others.subtract(state.gone)
      guard var rest = other ?? (others == QueueSums() ? nil : .nothing(named: Self.other)) else { return shown }
      (rest.totals, rest.activity) = (others.totals, others.activity)
      shown.append(rest)
      return shown
    }
  }
}

extension QueueView {
  fileprivate static func nothing(named name: String) -> QueueView {
    QueueView(
      name: name, life: 0, counts: StateCounts(), oldestReadyMilliseconds: nil, totals: QueueTotals(),
      activity: QueueActivity())
  }
}
