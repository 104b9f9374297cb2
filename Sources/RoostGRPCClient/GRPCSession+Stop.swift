import Logging
import RoostClient
import RoostProto
import Synchronization

/// Leases kept alive, and how a worker stops.
extension GRPCSession {
  /// Looks after all leases until the task is cancelled.
  func keep() async {
    while !Task.isCancelled {
      let now = Self.clock.now
      let (ended, pause) = state.withLock { state in
        let ended = state.held.filter { $0.value.endsAt <= now && $0.value.ending == nil && !$0.value.isConcluded }
        let shortest = state.held.values.map(\.lease).min() ?? .seconds(30)
        if !state.held.isEmpty, state.link != nil, state.nextBeatAt <= now {
          state.outgoing.heartbeat = state.nextBeat
          state.beats[state.nextBeat] = now
          state.nextBeat += 1
          state.nextBeatAt = now + shortest / 3
        }
        return (ended.map { ($0.key, $0.value.job.id) }, min(.milliseconds(500), max(.milliseconds(10), shortest / 10)))
      }
      for (token, job) in ended {
        logger.warning("the lease has ended by this worker's clock, the job is stopped", metadata: ["job_id": "\(job)"])
        end(token, .leaseEnded)
      }
      wake()
      await WorkerThread.sleep(for: pause)
    }
  }

  func drain() {
    state.withLock { state in
      guard !state.isDraining else { return }
      state.isDraining = true
      state.outgoing.drain = true
      // What has not begun goes back.
      for (token, held) in state.held {
        switch held.phase {
        case .waiting, .confirming:
          let outcome = Roost_V1_Outcome.release(held.job)
          state.held[token]?.phase = .concluded(outcome)
          state.outgoing.outcomes.append(outcome)
        case .running, .concluded: break
        }
      }
      state.queue = []
    }
    wake()
    signal()
  }

  func abort() {
    state.withLock { $0.isAborted = true }
    drain()
  }

  func untilDraining() async {
    while !state.withLock({ $0.isDraining }) { await change() }
  }

  /// Lets handlers finish, cancels those that take too long, and hands back what is left.
  func finish() async {
    await waitUntilIdle(atMost: worker.configuration.drainTimeout, orAborted: true)
    for token in state.withLock({ state in state.held.filter(\.value.isRunning).keys }) { end(token, .drained) }
    await waitUntilIdle(atMost: worker.configuration.cancellationGrace, orAborted: false)
    state.withLock { state in
      for (token, held) in state.held where held.isRunning {
        // What its handler still returns is told to nobody.
        state.held[token]?.phase = .concluded(.release(held.job))
        state.outgoing.outcomes.append(.release(held.job))
      }
    }
    wake()
    await waitUntilIdle(atMost: .seconds(5), orAborted: false)
    for token in state.withLock({ Array($0.held.keys) }) {
      note(token, .unknown(RoostError(.unreachable, "no answer came before the worker stopped", .unanswered)))
    }
    state.withLock { $0.isFinished = true }
    wake()
  }

  private func waitUntilIdle(atMost limit: Duration, orAborted: Bool) async {
    let deadline = Self.clock.now + limit
    let alarm = WorkerThread.task {
      await WorkerThread.sleep(for: limit)
      self.signal()
    }
    defer { alarm.cancel() }
    while state.withLock({ !$0.held.isEmpty && !(orAborted && $0.isAborted) }), Self.clock.now < deadline {
      await change()
    }
  }

  // MARK: Waiting for a change of the state: one task does at a time.

  func change() async {
    await withCheckedContinuation { continuation in
      let isDue = state.withLock { state in
        defer { state.hasChanged = false }
        if !state.hasChanged { state.change = continuation }
        return state.hasChanged
      }
      if isDue { continuation.resume() }
    }
  }

  func signal() {
    let waiter = state.withLock { state in
      defer { state.change = nil }
      state.hasChanged = state.change == nil
      return state.change
    }
    waiter?.resume()
  }
}

extension GRPCSession.Held {
  var isConcluded: Bool { if case .concluded = phase { true } else { false } }
}
