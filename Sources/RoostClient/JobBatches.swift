import Foundation
import RoostAPI

/// A batch's name: it comes when it is opened and stays the same.
public struct BatchID: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }

  public var description: String { rawValue }
}

/// Jobs that are one thing to whoever waits for them: when all have ended, one more job is made, exactly once.
public struct JobBatch: Sendable, Identifiable {
  public let id: BatchID
  public let name: String?
  /// `open`, `closed`, `stalled` (all have ended, and not all are ACKED), `completed` or `cancelled`.
  public let state: String
  public let createdAt: Date
  public let closedAt: Date?
  public let completedAt: Date?
  /// The job that was made.
  public let thenJob: JobID?
  /// How many of its jobs are, or left as, in each state.
  public let counts: [String: Int]

  /// Whether it will not change any more.
  public var isOver: Bool { state == "completed" || state == "cancelled" }

  init(_ fields: JSONFields) throws(RoostError) {
    id = BatchID(rawValue: try fields.required("batch_id", JSONFields.text))
    name = fields.text("name")
    state = try fields.required("state", JSONFields.text)
    createdAt = try fields.required("created_at", JSONFields.date)
    closedAt = fields.date("closed_at")
    completedAt = fields.date("completed_at")
    thenJob = fields.text("then_job_id").map { JobID($0) }
    counts = fields.integers("counts")
  }
}

extension Client {
  /// Opens a batch: submit its jobs with ``JobOptions/batch``, then close it.
  ///
  /// ```swift
  /// let batch = try await client.openBatch(then: NewJob(SendReport()))
  /// for part in parts { try await client.submit(part, JobOptions(batch: batch.id)) }
  /// try await client.closeBatch(batch.id)
  /// ```
  ///
  /// - Parameters:
  ///   - then: Made when the batch is closed and its jobs have ended; at most 64 KiB.
  ///   - when: `.acked`: all of them are ACKED; `.ended`: however they ended.
  ///   - expiresIn: The batch closes by itself after that long.
  public func openBatch(
    name: String? = nil, then: NewJob? = nil, when: JobOptions.DependencyEnd = .acked, expiresIn: Duration? = nil
  ) async throws -> JobBatch {
    var body = JSONWriter()
    body.beginObject()
    if let name { body.field("name", name) }
    body.field("when", when.rawValue)
    if let expiresIn { body.field("expires_in", duration: expiresIn) }
    if let then {
      body.key("then")
      body.submit(then.payload, then.options, idempotencyKey: nil)
    }
    body.endObject()
    var request = Transport.Request.post("/batches", body.bytes)
    request.isIdempotent = false
    return try await batch(request)
  }

  /// - Throws: ``RoostError`` with code `batch_not_found`.
  public func batch(_ id: BatchID) async throws -> JobBatch { try await batch(.get(path(id))) }

  /// The batch takes no more jobs, but of its own RUNNING ones.
  @discardableResult
  public func closeBatch(_ id: BatchID) async throws -> JobBatch { try await batch(.post(path(id) + "/close")) }

  /// The batch takes no more jobs, and those that have not ended are cancelled; no job is made then.
  @discardableResult
  public func cancelBatch(_ id: BatchID) async throws -> JobBatch { try await batch(.post(path(id) + "/cancel")) }

  /// Batches, the newest first.
  ///
  /// - Parameter cursor: Of the page before.
  public func batches(limit: Int = 100, after cursor: String? = nil) async throws -> (items: [JobBatch], next: String?)
  {
    let further = cursor.map { "&cursor=" + percentEncoded($0) } ?? ""
    let answer = try JSONFields(try await transport.send(.get("/batches?limit=\(limit)\(further)")))
    var items: [JobBatch] = []
    for bytes in try answer.required("items", JSONFields.elements) { items.append(try JobBatch(JSONFields(bytes))) }
    return (items, answer.text("next_cursor"))
  }

  private func batch(_ request: Transport.Request) async throws -> JobBatch {
    try JobBatch(JSONFields(try await transport.send(request)))
  }

  private func path(_ id: BatchID) -> String { "/batches/" + percentEncoded(id.rawValue) }
}
