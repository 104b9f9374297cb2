import Logging
import Metrics

/// What surrounds every handler of a worker: it sees each job before its handler, and what became of it behind.
///
/// ```swift
/// worker.use(.recovery { error, _ in error is UpstreamBusy ? .snooze(.seconds(30)) : nil })
/// worker.use { job, context, next in
///   try await withSpan(context.type) { try await next(job, context) }
/// }
/// ```
///
/// The first that is used is the outermost. One may change the payload or the context on the way in, answer without the
/// handler, or make another outcome of what comes back.
public struct Middleware: Sendable {
  /// What stands inside of it: the next one, or the handler.
  public typealias Next = @Sendable (RawJSON, JobContext) async throws -> Outcome

  let body: @Sendable (RawJSON, JobContext, @escaping Next) async throws -> Outcome

  /// - Parameter body: Gets the payload as it was sent, the context, and what stands inside.
  public init(
    _ body: @escaping @Sendable (_ job: RawJSON, _ context: JobContext, _ next: @escaping Next) async throws -> Outcome
  ) {
    self.body = body
  }

  func around(_ next: @escaping Next) -> Next {
    { [body] job, context in try await body(job, context, next) }
  }
}

extension Worker {
  /// Surrounds every handler, of those that are registered and those that will be.
  public mutating func use(_ middleware: Middleware) { middlewares.append(middleware) }

  /// The same with a closure.
  public mutating func use(
    _ body:
      @escaping @Sendable (_ job: RawJSON, _ context: JobContext, _ next: @escaping Middleware.Next) async throws ->
      Outcome
  ) { use(Middleware(body)) }
}

/// Those that come with the library.
extension Middleware {
  /// Logs the beginning and the end of each attempt with its duration, in the job's own logger. Failures are logged by the
  /// worker, with what comes next.
  public static func logging(level: Logger.Level = .info) -> Middleware {
    Middleware { job, context, next in
      let begun = ContinuousClock.now
      context.logger.log(level: level, "begun", metadata: ["queue": "\(context.queue)"])
      do {
        let outcome = try await next(job, context)
        context.logger.log(
          level: level, "ended",
          metadata: ["outcome": "\(outcome.verdict)", "seconds": "\(begun.duration(to: .now) / .seconds(1))"])
        return outcome
      } catch {
        context.logger.log(
          level: level, "ended",
          metadata: ["outcome": "threw", "seconds": "\(begun.duration(to: .now) / .seconds(1))"])
        throw error
      }
    }
  }

  /// Counts attempts through swift-metrics: `roost_worker_attempts_total` by `queue`, `type` and `outcome` (`complete`,
  /// `retry`, `snooze`, `fail`, `threw`), `roost_worker_attempt_duration` (a timer) by `queue` and `type`, and
  /// `roost_worker_running` (a gauge, in all). Types are as many as handlers; those that nobody handles count as `(other)`.
  public static func metrics() -> Middleware {
    let running = Meter(label: "roost_worker_running")
    return Middleware { job, context, next in
      let labels = [("queue", context.queue), ("type", context.type)]
      let begun = ContinuousClock.now
      running.increment()
      defer {
        running.decrement()
        Timer(label: "roost_worker_attempt_duration", dimensions: labels).record(duration: begun.duration(to: .now))
      }
      func count(_ outcome: String) {
        Counter(label: "roost_worker_attempts_total", dimensions: labels + [("outcome", outcome)]).increment()
      }
      do {
        let outcome = try await next(job, context)
        count("\(outcome.verdict)")
        return outcome
      } catch {
        count("threw")
        throw error
      }
    }
  }

  /// Cancels a handler that takes longer; its attempt has failed and is tried again while attempts are left. A handler
  /// that ignores its cancellation is waited for: the daemon's own bound is ``JobOptions/timeout``.
  public static func timeout(_ limit: Duration) -> Middleware {
    Middleware { job, context, next in
      try await withThrowingTaskGroup(of: Outcome?.self) { group in
        group.addTask { try await next(job, context) }
        group.addTask {
          try await Task.sleep(for: limit)
          return nil
        }
        let first = try await group.next() ?? nil
        group.cancelAll()
        return first ?? .retry("took longer than \(limit)")
      }
    }
  }

  /// Makes an outcome of an error that a handler throws: a pause for an upstream that is busy, a failure for good for one
  /// that will not pass.
  ///
  /// - Parameter outcome: Nil lets the error through: it is retried. Cancellation always is.
  public static func recovery(
    _ outcome: @escaping @Sendable (_ error: any Error, _ context: JobContext) -> Outcome?
  ) -> Middleware {
    Middleware { job, context, next in
      do {
        return try await next(job, context)
      } catch let error as CancellationError {
        throw error
      } catch {
        guard let outcome = outcome(error, context) else { throw error }
        return outcome
      }
    }
  }
}
