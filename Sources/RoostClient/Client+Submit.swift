import RoostAPI

/// Submitting: one job, or many in few requests.
extension Client {
  /// Submits a job whose payload knows its type.
  ///
  /// ```swift
  /// try await client.submit(SendEmail(to: "ada@example.org"), JobOptions(queue: "email", delay: .seconds(60)))
  /// ```
  ///
  /// When this returns, the job is on the daemon's disk. A repeated request never makes a second job.
  @discardableResult
  public func submit(
    _ payload: some JobPayload, _ options: JobOptions = JobOptions()
  ) async throws -> SubmittedJob {
    try await submit(try NewJob(payload, options))
  }

  /// Submits a job with any payload that can be encoded; the type stands in the options.
  @discardableResult
  public func submit(
    _ payload: some Encodable & Sendable, _ options: JobOptions = JobOptions()
  ) async throws -> SubmittedJob {
    try await submit(try NewJob(payload, options))
  }

  /// Submits a job whose payload is JSON already; it arrives byte for byte as it is.
  @discardableResult
  public func submit(_ payload: RawJSON, _ options: JobOptions = JobOptions()) async throws -> SubmittedJob {
    try await submit(NewJob(payload, options))
  }

  /// Submits a job.
  @discardableResult
  public func submit(_ job: NewJob) async throws -> SubmittedJob {
    var body = JSONWriter(capacity: job.payload.bytes.count + 192)
    body.submit(job.payload, transport.traced(job.options), idempotencyKey: newIdempotencyKey())
    return try SubmittedJob(JSONFields(try await transport.send(.post("/jobs", body.bytes))))
  }

  /// Submits many jobs in as few requests as fit them: 1,000 jobs or 8 MiB each.
  ///
  /// Each job stands on its own: one may be refused and the others not. Whole requests are repeated like any other; a
  /// single job that was refused for the moment (``RoostError/isRetryable``) is left to you.
  ///
  /// - Returns: For each job, in order, its id or why it was refused. If no answer came for a request in spite of
  ///   all repetition, its jobs carry that error (whether they were made is then unknown; give them idempotency
  ///   keys of your own to find out by submitting them again), and the requests after it are still sent.
  /// - Throws: `CancellationError`.
  @discardableResult
  public func submit(contentsOf jobs: [NewJob]) async throws -> [Result<JobID, RoostError>] {
    try await submit(
      bodies: jobs.lazy.map { job in
        var body = JSONWriter(capacity: job.payload.bytes.count + 192)
        body.submit(job.payload, transport.traced(job.options), idempotencyKey: newIdempotencyKey())
        return body.bytes
      }
    ).map { result in result.map(\.id) }
  }

  /// The same with bodies that are JSON already, each with its idempotency key.
  package func submit(
    bodies: some Sequence<[UInt8]>
  ) async throws -> [Result<(id: JobID, isDuplicate: Bool), RoostError>] {
    var results: [Result<(id: JobID, isDuplicate: Bool), RoostError>] = []
    results.reserveCapacity(bodies.underestimatedCount)
    var batch = Batch()
    for body in bodies {
      if !batch.hasRoom(for: body) {
        results += try await send(batch)
        batch = Batch()
      }
      batch.append(body)
    }
    if batch.count > 0 { results += try await send(batch) }
    return results
  }

  private func send(_ batch: Batch) async throws -> [Result<(id: JobID, isDuplicate: Bool), RoostError>] {
    do {
      let answer = try JSONFields(try await transport.send(.post("/jobs/batch", batch.body)))
      let results = try answer.required("results", JSONFields.elements)
      guard results.count == batch.count else {
        throw RoostError(.unexpectedAnswer, "\(batch.count) jobs were sent and \(results.count) answered")
      }
      return results.map(Self.outcome)
    } catch let error as RoostError {
      return Array(repeating: .failure(error), count: batch.count)
    }
  }

  private static func outcome(_ bytes: [UInt8]) -> Result<(id: JobID, isDuplicate: Bool), RoostError> {
    do throws(RoostError) {
      let fields = try JSONFields(bytes)
      if let refusal = RoostError(item: fields) { return .failure(refusal) }
      return .success((JobID(try fields.required("job_id", JSONFields.text)), fields.flag("idempotent")))
    } catch {
      return .failure(error)
    }
  }
}

extension RoostError {
  /// A refusal that is one result among others; nil if it is none.
  init?(item fields: JSONFields) {
    guard let code = fields.text("code") else { return nil }
    self.init(
      Code(rawValue: code), fields.message, .daemon, status: ErrorCode(rawValue: code)?.status ?? 400,
      field: fields.object("details")?.text("field"), existingJob: fields.existingJob)
  }
}

/// Jobs on their way to one request.
private struct Batch {
  private static let maxJobs = 1_000
  private static let maxBytes = 8 << 20
  private static let opening = Array(#"{"jobs":["#.utf8)
  private static let closing = Array("]}".utf8)

  private var bytes = Self.opening
  private(set) var count = 0

  var body: [UInt8] { bytes + Self.closing }

  func hasRoom(for job: [UInt8]) -> Bool {
    count == 0 || count < Self.maxJobs && bytes.count + 1 + job.count + Self.closing.count <= Self.maxBytes
  }

  mutating func append(_ job: [UInt8]) {
    if count > 0 { bytes.append(UInt8(ascii: ",")) }
    bytes += job
    count += 1
  }
}

/// 128 random bits: no two submits of any client share them.
func newIdempotencyKey() -> String {
  let bits = UInt128.random(in: .min ... .max)
  return "sdk-" + String(bits, radix: 36)
}
