import Synchronization
import Tracing

/// One job: its handler, and why that is cancelled.
extension WorkerSession {
  /// How a handler ended.
  enum Conclusion: Sendable {
    case returned(Outcome)
    case threw(String)
  }

  func start(_ job: LeasedJob) {
    let duration = job.lease ?? worker.configuration.lease ?? .seconds(30)
    let lease = Lease(job: job.id, token: job.leaseID, duration: duration)
    let context = JobContext(job, logger: logger) { [weak self] progress in
      try await self?.report(progress, of: lease)
    }
    let now = Self.clock.now
    state.withLock { state in
      // On Swift's pool, where it may block: no preference is inherited here.
      let handler = Task {
        let (conclusion, trace) = await self.conclude(job, context)
        return (conclusion, self.noteConclusion(of: lease), trace)
      }
      var held = Held(
        job: job.id, cancel: { handler.cancel() }, lease: duration, extendAt: now + duration.heartbeat,
        endsAt: now + duration, attemptEndsAt: job.timeout.map { now + $0 })
      // Leased in the very moment in which the worker began to stop: it is drained like the others.
      if state.isAborted { held.ending = .drained }
      state.held[job.leaseID] = held
      WorkerThread.task {
        let (conclusion, ending, trace) = await handler.value
        // Before the job can come back: it is not to be leased again here.
        if case .returned(let outcome) = conclusion, outcome.stopsWorker { self.drain() }
        await JobTrace.within(trace) { await self.settle(job, conclusion, ending) }
        self.forget(job)
      }
      if state.isAborted { handler.cancel() }
    }
    look(at: now + duration.heartbeat)
  }

  /// - Returns: With what its end belongs to, where that is traced.
  private func conclude(_ job: LeasedJob, _ context: JobContext) async -> (Conclusion, ServiceContext?) {
    let (result, trace) = await JobTrace.processing(context) { try await self.worker.run(job.payload, context) }
    switch result {
    case .success(let outcome): return (.returned(outcome), trace)
    case .failure(let failure as PermanentFailure): return (.returned(.fail(failure.description)), trace)
    case .failure(let error): return (.threw("\(error)"), trace)
    }
  }

  /// The handler has ended: from now on nothing but its outcome counts.
  ///
  /// - Returns: Why it was cancelled, if it was. A lease that is not held counts as lost.
  private func noteConclusion(of lease: Lease) -> Ending? {
    state.withLock { state in
      guard let held = state.held[lease.token] else { return .leaseLost }
      state.held[lease.token]?.hasConcluded = true
      return held.ending
    }
  }

  private func forget(_ job: LeasedJob) {
    state.withLock { $0.held[job.leaseID] = nil }
    signal()
  }

  /// Cancels a handler; the first reason counts, but that nothing is to be told any more counts always.
  func end(_ lease: Lease, _ ending: Ending) {
    state.withLock { state in
      guard let held = state.held[lease.token], held.ending == nil || ending == .leaseLost else { return }
      state.held[lease.token]?.ending = ending
      held.cancel()
    }
  }

  /// Why a handler was cancelled; nil while it was not. A lease that is not held counts as lost.
  func ending(of token: String) -> Ending? {
    state.withLock { state in
      guard let held = state.held[token] else { return .leaseLost }
      return held.ending
    }
  }
}
