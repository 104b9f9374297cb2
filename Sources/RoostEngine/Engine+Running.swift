import RoostCore

/// Since when a job runs.
package struct RunningJob: Sendable {
  package var queue: String
  /// Wall time of its lease.
  package var sinceMilliseconds: Int64
}

extension Engine {
  /// RUNNING jobs in slices of some thousands, for which the writer takes no longer than for a page of a list.
  ///
  /// - Parameter cursor: Where to go on, as the slice before says; 0: from the beginning.
  /// - Returns: `next` is 0 behind the last slice.
  package func running(from cursor: UInt64) async throws(Refusal) -> (jobs: [RunningJob], next: UInt64) {
    let delivery = try await ask([]) { _ in
      var read = Command.ReadWorkers()
      read.cursor = cursor
      read.showsWaiting = false
      return .readWorkers(read)
    }
    guard case .workers(_, _, let next) = delivery.answer else { preconditionFailure("workers are answered as such") }
    let jobs = delivery.workers.lazy.filter { $0.job != nil }.map {
      RunningJob(queue: delivery.text($0.queue), sinceMilliseconds: $0.leasedAt)
    }
    return (Array(jobs), next)
  }
}
