import Foundation

/// How a worker works. The defaults suit jobs of seconds to minutes.
public struct WorkerConfiguration: Sendable {
  /// How many jobs run at once, and so how many are leased at most.
  public var concurrency = 4
  /// How long the daemon waits for a sign of life before it gives a job to another worker, 100 ms to 12 hours; nil
  /// leaves it to the job (``JobOptions/lease``), else to the daemon (30 seconds).
  /// The worker extends its leases three times as often by itself, however long a handler takes: this decides only
  /// how soon a job comes back after a worker's death, and for how long a worker may be out of the daemon's reach.
  public var lease: Duration?
  /// How long one poll waits for a job when there is none, at most a minute.
  public var pollWait: Duration = .seconds(30)
  /// How long running handlers may go on after a graceful shutdown began. What is left then is cancelled, and its
  /// jobs are handed back, their attempts not counted.
  public var drainTimeout: Duration = .seconds(20)
  /// What the worker calls itself in listings, at most 200 bytes.
  public var workerID = "\(ProcessInfo.processInfo.hostName.prefix(180)):\(ProcessInfo.processInfo.processIdentifier)"

  /// From which of several queues jobs come first.
  public var queueOrder = QueueOrder.priority

  /// What a cancelled handler gets to end by itself when the worker stops, before its job is handed back without it.
  package var cancellationGrace: Duration = .seconds(2)
  /// Whether the worker stops by itself once no job is ready and none runs.
  package var stopsWhenIdle = false
  /// How many jobs the worker takes before it stops by itself; nil sets no bound.
  package var mostJobs: Int?

  public init() {}

  /// In which order a worker's queues give their jobs.
  public enum QueueOrder: Sendable, Hashable {
    /// Of all queues' jobs the one with the highest priority, then the one that has been ready longest.
    case priority
    /// A job of the first queue in the worker's list that has one, whatever waits in the others.
    case listed
    /// A random order for each lease, by these weights, 1 to 1000; a queue of the worker's list without one weighs 1.
    case weighted([String: Int])
  }

  /// - Parameter concurrency: How many jobs run at once.
  public init(concurrency: Int) {
    self.concurrency = concurrency
  }
}
