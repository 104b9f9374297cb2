import Foundation
import RoostAPI

/// Submits jobs to a Roost daemon and asks what became of them.
///
/// ```swift
/// let client = try Client(url: "http://127.0.0.1:8080", key: key)
/// let job = try await client.submit(SendEmail(to: "ada@example.org"))
/// let done = try await client.waitForCompletion(of: job.id)
/// ```
///
/// A client is a handle on a pool of connections: make one, copy it freely, use it from any task. The connections
/// close when the last copy is gone. Every method may be cancelled, and then throws `CancellationError`; everything
/// else that fails throws ``RoostError``.
public struct Client: Sendable {
  package let transport: Transport

  /// Makes no connection yet.
  ///
  /// - Parameters:
  ///   - url: Such as `http://127.0.0.1:8080` or `https://roost.example.org`.
  ///   - key: The API key; one of type client submits and reads, one of type worker leases.
  /// - Throws: ``RoostError`` with code `invalid_configuration`.
  public init(
    url: String, key: String, configuration: ClientConfiguration = ClientConfiguration()
  ) throws(RoostError) {
    transport = try Transport(urls: [url], key: key, configuration: configuration)
  }

  /// The same for a daemon that has several addresses, such as two proxies before it. The first that answers is asked
  /// until it does not; then the next one is.
  ///
  /// - Parameter urls: At least one.
  public init(
    urls: [String], key: String, configuration: ClientConfiguration = ClientConfiguration()
  ) throws(RoostError) {
    transport = try Transport(urls: urls, key: key, configuration: configuration)
  }

  /// One that asks what stands in for a daemon in this process.
  package init(local: @escaping LocalDaemon, configuration: ClientConfiguration) {
    transport = Transport(local: local, configuration: configuration)
  }

  /// Takes URL and key from `ROOST_URL` (`http://127.0.0.1:8080` if it is not set; several with commas between them) and
  /// `ROOST_KEY`. For `https`,
  /// `ROOST_CA` names a file with the authority to trust, `ROOST_CERT` and `ROOST_CERT_KEY` files with a certificate
  /// to show, all in PEM; what the configuration says goes before them.
  ///
  /// - Throws: ``RoostError`` with code `invalid_configuration` if there is no key, or something is wrong.
  public static func fromEnvironment(
    configuration: ClientConfiguration = ClientConfiguration()
  ) throws(RoostError) -> Client {
    let environment = ProcessInfo.processInfo.environment
    guard let key = environment["ROOST_KEY"], !key.isEmpty else {
      throw RoostError(.invalidConfiguration, "there is no API key: set the environment variable ROOST_KEY")
    }
    let trust = try TrustFiles(environment: environment)
    var configuration = configuration
    if case .system = configuration.trustRoots { configuration.trustRoots = trust.roots }
    configuration.certificate = configuration.certificate ?? trust.clientCertificate
    let url = environment["ROOST_URL"].flatMap { $0.isEmpty ? nil : $0 }
    let urls = (url ?? "http://127.0.0.1:8080").split(separator: ",").map {
      String($0).trimmingCharacters(in: .whitespaces)
    }
    return try Client(urls: urls, key: key, configuration: configuration)
  }

  /// What is known of a job.
  ///
  /// - Parameter includingPayload: Whether to send the payload along.
  /// - Throws: ``RoostError`` with code `job_not_found`.
  public func job(_ id: JobID, includingPayload: Bool = false) async throws -> Job {
    let query = includingPayload ? "?payload=true" : ""
    return try Job(JSONFields(try await transport.send(.get(path(id) + query))))
  }

  /// Waits until a job has ended, by long polls.
  ///
  /// - Parameter timeout: How long to wait at most; nil waits as long as it takes.
  /// - Returns: The job, ACKED, DEAD or CANCELLED.
  /// - Throws: ``RoostError`` with code `timed_out` if it has not ended by then; the job goes on.
  public func waitForCompletion(of id: JobID, timeout: Duration? = nil) async throws -> Job {
    let clock = ContinuousClock()
    let deadline = timeout.map { clock.now + $0 }
    var backoff = Backoff(transport.configuration.retry)
    while true {
      let begun = clock.now
      let left = deadline.map { max(.zero, begun.duration(to: $0)) } ?? Self.longPoll
      let wait = min(left, Self.longPoll)
      var request = Transport.Request.get(path(id) + "?wait=\(DurationText.text(milliseconds: wait.milliseconds))")
      request.wait = wait
      let job = try Job(JSONFields(try await transport.send(request)))
      if job.state.isFinal { return job }
      if let deadline, clock.now >= deadline {
        throw RoostError(.timedOut, "job \(id) is still \(job.state)")
      }
      // A daemon that stops ends its long polls early: no reason to ask at full speed.
      if begun.duration(to: clock.now) < wait / 2 {
        try await Task.sleep(for: backoff.pause())
      } else {
        backoff.reset()
      }
    }
  }

  /// Waits until a job has ended and decodes what its worker gave back.
  ///
  /// - Throws: ``RoostError`` with code `no_result` if it failed, was cancelled or has no result; `timed_out`;
  ///   `decoding_failed`.
  public func result<Value: Decodable>(
    of id: JobID, as type: Value.Type = Value.self, timeout: Duration? = nil
  ) async throws -> Value {
    try await waitForCompletion(of: id, timeout: timeout).result(as: type)
  }

  /// Calls a job off. One that waits ends at once; one that runs is ended by its worker, which hears of it at its
  /// next heartbeat and may still finish it.
  ///
  /// - Returns: CANCELLED, or RUNNING if a worker has to end it.
  /// - Throws: ``RoostError`` with code `job_finished` if it is ACKED or DEAD.
  @discardableResult
  public func cancel(_ id: JobID, reason: String? = nil) async throws -> JobState {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    return try await state(after: .post(path(id) + "/cancel", body.bytes))
  }

  /// Puts a job that waits among the dead letters, where it rests until somebody replays or deletes it.
  ///
  /// It is sent again only where the daemon certainly did not do it: somebody may have replayed the job meanwhile.
  ///
  /// - Throws: ``RoostError`` with code `wrong_state` if it does not wait.
  @discardableResult
  public func bury(_ id: JobID, reason: String? = nil) async throws -> JobState {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    var request = Transport.Request.post(path(id) + "/dlq", body.bytes)
    request.isIdempotent = false
    return try await state(after: request)
  }

  /// Says something else of a job that waits.
  ///
  /// ```swift
  /// try await client.change(id) { job in
  ///   job.priority = .critical
  ///   job.delay = .zero
  /// }
  /// ```
  ///
  /// - Returns: The job as it is now.
  /// - Throws: ``RoostError`` with code `wrong_state` if it does not wait.
  @discardableResult
  public func change(_ id: JobID, _ change: (inout JobChange) throws -> Void) async throws -> Job {
    var wanted = JobChange()
    try change(&wanted)
    var body = JSONWriter()
    body.beginObject()
    if let priority = wanted.priority { body.field("priority", priority.rawValue) }
    if let retries = wanted.maxRetries { body.field("max_retries", retries: retries) }
    if let delay = wanted.delay { body.field("delay", duration: delay) }
    if let time = wanted.runAt { body.field("run_at", milliseconds: time.milliseconds) }
    if let queue = wanted.queue { body.field("queue", queue) }
    if let group = wanted.group {
      if group.isEmpty {
        body.key("group")
        body.null()
      } else {
        body.field("group", group)
      }
    }
    if let payload = wanted.payload { body.field("payload", raw: payload.bytes[...]) }
    if let tags = wanted.tags {
      body.key("tags")
      body.strings(tags)
    }
    body.endObject()
    return try Job(JSONFields(try await transport.send(.patch(path(id), body.bytes))))
  }

  /// Runs a job now that waits for its time or its next attempt, or again if it is DEAD or CANCELLED.
  ///
  /// It is sent again only where the daemon certainly did not do it: a job that was replayed, and has failed meanwhile,
  /// must not run a third time because an answer was lost. After `unreachable` ask for the job before you call again.
  ///
  /// - Throws: ``RoostError`` with code `wrong_state` if it is READY, RUNNING or ACKED; `unreachable` if no answer
  ///   came, and the job may be running.
  @discardableResult
  public func retry(_ id: JobID) async throws -> JobState {
    var request = Transport.Request.post(path(id) + "/retry")
    request.isIdempotent = false
    return try await state(after: request)
  }

  /// Lets a job run that waits for others, all of which have ended and not all of which were ACKED
  /// (``JobOptions/OnDead/hold``).
  ///
  /// It is sent again only where the daemon certainly did not do it.
  ///
  /// - Throws: ``RoostError`` with code `wrong_state` if it does not wait so.
  @discardableResult
  public func unblock(_ id: JobID) async throws -> JobState {
    var request = Transport.Request.post(path(id) + "/unblock")
    request.isIdempotent = false
    return try await state(after: request)
  }

  /// Removes a job that is ACKED, DEAD or CANCELLED, before its retention ends. Its idempotency key goes on answering
  /// until its window is over.
  ///
  /// - Returns: What the job was.
  /// - Throws: ``RoostError`` with code `wrong_state` if it has not ended; `job_not_found`, also where an attempt before,
  ///   whose answer was lost, has removed it.
  @discardableResult
  public func delete(_ id: JobID) async throws -> JobState {
    try await state(after: .delete(path(id)))
  }

  /// Removes a dead letter. The key must be one that may manage queues.
  ///
  /// - Throws: ``RoostError`` with code `wrong_state` if the job is not DEAD; else as ``delete(_:)``.
  public func deleteDeadLetter(_ id: JobID) async throws {
    _ = try await state(after: .delete("/dlq/" + percentEncoded(id.rawValue)))
  }

  private static let longPoll = Duration.seconds(30)

  private func state(after request: Transport.Request) async throws -> JobState {
    let answer = try JSONFields(try await transport.send(request))
    return JobState(rawValue: try answer.required("state", JSONFields.text))
  }

  private func path(_ id: JobID) -> String { "/jobs/" + percentEncoded(id.rawValue) }
}
