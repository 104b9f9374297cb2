import RoostAPI

extension Client {
  /// Lists jobs, newest first, page by page as they are read.
  ///
  /// ```swift
  /// for try await job in client.jobs(queue: "email", state: .dead) { print(job.id, job.error ?? "") }
  /// ```
  ///
  /// - Parameters:
  ///   - queue: Only jobs of this queue.
  ///   - state: Only jobs in this state.
  ///   - pageSize: How many one request asks for, 1 to 200.
  public func jobs(queue: String? = nil, state: JobState? = nil, pageSize: Int = 100) -> JobSequence {
    var query = "limit=\(pageSize)"
    if let queue { query += "&queue=" + percentEncoded(queue) }
    if let state { query += "&state=" + percentEncoded(state.rawValue) }
    return JobSequence(client: self, query: query)
  }
}

/// A list of jobs that fetches its pages as it is read. Jobs that come or go meanwhile may be missed; none is twice.
public struct JobSequence: AsyncSequence, Sendable {
  let client: Client
  let query: String

  public func makeAsyncIterator() -> Iterator { Iterator(client: client, query: query) }

  public struct Iterator: AsyncIteratorProtocol {
    let client: Client
    let query: String
    private var page: ArraySlice<Job> = []
    private var cursor: String?
    private var isLast = false

    init(client: Client, query: String) {
      self.client = client
      self.query = query
    }

    public mutating func next() async throws -> Job? {
      // A page may be empty and not the last.
      while page.isEmpty {
        guard !isLast else { return nil }
        try await fetch()
      }
      return page.removeFirst()
    }

    private mutating func fetch() async throws {
      try Task.checkCancellation()
      let place = cursor.map { "&cursor=" + percentEncoded($0) } ?? ""
      let answer = try JSONFields(try await client.transport.send(.get("/jobs?" + query + place)))
      var jobs: [Job] = []
      for bytes in try answer.required("items", JSONFields.elements) { jobs.append(try Job(JSONFields(bytes))) }
      page = jobs[...]
      cursor = answer.text("next_cursor")
      isLast = cursor == nil
    }
  }
}
