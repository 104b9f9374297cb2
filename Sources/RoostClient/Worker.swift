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
/// A worker never holds more jobs than it runs. While a handler runs its lease is extended; when the job is cancelled
/// or the lease lost, the handler's task is cancelled. An outcome is told again and again, across restarts of the
/// daemon, until it is known or the lease is lost. Jobs run **at least once**: a handler whose worker died may have
/// done its work already.
///
/// A worker is a `Service`: in a `ServiceGroup`, graceful shutdown makes it lease no more, finish what runs within
/// ``WorkerConfiguration/drainTimeout``, and hand back the rest. Cancelling the task of ``run()`` skips the waiting.
public struct Worker: Service {
  /// Runs one attempt. What it throws is a failure that is retried.
  typealias Handler = @Sendable (RawJSON, JobContext) async throws -> Outcome

  let client: Client
  let queues: [String]
  let configuration: WorkerConfiguration
  private(set) var handlers: [Name: Handler] = [:]
  private(set) var defaultHandler: Handler?

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
  /// - Throws: ``RoostError`` if the daemon refuses to lease to this worker at all: the key is revoked, a queue
  ///   forbidden, a setting out of range. A daemon that is away is no error: the worker waits for it.
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

  /// Chooses the handler of a job. A type that nobody handles is retried: a worker that knows it may come.
  func run(_ job: LeasedJob, _ context: JobContext) async throws -> Outcome {
    guard let handler = handlers[Name(job.type)] ?? defaultHandler else {
      return .retry(
        job.type.isEmpty
          ? "this worker has no handler for jobs without a type"
          : "this worker has no handler for the type \(job.type)")
    }
    return try await handler(job.payload, context)
  }
}

// MARK: Handlers

extension Worker {
  /// Handles the jobs of a payload's type. Returning completes the job; what is thrown is retried. A payload that
  /// does not decode fails the job for good. A second handler of the same type replaces the first.
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Void
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a payload's type; what is returned is the job's result.
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> some Encodable & Sendable
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a payload's type; what is returned says what became of the job.
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Outcome
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a type; their payloads decode as any type that fits them.
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Void
  ) {
    handle(jobType, as: payload) { payload, context in
      try await handler(payload, context)
      return Outcome.complete
    }
  }

  /// Handles the jobs of a type; what is returned is the job's result.
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> some Encodable & Sendable
  ) {
    handle(jobType, as: payload) { payload, context in
      Outcome.complete(try await handler(payload, context))
    }
  }

  /// Handles the jobs of a type; what is returned says what became of the job.
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Outcome
  ) {
    handlers[Name(jobType)] = { raw, context in
      let payload: Payload
      do throws(RoostError) {
        payload = try raw.decode()
      } catch {
        return .fail("the payload does not fit: \(error.message)")
      }
      return try await handler(payload, context)
    }
  }

  /// Handles the jobs of a type with their payloads as they were sent.
  public mutating func handle(
    _ jobType: String, _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Outcome
  ) {
    handlers[Name(jobType)] = handler
  }

  /// Handles the jobs whose type has no handler of its own.
  public mutating func handleOthers(
    _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Outcome
  ) {
    defaultHandler = handler
  }
}
