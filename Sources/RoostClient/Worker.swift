import Logging
import RoostAPI
import ServiceLifecycle
import UnixSignals

/// Leases jobs, runs their handlers, and tells the daemon what became of them.
///
/// ```swift
/// var worker = Worker(client: client, queues: ["email"])
/// worker.handle(SendEmail.self) { email, context in
///   try await mailer.send(to: email.to)
/// }
/// try await worker.runUntilSignalled()
/// ```
///
/// A worker never holds more jobs than it runs. While a handler runs its lease is extended; when the job is cancelled,
/// or the lease is lost or has ended by the worker's own clock, the handler's task is cancelled. An outcome is told
/// again and again, across restarts of the daemon, until it is known or the lease is lost. Jobs run **at least once**:
/// a handler whose worker died may have done its work already.
///
/// A handler may block its thread: leases are extended by a thread of their own. But Swift runs all tasks on as many
/// threads as there are cores, so handlers that block hold up each other and the rest of the program.
///
/// A failed attempt is logged as a warning with its error and what comes next, one that leaves the job DEAD as an error.
///
/// A worker is a `Service`: in a `ServiceGroup`, graceful shutdown makes it lease no more, finish what runs within
/// ``WorkerConfiguration/drainTimeout``, and hand back the rest. Cancelling the task of ``run()`` skips the waiting.
public struct Worker: Service {
  /// Runs one attempt. What it throws is a failure that is retried.
  package typealias Handler = @Sendable (RawJSON, JobContext) async throws -> Outcome

  package let client: Client
  package let queues: [String]
  package let configuration: WorkerConfiguration
  var handlers: [Name: Handler] = [:]
  var defaultHandler: Handler?
  /// The outermost first.
  var middlewares: [Middleware] = []

  /// - Parameters:
  ///   - client: With a key of type worker.
  ///   - queues: Where to take jobs from, 1 to 32.
  public init(
    client: Client, queues: [String] = ["default"], configuration: WorkerConfiguration = WorkerConfiguration()
  ) {
    precondition(
      configuration.concurrency > 0, "a worker needs room for at least one job: concurrency must be positive")
    self.client = client
    self.queues = queues
    self.configuration = configuration
  }

  /// Leases and runs jobs until it is told to stop.
  ///
  /// - Throws: ``RoostError`` if the daemon itself refuses to lease to this worker at all (401, 403, 422): the key is
  ///   revoked, a queue forbidden, a setting out of range. A daemon that is away is no error, nor whatever a proxy
  ///   answers in its place: the worker waits for it.
  public func run() async throws {
    try await WorkerSession(self).run()
  }

  /// Runs until SIGTERM or SIGINT, then drains: for programs that are nothing but a worker.
  public func runUntilSignalled() async throws {
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: self)], gracefulShutdownSignals: [.sigterm, .sigint],
        logger: client.transport.configuration.logger))
    try await group.run()
  }

  /// Runs one attempt: its handler, within what surrounds it.
  package func run(_ payload: RawJSON, _ context: JobContext) async throws -> Outcome {
    let handler: Middleware.Next = { payload, context in try await self.handle(payload, context) }
    return try await middlewares.reversed().reduce(handler) { $1.around($0) }(payload, context)
  }

  /// Chooses the handler of a job. A type that nobody handles is retried: a worker that knows it may come.
  private func handle(_ payload: RawJSON, _ context: JobContext) async throws -> Outcome {
    guard let handler = handlers[Name(context.type)] ?? defaultHandler else {
      return .retry(
        context.type.isEmpty
          ? "this worker has no handler for jobs without a type"
          : "this worker has no handler for the type \(context.type)")
    }
    return try await handler(payload, context)
  }

  /// The same worker with another client, which stops once no job is ready.
  package func draining(through client: Client) -> Worker {
    var configuration = configuration
    configuration.stopsWhenIdle = true
    configuration.pollWait = .zero
    var worker = Worker(client: client, queues: queues, configuration: configuration)
    (worker.handlers, worker.defaultHandler, worker.middlewares) = (handlers, defaultHandler, middlewares)
    return worker
  }
}
