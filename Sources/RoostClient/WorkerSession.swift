import Logging
import RoostAPI
import Synchronization

/// One run of a worker: which jobs it holds, how it takes more, and how it stops.
///
/// Three activities share it: the lease loop, two tasks for each job (its handler, and telling its outcome), and the
/// keeper of leases. All but the handlers run on the worker's thread. Tasks of jobs are not children of `run()`: its
/// cancellation must not cut off the requests that hand jobs back.
final class WorkerSession: Sendable {
  /// A leased job from its lease to the moment its outcome is known.
  struct Held {
    let job: JobID
    /// The handler's task.
    let cancel: @Sendable () -> Void
    /// How long the daemon leases the job each time.
    let lease: Duration
    /// When its lease is to be extended.
    var extendAt: ContinuousClock.Instant
    /// When its lease ends by this worker's clock.
    var endsAt: ContinuousClock.Instant
    /// When the attempt is over, however often the lease is extended; nil: at no such time.
    let attemptEndsAt: ContinuousClock.Instant?
    /// Why the handler was cancelled; nil if it was not.
    var ending: Ending?
    /// Whether the handler has ended, so that only its outcome is still to be told.
    var hasConcluded = false
    /// Ends the pause before the outcome is told again.
    var wake: (@Sendable () -> Void)?
  }

  /// A job and the token of one attempt at it.
  struct Lease: Sendable {
    let job: JobID
    let token: String
    /// How long the daemon leases the job each time.
    let duration: Duration
  }

  /// Why a handler's task is cancelled.
  enum Ending: Sendable {
    /// Whoever submitted the job called it off.
    case cancelRequested
    /// The job is no longer this worker's: nothing is told about it.
    case leaseLost
    /// The lease could not be extended until its end: the job may be another worker's, which the daemon knows.
    case leaseEnded
    /// The worker stops, and the time to drain is over.
    case drained
  }

  struct State {
    var held: [String: Held] = [:]
    var isDraining = false
    /// No time to finish is left.
    var isAborted = false
    /// Cancels what the lease loop waits for.
    var interrupt: (@Sendable () -> Void)?
    var waiter: CheckedContinuation<Void, Never>?
    var hasChanged = false
    /// When the keeper of leases looks again, and what makes it look at once.
    var nextLook = ContinuousClock.now
    var wakeKeeper: (@Sendable () -> Void)?
  }

  let worker: Worker
  let transport: Transport
  let logger: Logger
  let acknowledger: Acknowledger
  let state = Mutex(State())
  static let clock = ContinuousClock()

  init(_ worker: Worker) {
    self.worker = worker
    transport = worker.client.transport
    logger = transport.configuration.logger
    acknowledger = Acknowledger(transport)
  }

  func run() async throws {
    try await WorkerThread.run(work, drain: drain, abort: abort)
  }

  private func work() async throws {
    let keeper = WorkerThread.task { await self.keepLeases() }
    defer { keeper.cancel() }
    let refusal = await leaseLoop()
    await finish()
    if let refusal { throw refusal }
  }

  // MARK: Leasing

  /// Keeps the slots full until the worker drains.
  ///
  /// - Returns: Why the daemon will not lease to this worker at all.
  private func leaseLoop() async -> RoostError? {
    var backoff = Backoff(transport.configuration.retry)
    var taken = 0
    while let free = await freeSlots(after: taken) {
      let begun = Self.clock.now
      // Where no job runs an answer at once tells whether there is one.
      let mayStop = worker.configuration.stopsWhenIdle && state.withLock { $0.held.isEmpty }
      let wait = mayStop ? .zero : worker.configuration.pollWait
      switch await interruptible({ await self.lease(upTo: free, wait: wait) }) {
      case .success(let jobs):
        if mayStop, jobs.isEmpty { return nil }
        for job in jobs { start(job) }
        taken += jobs.count
        // An empty answer comes after the whole wait; earlier, the daemon is stopping, and asking on would spin.
        let isEarly = jobs.isEmpty && begun.duration(to: Self.clock.now) < wait / 2
        if isEarly {
          await pause(backoff.pause())
        } else {
          backoff.reset()
          // Polls that wait for nothing would spin while handlers run.
          if jobs.isEmpty, wait == .zero { await pause(.milliseconds(1)) }
        }
      case .failure(.cancelled): break
      case .failure(.refused(let error)):
        if error.endsWorker { return error }
        logger.warning("no lease, asking again", metadata: ["error": "\(error)"])
        await pause(backoff.pause(atLeast: error.boundedRetryAfter))
      }
    }
    return nil
  }

  /// Waits until there is room for a job.
  ///
  /// - Returns: For how many; nil if the worker takes no more, and none runs unless it was told to stop.
  private func freeSlots(after taken: Int) async -> Int? {
    let left = worker.configuration.mostJobs.map { $0 - taken } ?? .max
    while true {
      let (held, isDraining) = state.withLock { ($0.held.count, $0.isDraining) }
      if isDraining || left <= 0 && held == 0 { return nil }
      let free = min(worker.configuration.concurrency - held, left)
      if free > 0 { return free }
      await change()
    }
  }

  /// One long poll. The slots it asks for stay free until it is answered, so that no more is leased than runs.
  private func lease(upTo count: Int, wait: Duration) async -> Result<[LeasedJob], Transport.Failure> {
    var body = JSONWriter()
    body.beginObject()
    if case .weighted(let weights) = worker.configuration.queueOrder {
      body.key("weights")
      body.beginObject()
      for queue in worker.queues {
        body.anyKey(queue)
        body.integer(weights[queue] ?? 1)
      }
      body.endObject()
    } else {
      body.key("queues")
      body.strings(worker.queues)
      if worker.configuration.queueOrder == .listed { body.field("order", "listed") }
    }
    body.field("max_jobs", min(count, 1_000))
    if let lease = worker.configuration.lease { body.field("lease", duration: lease) }
    if wait > .zero { body.field("wait", duration: wait) }
    body.field("worker_id", worker.configuration.workerID)
    body.endObject()
    var request = Transport.Request.post("/jobs/lease", body.bytes)
    request.wait = wait
    do throws(Transport.Failure) {
      let answer = try await transport.sendOnce(request)
      do throws(RoostError) {
        var jobs: [LeasedJob] = []
        for bytes in try JSONFields(answer).required("jobs", JSONFields.elements) {
          jobs.append(try LeasedJob(JSONFields(bytes)))
        }
        return .success(jobs)
      } catch {
        return .failure(.refused(error))
      }
    } catch {
      return .failure(error)
    }
  }

  /// Runs something that a shutdown cuts short.
  private func interruptible<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
    let task = WorkerThread.task(work)
    let isDraining = state.withLock { state in
      state.interrupt = { task.cancel() }
      return state.isDraining
    }
    if isDraining { task.cancel() }
    let value = await task.value
    state.withLock { $0.interrupt = nil }
    return value
  }

  private func pause(_ duration: Duration) async {
    await interruptible { await WorkerThread.sleep(for: duration) }
  }

  // MARK: Waiting for a change of the state. One task waits at a time: the lease loop, later `finish`.

  func change() async {
    await withCheckedContinuation { continuation in
      let isDue = state.withLock { state in
        defer { state.hasChanged = false }
        if !state.hasChanged { state.waiter = continuation }
        return state.hasChanged
      }
      if isDue { continuation.resume() }
    }
  }

  func signal() {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      state.hasChanged = state.waiter == nil
      return state.waiter
    }
    waiter?.resume()
  }
}
