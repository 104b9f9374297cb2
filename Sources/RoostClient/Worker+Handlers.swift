import RoostAPI

/// Registering handlers.
///
/// Each kind of payload has four forms, so that a closure may return nothing, a value, an ``Outcome``, or one in one
/// branch and another in the next, in however many statements. The last two are disfavoured: a closure without `return`
/// fits any type that its caller names, as far as overload resolution is concerned, and must be taken as returning nothing.
extension Worker {
  // MARK: Payloads that know their type

  /// Handles the jobs of a payload's type. Returning completes the job; what is thrown is retried. A payload that
  /// does not decode fails the job for good. A second handler of the same type replaces the first.
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Void
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a payload's type; what is returned is the job's result, or the ``Outcome`` of the attempt.
  public mutating func handle<Payload: JobPayload, Value: Encodable & Sendable>(
    _ payload: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Value
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a payload's type; what is returned says what became of the job.
  @_disfavoredOverload
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Outcome
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  /// Handles the jobs of a payload's type; each `return` gives a result or an ``Outcome``.
  @_disfavoredOverload
  public mutating func handle<Payload: JobPayload>(
    _ payload: Payload.Type,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> any Encodable & Sendable
  ) {
    handle(Payload.jobType, as: payload, handler)
  }

  // MARK: Any payload that decodes

  /// Handles the jobs of a type; their payloads decode as any type that fits them.
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Void
  ) {
    handlers[Name(jobType)] = Self.decoding(payload) { payload, context in
      try await handler(payload, context)
      return .complete
    }
  }

  /// Handles the jobs of a type; what is returned is the job's result, or the ``Outcome`` of the attempt.
  public mutating func handle<Payload: Decodable & Sendable, Value: Encodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Value
  ) {
    handlers[Name(jobType)] = Self.decoding(payload) { Outcome.complete(try await handler($0, $1)) }
  }

  /// Handles the jobs of a type; what is returned says what became of the job.
  @_disfavoredOverload
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Outcome
  ) {
    handlers[Name(jobType)] = Self.decoding(payload, handler)
  }

  /// Handles the jobs of a type; each `return` gives a result or an ``Outcome``.
  @_disfavoredOverload
  public mutating func handle<Payload: Decodable & Sendable>(
    _ jobType: String, as payload: Payload.Type = Payload.self,
    _ handler: @escaping @Sendable (Payload, JobContext) async throws -> any Encodable & Sendable
  ) {
    handlers[Name(jobType)] = Self.decoding(payload) { Outcome.complete(try await handler($0, $1)) }
  }

  private static func decoding<Payload: Decodable & Sendable>(
    _ type: Payload.Type, _ handler: @escaping @Sendable (Payload, JobContext) async throws -> Outcome
  ) -> Handler {
    { raw, context in
      let payload: Payload
      do throws(RoostError) {
        payload = try raw.decode()
      } catch {
        return .fail("the payload does not fit: \(error.message)")
      }
      return try await handler(payload, context)
    }
  }

  // MARK: Payloads as they were sent

  /// Handles the jobs of a type with their payloads as they were sent.
  public mutating func handle(
    _ jobType: String, _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Void
  ) {
    handlers[Name(jobType)] = { raw, context in
      try await handler(raw, context)
      return .complete
    }
  }

  /// Handles the jobs of a type with their payloads as they were sent; what is returned is the job's result, or the
  /// ``Outcome`` of the attempt.
  public mutating func handle<Value: Encodable & Sendable>(
    _ jobType: String, _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Value
  ) {
    handlers[Name(jobType)] = { Outcome.complete(try await handler($0, $1)) }
  }

  /// Handles the jobs of a type with their payloads as they were sent; what is returned says what became of the job.
  @_disfavoredOverload
  public mutating func handle(
    _ jobType: String, _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Outcome
  ) {
    handlers[Name(jobType)] = handler
  }

  /// Handles the jobs of a type with their payloads as they were sent; each `return` gives a result or an ``Outcome``.
  @_disfavoredOverload
  public mutating func handle(
    _ jobType: String, _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> any Encodable & Sendable
  ) {
    handlers[Name(jobType)] = { Outcome.complete(try await handler($0, $1)) }
  }

  // MARK: All other types

  /// Handles the jobs whose type has no handler of its own.
  public mutating func handleOthers(_ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Void) {
    defaultHandler = { raw, context in
      try await handler(raw, context)
      return .complete
    }
  }

  /// Handles the jobs whose type has no handler of its own; what is returned is the job's result, or the ``Outcome`` of
  /// the attempt.
  public mutating func handleOthers<Value: Encodable & Sendable>(
    _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Value
  ) {
    defaultHandler = { Outcome.complete(try await handler($0, $1)) }
  }

  /// Handles the jobs whose type has no handler of its own; what is returned says what became of the job.
  @_disfavoredOverload
  public mutating func handleOthers(_ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> Outcome) {
    defaultHandler = handler
  }

  /// Handles the jobs whose type has no handler of its own; each `return` gives a result or an ``Outcome``.
  @_disfavoredOverload
  public mutating func handleOthers(
    _ handler: @escaping @Sendable (RawJSON, JobContext) async throws -> any Encodable & Sendable
  ) {
    defaultHandler = { Outcome.complete(try await handler($0, $1)) }
  }
}
