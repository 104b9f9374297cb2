import RoostAPI

/// Jobs that wait for each other, to be submitted together: all of them, or none.
///
/// ```swift
/// var graph = JobGraph()
/// let parts = try ["a", "b"].map { try graph.add(NewJob(Fetch(url: $0))) }
/// try graph.add(NewJob(Merge()), after: parts)
/// let ids = try await client.submit(graph)
/// ```
public struct JobGraph: Sendable {
  /// A job of the graph.
  public struct Node: Sendable, Hashable {
    fileprivate let place: Int
  }

  fileprivate struct Item: Sendable {
    var job: NewJob
    var after: [Int]
  }

  fileprivate var items: [Item] = []

  public init() {}

  /// Jobs that were added.
  public var count: Int { items.count }

  /// Adds a job; jobs of the graph can only wait for those that were added before them, so none wait for each other.
  ///
  /// - Parameter others: Jobs of this graph that it waits for, beside those of ``JobOptions/dependsOn``.
  @discardableResult
  public mutating func add(_ job: NewJob, after others: [Node] = []) -> Node {
    items.append(Item(job: job, after: others.map(\.place)))
    return Node(place: items.count - 1)
  }
}

/// The jobs of a submitted graph.
public struct SubmittedGraph: Sendable {
  /// In the order in which they were added.
  public let jobs: [SubmittedJob]

  public subscript(node: JobGraph.Node) -> SubmittedJob { jobs[node.place] }
}

/// A job with those that it waits for and those that wait for it.
public struct JobNeighbours: Sendable {
  public struct Node: Sendable, Identifiable {
    public let id: JobID
    public let state: JobState
    public let queue: String
    public let type: String
    /// Of the jobs here.
    public let dependsOn: [JobID]
  }

  /// The nearest first, itself before all; at most 200.
  public let jobs: [Node]
  /// There are more.
  public let isTruncated: Bool

  init(_ fields: JSONFields) throws(RoostError) {
    isTruncated = fields.flag("truncated")
    jobs = try fields.required("jobs", JSONFields.elements).map { bytes throws(RoostError) in
      let job = try JSONFields(bytes)
      return Node(
        id: JobID(try job.required("job_id", JSONFields.text)),
        state: JobState(rawValue: try job.required("state", JSONFields.text)),
        queue: try job.required("queue", JSONFields.text), type: job.text("type") ?? "",
        dependsOn: try job.json("depends_on")?.decode() ?? [])
    }
  }
}

extension Client {
  /// Submits jobs that wait for each other: when this returns all of them are on the daemon's disk.
  ///
  /// - Parameter graph: At most 1,000 jobs and 8 MiB, none of them ``JobOptions/unique``.
  /// - Throws: ``RoostError``, and nothing was submitted, if one of the jobs was refused.
  @discardableResult
  public func submit(_ graph: JobGraph) async throws -> SubmittedGraph {
    var body = JSONWriter(capacity: graph.items.reduce(64) { $0 + $1.job.payload.bytes.count + 256 })
    body.beginObject()
    body.key("jobs")
    body.beginArray()
    for (place, item) in graph.items.enumerated() {
      body.submit(
        item.job.payload, item.job.options, idempotencyKey: newIdempotencyKey(), ref: "\(place)",
        after: item.after.map { "#\($0)" })
    }
    body.endArray()
    body.endObject()
    let answer = try JSONFields(try await transport.send(.post("/jobs/batch", body.bytes)))
    let jobs = try answer.required("results", JSONFields.elements).map { try SubmittedJob(JSONFields($0)) }
    guard jobs.count == graph.items.count else {
      throw RoostError(.unexpectedAnswer, "\(graph.items.count) jobs were sent and \(jobs.count) answered")
    }
    return SubmittedGraph(jobs: jobs)
  }

  /// A job with those that it waits for and those that wait for it, and so on.
  ///
  /// - Throws: ``RoostError`` with code `job_not_found`.
  public func graph(of id: JobID) async throws -> JobNeighbours {
    try JobNeighbours(JSONFields(try await transport.send(.get("/jobs/" + percentEncoded(id.rawValue) + "/graph"))))
  }
}
