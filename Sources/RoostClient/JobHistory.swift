import Foundation

/// A line of a job's history: an attempt, or that somebody cancelled or buried it.
public struct HistoryItem: Sendable, Hashable {
  /// `running`, `acked`, `failed`, `expired`, `timed_out`, `released`, `undelivered`, `cancelled`, `cancel_requested`,
  /// `too_late` or `buried`; others may come.
  public let outcome: String
  /// 1 for the first attempt; nil for what is none.
  public let attempt: Int?
  public let workerID: String?
  public let leasedAt: Date?
  public let endedAt: Date?
  /// What the worker said of its failure, or what befell it.
  public let error: String?
  /// Why it was cancelled or buried, if that was said.
  public let reason: String?
  /// What the worker wrote with ``JobContext/log(_:)``, oldest first: of the last attempt of which one wrote, 64 lines
  /// at most.
  public let log: [String]

  init(_ fields: JSONFields) throws(RoostError) {
    outcome = try fields.required("outcome", JSONFields.text)
    attempt = fields.integer("attempt")
    workerID = fields.text("worker_id")
    leasedAt = fields.date("leased_at")
    endedAt = fields.date("ended_at")
    error = fields.text("error")
    reason = fields.text("reason")
    log = try fields.json("log")?.decode() ?? []
  }
}

extension Client {
  /// What happened to a job: its last 20 attempts, the last first, besides one that runs.
  ///
  /// - Throws: ``RoostError`` with code `job_not_found`.
  public func history(of id: JobID) async throws -> [HistoryItem] {
    let answer = try JSONFields(try await transport.send(.get("/jobs/" + percentEncoded(id.rawValue) + "/history")))
    var items: [HistoryItem] = []
    for bytes in answer.elements("items") ?? [] { items.append(try HistoryItem(JSONFields(bytes))) }
    return items
  }
}
