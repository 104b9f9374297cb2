import Dispatch
import RoostCore
import RoostLog
import Synchronization

/// How long the log keeps what happened for those who follow it, beyond what the queue itself needs.
package struct EventsRetention: Sendable {
  /// Log time; 0: no longer than the queue needs it.
  package var nanoseconds: Int64
  /// Of the whole log: where more is written in that time, the oldest goes.
  package var bytes: Int

  package init(nanoseconds: Int64, bytes: Int) {
    self.nanoseconds = nanoseconds
    self.bytes = bytes
  }

  package static let none = EventsRetention(nanoseconds: 0, bytes: 0)
}

extension Engine {
  /// Follows the log.
  package var events: EventTap { writer.tap }

  /// The log's UUID, as `EventID` shows it.
  package var logIdentity: LogIdentity { writer.logIdentity }

  /// Reads what is committed from now on.
  package func eventReader(atEndOf tail: LogTail) -> EventReader {
    reader(LogFollower(atEndOf: tail), from: tail.nextSequence)
  }

  /// Reads what was committed from a record on.
  ///
  /// - Parameter first: Its sequence.
  /// - Returns: Nil where it was trimmed.
  package func eventReader(from first: UInt64, in tail: LogTail) throws(LogError) -> EventReader? {
    try LogFollower.at(first, in: tail).map { reader($0, from: first) }
  }

  private func reader(_ follower: LogFollower, from first: UInt64) -> EventReader {
    EventReader(follower, from: first, secret: secret) { [weak self] in self?.labels(ofJob: $0) }
  }

  /// Asks for a job by its number, and waits: not for event loops, nor for tasks.
  private func labels(ofJob number: UInt64) -> (id: JobID, labels: EventLabels)? {
    let found = Found()
    Task {
      let page = try? await jobs(JobFilter(), viewer: .all, limit: 1, after: number + 1)
      found.job.withLock { $0 = page?.items.first { $0.id.number.rawValue == number } }
      found.isDone.signal()
    }
    found.isDone.wait()
    return found.job.withLock { $0 }.map { job in
      let body = job.body
      return (
        job.id,
        EventLabels(
          queue: body.queue, type: body.type, owner: body.owner, group: body.group,
          schedule: body.schedule?.name ?? "")
      )
    }
  }

  /// A job on its way from a task to a thread that waits for it.
  private final class Found: Sendable {
    let job = Mutex<JobView?>(nil)
    let isDone = DispatchSemaphore(value: 0)
  }
}
