import Foundation

/// Dead letters whose errors differ in numbers and ids alone.
public struct DeadLetterGroup: Sendable, Identifiable {
  public var id: String { shape }
  /// What ``JobSearch/shape`` takes.
  public let shape: String
  /// The first line of the error, with `#` for numbers and ids.
  public let error: String
  public let count: Int
  public let firstDiedAt: Date?
  public let lastDiedAt: Date?
  /// The one that died last.
  public let lastJob: JobID?
  /// At most five of them.
  public let queues: [String]
  public let types: [String]

  init(_ fields: JSONFields) throws(RoostError) {
    shape = try fields.required("shape", JSONFields.text)
    error = fields.text("error") ?? ""
    count = fields.integer("count") ?? 0
    firstDiedAt = fields.date("first_dead_at")
    lastDiedAt = fields.date("last_dead_at")
    lastJob = fields.text("job_id").map { JobID($0) }
    queues = (try? fields.json("queues")?.decode()) ?? []
    types = (try? fields.json("types")?.decode()) ?? []
  }
}

extension Client {
  /// Dead letters by the shape of their errors, the largest group first: of the 10,000 that died last, and for each further
  /// 10,000 anew.
  ///
  /// - Parameter limit: So many groups at most of each 10,000, 1 to 200.
  public func deadLetterGroups(
    matching search: JobSearch = JobSearch(), limit: Int = 50
  ) -> PageSequence<DeadLetterGroup> {
    PageSequence(self, "/dlq/groups", search.query(limit)) { (fields) throws(RoostError) in
      try DeadLetterGroup(fields)
    }
  }
}
