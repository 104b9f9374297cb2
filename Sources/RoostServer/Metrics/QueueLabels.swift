import RoostCore
import RoostEngine
import Synchronization

/// Which queues have series of their own: so many, the busiest first; the others share the label `(other)`.
///
/// A queue that has its label keeps it until the daemon ends, and one that found no room never gets one: series that
/// changed between the two would look like counters that fall. A queue's name has no parentheses, so none is mistaken
/// for `(other)`.
package final class QueueLabels: Sendable {
  package static let other = "(other)"

  private let limit: Int
  private let named = Mutex<Set<String>>([])

  /// - Parameter limit: How many queues have series of their own.
  package init(limit: Int) { self.limit = limit }

  /// The queues as they are to be shown, by name; the others summed up as one of the name `(other)` at the end.
  package func shown(_ queues: [QueueView]) -> [QueueView] {
    let known = named.withLock { named in
      if named.count < limit {
        let new = queues.filter { !named.contains($0.name) }.sorted {
          ($1.submittedTotal, $0.name) < ($0.submittedTotal, $1.name)
        }
        for queue in new.prefix(limit - named.count) { named.insert(queue.name) }
      }
      return named
    }
    var shown = queues.filter { known.contains($0.name) }
    var rest = queues.filter { !known.contains($0.name) }[...]
    guard var other = rest.popFirst() else { return shown }
    other.name = Self.other
    for queue in rest { other.add(queue) }
    shown.append(other)
    return shown
  }
}

extension QueueView {
  fileprivate mutating func add(_ queue: QueueView) {
    for state in counts.indices { counts[state] += queue.counts[state] }
    oldestReadyMilliseconds = [oldestReadyMilliseconds, queue.oldestReadyMilliseconds].compactMap { $0 }.max()
    submittedTotal += queue.submittedTotal
    leasedTotal += queue.leasedTotal
    ackedTotal += queue.ackedTotal
    failedTotal += queue.failedTotal
    deadTotal += queue.deadTotal
    activity.expired += queue.activity.expired
    activity.cancelled += queue.activity.cancelled
    activity.idempotent += queue.activity.idempotent
  }
}
