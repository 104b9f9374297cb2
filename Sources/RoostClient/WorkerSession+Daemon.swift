import Logging
import RoostAPI

/// What a worker tells the daemon: outcomes, heartbeats, progress, jobs handed back.
extension WorkerSession {
  // MARK: Outcomes

  /// Tells what became of an attempt, until it is known or the lease is lost.
  func settle(_ job: LeasedJob, _ conclusion: Conclusion) async {
    guard let outcome = outcome(conclusion, ending(of: job.leaseID)) else { return }
    guard let refusal = await tell(job, outcome) else { return }
    // Such as a result that is too large: the daemon will not take it a second time either.
    _ = await tell(job, .fail("the outcome was refused: \(refusal)"))
  }

  /// - Returns: nil if there is nothing to tell.
  private func outcome(_ conclusion: Conclusion, _ ending: Ending?) -> Outcome? {
    switch (conclusion, ending) {
    case (_, .leaseLost): nil
    case (.returned(let outcome), _): outcome
    // A handler that was cancelled throws whatever its libraries make of it.
    case (.threw, .drained): .snooze(.zero)
    case (.threw(let error), .cancelRequested): .fail(error)
    case (.threw(let error), nil): .retry(error)
    }
  }

  /// - Returns: Why the daemon refuses to hear it at all.
  private func tell(_ job: LeasedJob, _ outcome: Outcome) async -> RoostError? {
    var backoff = Backoff(transport.configuration.retry)
    while true {
      do throws(Transport.Failure) {
        try await tellOnce(job, outcome)
        logger.debug(
          "the outcome is known to the daemon", metadata: ["job_id": "\(job.id)", "attempt": "\(job.attempt)"])
        return nil
      } catch .refused(let error) where error.isRetryable {
        guard !isAborted, ending(of: job.leaseID) != .leaseLost else {
          logger.warning("the outcome is not known to the daemon", metadata: about(job.id, error))
          return nil
        }
        logger.debug("telling the outcome again", metadata: about(job.id, error))
        try? await Task.sleep(for: backoff.pause(atLeast: error.retryAfter))
      } catch .refused(let error) where Self.meansLost(error) {
        logger.warning("the lease was lost before the outcome was told", metadata: about(job.id, error))
        return nil
      } catch .refused(let error) {
        logger.error("the outcome was refused", metadata: about(job.id, error))
        return error
      } catch {
        return nil
      }
    }
  }

  private func tellOnce(_ job: LeasedJob, _ outcome: Outcome) async throws(Transport.Failure) {
    var body = JSONWriter()
    body.beginObject()
    body.field("lease_id", job.leaseID)
    let verb: String
    switch outcome.kind {
    case .complete(let result): return try await acknowledger.acknowledge(job, result)
    case .retry(let error, let after):
      verb = "fail"
      body.field("error", Self.bounded(error))
      if let after { body.field("retry_after", duration: after) }
    case .fail(let error):
      verb = "fail"
      body.field("error", Self.bounded(error))
      body.field("retryable", false)
    case .snooze(let delay):
      verb = "release"
      if delay > .zero { body.field("delay", duration: delay) }
    }
    body.endObject()
    _ = try await transport.sendOnce(.post(path(job.id, verb), body.bytes))
  }

  /// The daemon takes 16 KiB of text, and none at all it refuses.
  private static func bounded(_ error: String) -> String {
    guard !error.isEmpty else { return "failed without saying why" }
    guard error.utf8.count > 8 << 10 else { return error }
    // Cut bytes may leave half a character, which becomes a replacement character.
    return String(decoding: error.utf8.prefix(8 << 10), as: UTF8.self) + "…"
  }

  // MARK: Heartbeats

  /// Extends each lease well before its end, until the task is cancelled.
  func keepLeases() async {
    while !Task.isCancelled {
      let (due, next) = takeDue()
      for lease in due { Task { await beat(lease) } }
      try? await Task.sleep(until: next, clock: .continuous)
    }
  }

  private func beat(_ lease: Lease) async {
    do throws(Transport.Failure) {
      try await extend(lease, progress: nil)
    } catch .refused(let error) {
      logger.warning("the lease could not be extended", metadata: about(lease.job, error))
      // The daemon may be away for a moment only: it is asked again well before the lease ends.
      postpone(lease, by: heartbeat / 4)
    } catch {}
  }

  /// Says how far a handler is.
  ///
  /// - Throws: `CancellationError` if the handler is to stop; `RoostError` if the report itself is refused.
  func report(_ progress: RawJSON, of lease: Lease) async throws {
    guard ending(of: lease.token) == nil else { throw CancellationError() }
    do throws(Transport.Failure) {
      try await extend(lease, progress: progress)
    } catch .refused(let error) where error.isRetryable {
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
    body.field("lease", duration: worker.configuration.lease)
    if let progress { body.field("progress", raw: progress.bytes[...]) }
    body.endObject()
    var request = Transport.Request.post(path(lease.job, "extend"), body.bytes)
    request.timeout = heartbeat
    do throws(Transport.Failure) {
      let answer = try await transport.sendOnce(request)
      postpone(lease, by: heartbeat)
      if let fields = try? JSONFields(answer), fields.flag("cancel_requested") { end(lease, .cancelRequested) }
    } catch .refused(let error) where Self.meansLost(error) {
      logger.warning("the lease was lost, the job is stopped", metadata: about(lease.job, error))
      end(lease, .leaseLost)
    } catch {
      throw error
    }
  }

  // MARK: Handing back

  /// Releases leases, their attempts not counted, as far as the daemon can be reached.
  func handBack(_ leases: [Lease]) async {
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
            _ = try await self.transport.sendOnce(request)
          } catch .refused(let error) {
            self.logger.warning("a job could not be handed back", metadata: self.about(lease.job, error))
          } catch {}
        }
      }
    }
  }

  // MARK: Words

  private static func meansLost(_ error: RoostError) -> Bool {
    // 404: the job was lost to this key, or ended elsewhere and was purged.
    error.status == 409 || error.code == .jobNotFound
  }

  private func path(_ job: JobID, _ verb: String) -> String { "/jobs/\(percentEncoded(job.rawValue))/\(verb)" }

  private func about(_ job: JobID, _ error: RoostError) -> Logger.Metadata {
    ["job_id": "\(job)", "error": "\(error)"]
  }
}
