import Logging
import RoostAPI
import Synchronization

/// Stopping: handlers get time to finish, and what is left is handed back.
extension WorkerSession {
  func drain() {
    let interrupt = state.withLock { state in
      state.isDraining = true
      return state.interrupt
    }
    interrupt?()
    signal()
  }

  func abort() {
    let wakes = state.withLock { state in
      state.isAborted = true
      return state.held.values.compactMap(\.wake)
    }
    // Outcomes that the daemon has not heard of are told once more, now.
    for wake in wakes { wake() }
    drain()
  }

  /// Whether outcomes are given up that cannot be told now.
  var isAborted: Bool { state.withLock { $0.isAborted } }

  /// Lets handlers finish, cancels those that take too long, and hands back what is left.
  func finish() async {
    // A worker that was refused stops like any other.
    drain()
    await waitUntilIdle(atMost: worker.configuration.drainTimeout, orAborted: true)
    abort()
    for lease in running(forgotten: false) { end(lease, .drained) }
    await waitUntilIdle(atMost: worker.configuration.cancellationGrace, orAborted: false)
    // What these handlers still return is told to nobody. A job whose handler has ended is not handed back, even if
    // the daemon could not be told so: it was done, and would be done again at once.
    let left = running(forgotten: true)
    await WorkerThread.task { await self.handBack(left) }.value
  }

  /// The leases whose handlers run.
  private func running(forgotten: Bool) -> [Lease] {
    state.withLock { state in
      let running = state.held.filter { !$0.value.hasConcluded }
      if forgotten { for token in running.keys { state.held[token] = nil } }
      return running.map { Lease(job: $0.value.job, token: $0.key, duration: $0.value.lease) }
    }
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

  /// Releases leases, their attempts not counted, as far as the daemon can be reached.
  private func handBack(_ leases: [Lease]) async {
    await withTaskGroup { group in
      for lease in leases {
        group.addTask {
          var body = JSONWriter()
          body.beginObject()
          body.field("lease_id", lease.token)
          body.endObject()
          var request = Transport.Request.post(self.path(lease.job, "release"), body.bytes)
          request.timeout = .seconds(5)
          do throws(Transport.Failure) {
            _ = try await self.transport.endOnce(request)
          } catch .refused(let error) {
            self.logger.warning("a job could not be handed back", metadata: self.about(lease.job, error))
          } catch {}
        }
      }
    }
  }
}
