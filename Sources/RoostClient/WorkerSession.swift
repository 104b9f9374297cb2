import Logging
import RoostAPI
import ServiceLifecycle
import Synchronization

/// One run of a worker: which jobs it holds, how it takes more, and how it stops.
///
/// Three activities share it: the lease loop, one task for each job, and the keeper of leases. Tasks of jobs are not
/// children of `run()`: its cancellation must not cut off the requests that hand jobs back.
final class WorkerSession: Sendable {
  /// A leased job from its lease to the moment its outcome is known.
  struct Held {
    let job: JobID
    let handler: Task<Conclusion, Never>
    /// When its lease is to be extended.
    var extendAt: ContinuousClock.Instant
    /// Why the handler was cancelled; nil if it was not.
    var ending: Ending?
  }

  /// A job and the token of one attempt at it.
  struct Lease: Sendable {
    let job: JobID
    let token: String
  }

  /// Why a handler's task is cancelled.
  enum Ending: Sendable {
    /// Whoever submitted the job called it off.
    case cancelRequested
    /// The job is no longer this worker's: nothing is told about it.
    case leaseLost
    /// The worker stops, and the time to drain is over.
    case drained
  }

  /// How a handler ended.
  enum Conclusion: Sendable {
    case returned(Outcome)
    case threw(String)
  }

  private struct State {
    var held: [String: Held] = [:]
    var isDraining = false
    /// No time to finish is left.
    var isAborted = false
    /// Cancels what the lease loop waits for.
    var interrupt: (@Sendable () -> Void)?
    var waiter: CheckedContinuation<Void, Never>?
    var hasChanged = false
  }

  let worker: Worker
  let transport: Transport
  let logger: Logger
  let acknowledger: Acknowledger
  private let state = Mutex(State())
  private static let clock = ContinuousClock()
  /// What a cancelled handler gets to end by itself before its job is handed back without it.
  private static let cancellationGrace = Duration.seconds(2)

  init(_ worker: Worker) {
    self.worker = worker
    transport = worker.client.transport
    logger = transport.configuration.logger
    acknowledger = Acknowledger(transport)
  }

  func run() async throws {
    try await withTaskCancellationHandler {
      try await withGracefulShutdownHandler {
        try await work()
      } onGracefulShutdown: {
        self.drain()
      }
    } onCancel: {
      abort()
    }
  }

  private func work() async throws {
    let keeper = Task { await keepLeases() }
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
    while let free = await freeSlots() {
      let begun = Self.clock.now
      switch await interruptible({ await self.lease(upTo: free) }) {
      case .success(let jobs):
        for job in jobs { start(job) }
        // An empty answer comes after the whole wait; earlier, the daemon is stopping, and asking on would spin.
        let isEarly = jobs.isEmpty && begun.duration(to: Self.clock.now) < worker.configuration.pollWait / 2
        if !isEarly { backoff.reset() } else { await pause(backoff.pause()) }
      case .failure(.cancelled): break
      case .failure(.refused(let error)):
        guard error.isRetryable else { return error }
        logger.warning("no lease, asking again", metadata: ["error": "\(error)"])
        await pause(backoff.pause(atLeast: error.retryAfter))
      }
    }
    return nil
  }

  /// Waits until there is room for a job.
  ///
  /// - Returns: For how many; nil if the worker takes no more.
  private func freeSlots() async -> Int? {
    while true {
      let free: Int? = state.withLock { $0.isDraining ? nil : worker.configuration.concurrency - $0.held.count }
      guard let free else { return nil }
      if free > 0 { return free }
      await change()
    }
  }

  /// One long poll. The slots it asks for stay free until it is answered, so that no more is leased than runs.
  private func lease(upTo count: Int) async -> Result<[LeasedJob], Transport.Failure> {
    var body = JSONWriter()
    body.beginObject()
    body.key("queues")
    body.strings(worker.queues)
    body.field("max_jobs", min(count, 1_000))
    body.field("lease", duration: worker.configuration.lease)
    body.field("wait", duration: worker.configuration.pollWait)
    body.field("worker_id", worker.configuration.workerID)
    body.endObject()
    var request = Transport.Request.post("/jobs/lease", body.bytes)
    request.wait = worker.configuration.pollWait
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
    let task = Task { await work() }
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
    await interruptible { try? await Task.sleep(for: duration) }
  }

  // MARK: Jobs

  private func start(_ job: LeasedJob) {
    let context = JobContext(job, logger: logger) { [weak self] progress in
      try await self?.report(progress, of: Lease(job: job.id, token: job.leaseID))
    }
    let extendAt = Self.clock.now + heartbeat
    state.withLock { state in
      let handler = Task { await self.conclude(job, context) }
      state.held[job.leaseID] = Held(job: job.id, handler: handler, extendAt: extendAt)
      Task {
        await self.settle(job, await handler.value)
        self.forget(job)
      }
      // Leased in the very moment in which the worker began to stop: it is drained like the others.
      if state.isAborted { handler.cancel() }
    }
  }

  private func conclude(_ job: LeasedJob, _ context: JobContext) async -> Conclusion {
    do {
      return .returned(try await worker.run(job, context))
    } catch let failure as PermanentFailure {
      return .returned(.fail(failure.description))
    } catch {
      return .threw("\(error)")
    }
  }

  private func forget(_ job: LeasedJob) {
    state.withLock { $0.held[job.leaseID] = nil }
    signal()
  }

  /// Cancels a handler; the first reason counts.
  func end(_ lease: Lease, _ ending: Ending) {
    state.withLock { state in
      guard let held = state.held[lease.token], held.ending == nil else { return }
      state.held[lease.token]?.ending = ending
      held.handler.cancel()
    }
  }

  /// Why a handler was cancelled; nil while it was not. A lease that is not held counts as lost.
  func ending(of token: String) -> Ending? {
    state.withLock { state in
      guard let held = state.held[token] else { return .leaseLost }
      return held.ending
    }
  }

  /// Whether outcomes are given up that cannot be told now.
  var isAborted: Bool { state.withLock { $0.isAborted } }

  // MARK: Leases

  /// How often a lease is extended.
  var heartbeat: Duration { worker.configuration.lease / 3 }

  /// Sets when a lease is to be extended next.
  func postpone(_ lease: Lease, by duration: Duration) {
    let instant = Self.clock.now + duration
    state.withLock { $0.held[lease.token]?.extendAt = instant }
  }

  /// The leases to extend now, each taken once, and when to look again.
  func takeDue() -> (due: [Lease], next: ContinuousClock.Instant) {
    let now = Self.clock.now
    return state.withLock { state in
      var due: [Lease] = []
      // A lease granted meanwhile is due no sooner; one whose heartbeat fails is looked at again before it ends.
      var next = now + heartbeat / 4
      for (token, held) in state.held where held.ending != .leaseLost {
        if held.extendAt <= now {
          due.append(Lease(job: held.job, token: token))
          state.held[token]?.extendAt = now + heartbeat
        } else {
          next = min(next, held.extendAt)
        }
      }
      return (due, next)
    }
  }

  // MARK: Stopping

  private func drain() {
    let interrupt = state.withLock { state in
      state.isDraining = true
      return state.interrupt
    }
    interrupt?()
    signal()
  }

  private func abort() {
    state.withLock { $0.isAborted = true }
    drain()
  }

  /// Lets handlers finish, cancels those that take too long, and hands back what is left.
  private func finish() async {
    // A worker that was refused stops like any other.
    drain()
    await waitUntilIdle(atMost: worker.configuration.drainTimeout, orAborted: true)
    state.withLock { $0.isAborted = true }
    for lease in leases { end(lease, .drained) }
    await waitUntilIdle(atMost: Self.cancellationGrace, orAborted: false)
    let left = leases
    // What these handlers still return is told to nobody.
    state.withLock { $0.held = [:] }
    await Task { await handBack(left) }.value
  }

  private var leases: [Lease] { state.withLock { $0.held.map { Lease(job: $0.value.job, token: $0.key) } } }

  private func waitUntilIdle(atMost limit: Duration, orAborted: Bool) async {
    let deadline = Self.clock.now + limit
    let alarm = Task {
      try? await Task.sleep(until: deadline, clock: .continuous)
      signal()
    }
    defer { alarm.cancel() }
    while state.withLock({ !$0.held.isEmpty && !(orAborted && $0.isAborted) }), Self.clock.now < deadline {
      await change()
    }
  }

  // MARK: Waiting for a change of the state. One task waits at a time: the lease loop, later `finish`.

  private func change() async {
    await withCheckedContinuation { continuation in
      let isDue = state.withLock { state in
        defer { state.hasChanged = false }
        if !state.hasChanged { state.waiter = continuation }
        return state.hasChanged
      }
      if isDue { continuation.resume() }
    }
  }

  private func signal() {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      state.hasChanged = state.waiter == nil
      return state.waiter
    }
    waiter?.resume()
  }
}
