import Logging
import RoostAPI
import Synchronization

/// Leases: extended well before their end, and given up where that does not succeed.
extension WorkerSession {
  /// Looks after all leases until the task is cancelled.
  func keepLeases() async {
    while !Task.isCancelled {
      let look = look()
      for lease in look.ended {
        logger.warning(
          "the lease has ended by this worker's clock, the job is stopped", metadata: ["job_id": "\(lease.job)"])
        end(lease, .leaseEnded)
      }
      for lease in look.due { WorkerThread.task { await self.beat(lease) } }
      await pauseKeeper(until: look.next)
    }
  }

  /// What is to be done about the leases now, each named once.
  private struct Look {
    var due: [Lease] = []
    var ended: [Lease] = []
    /// When to look again.
    var next: ContinuousClock.Instant
  }

  private func look() -> Look {
    let now = Self.clock.now
    return state.withLock { state in
      var look = Look(next: now + .seconds(3_600))
      for (token, held) in state.held where held.ending != .leaseLost && held.ending != .leaseEnded {
        let lease = Lease(job: held.job, token: token, duration: held.lease)
        if held.endsAt <= now, !held.hasConcluded {
          look.ended.append(lease)
          continue
        }
        var extendAt = held.extendAt
        if extendAt <= now {
          look.due.append(lease)
          // Unless this one is answered before: a beat that never is must not be the last.
          extendAt = now + held.lease.heartbeat
          state.held[token]?.extendAt = extendAt
        }
        look.next = min(look.next, extendAt)
        if !held.hasConcluded { look.next = min(look.next, held.endsAt) }
      }
      state.nextLook = look.next
      return look
    }
  }

  /// Waits until a lease is due: as it was foreseen, or sooner.
  private func pauseKeeper(until instant: ContinuousClock.Instant) async {
    let pause = WorkerThread.task { await WorkerThread.sleep(for: Self.clock.now.duration(to: instant)) }
    let isSooner = state.withLock { state in
      state.wakeKeeper = { pause.cancel() }
      return state.nextLook < instant
    }
    if isSooner { pause.cancel() }
    await withTaskCancellationHandler {
      await pause.value
    } onCancel: {
      pause.cancel()
    }
  }

  /// Has the keeper look again at this time at the latest.
  func look(at instant: ContinuousClock.Instant) {
    let wake = state.withLock { state in
      guard instant < state.nextLook else { return nil as (@Sendable () -> Void)? }
      state.nextLook = instant
      return state.wakeKeeper
    }
    wake?()
  }

  private func beat(_ lease: Lease) async {
    do throws(Transport.Failure) {
      try await extend(lease, progress: nil)
    } catch .refused(let error) {
      logger.warning("the lease could not be extended", metadata: about(lease.job, error))
      // The daemon may be away for a moment only: it is asked again well before the lease ends.
      postpone(lease, until: Self.clock.now + lease.duration.heartbeat / 4)
    } catch {}
  }

  /// Says how far a handler is.
  ///
  /// - Throws: `CancellationError` if the handler is to stop; `RoostError` if the report itself is refused.
  func report(_ progress: RawJSON, of lease: Lease) async throws {
    guard ending(of: lease.token) == nil else { throw CancellationError() }
    do throws(Transport.Failure) {
      try await extend(lease, progress: progress)
    } catch .refused(let error) where error.isUndecided {
      logger.debug("a progress report was dropped", metadata: about(lease.job, error))
    } catch .refused(let error) {
      throw error
    } catch {
      throw CancellationError()
    }
    guard ending(of: lease.token) == nil else { throw CancellationError() }
  }

  /// Extends a lease; ends its handler if the daemon says so.
  private func extend(_ lease: Lease, progress: RawJSON?) async throws(Transport.Failure) {
    var body = JSONWriter()
    body.beginObject()
    body.field("lease_id", lease.token)
    // Without, the daemon extends by what the job says.
    if let lease = worker.configuration.lease { body.field("lease", duration: lease) }
    if let progress { body.field("progress", raw: progress.bytes[...]) }
    body.endObject()
    var request = Transport.Request.post(path(lease.job, "extend"), body.bytes)
    // Beyond the next heartbeat, which goes out all the same; not beyond the lease.
    request.timeout = lease.duration - lease.duration.heartbeat
    let asked = Self.clock.now
    do throws(Transport.Failure) {
      let answer = try await transport.sendOnce(request)
      // The daemon counts from when it was asked or later. Any other answer than its own ends with an error here.
      let fields: JSONFields
      do throws(RoostError) {
        fields = try JSONFields(answer)
        _ = try fields.required("lease_until", JSONFields.text)
      } catch {
        throw Transport.Failure.refused(error)
      }
      postpone(lease, until: Self.clock.now + lease.duration.heartbeat, endsAt: asked + lease.duration)
      if fields.flag("cancel_requested") { end(lease, .cancelRequested) }
    } catch .refused(let error) where error.meansLeaseLost {
      // An outcome that was told meanwhile has ended the lease; whoever tells it hears what became of it.
      guard hasRunningHandler(lease) else { return }
      logger.warning("the lease was lost, the job is stopped", metadata: about(lease.job, error))
      end(lease, .leaseLost)
    } catch {
      throw error
    }
  }

  private func hasRunningHandler(_ lease: Lease) -> Bool {
    state.withLock { $0.held[lease.token]?.hasConcluded == false }
  }

  /// Sets when a lease is to be extended next, and when it ends if that is known anew.
  private func postpone(
    _ lease: Lease, until instant: ContinuousClock.Instant, endsAt: ContinuousClock.Instant? = nil
  ) {
    state.withLock { state in
      state.held[lease.token]?.extendAt = instant
      guard let endsAt, let held = state.held[lease.token] else { return }
      state.held[lease.token]?.endsAt = min(endsAt, held.attemptEndsAt ?? endsAt)
    }
    look(at: instant)
  }
}

extension Duration {
  /// How often a lease of this length is extended.
  var heartbeat: Duration { self / 3 }
}
