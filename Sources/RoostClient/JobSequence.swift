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
  ///   - group: Only jobs of groups of this name; `_`: those that say none.
  ///   - state: Only jobs in this state.
  ///   - pageSize: How many one request asks for, 1 to 200.
  public func jobs(
    queue: String? = nil, group: String? = nil, state: JobState? = nil, pageSize: Int = 100
  ) -> JobSequence {
    JobSequence(
      self, "/jobs", [("limit", "\(pageSize)"), ("queue", queue), ("group", group), ("state", state?.rawValue)]
    ) { (fields) throws(RoostError) in try Job(fields) }
  }

  /// Lists dead letters, those that died last first, page by page as they are read.
  ///
  /// - Parameters:
  ///   - queue: Only jobs of this queue.
  ///   - pageSize: How many one request asks for, 1 to 200.
  public func deadLetters(queue: String? = nil, pageSize: Int = 100) -> PageSequence<DeadLetter> {
    PageSequence(
      self, "/dlq", [("limit", "\(pageSize)"), ("queue", queue)]
    ) { (fields) throws(RoostError) in try DeadLetter(fields) }
  }
}

/// A list of jobs that fetches its pages as it is read.
public typealias JobSequence = PageSequence<Job>

/// A list that fetches its pages as it is read. What comes or goes meanwhile may be missed; nothing is twice.
public struct PageSequence<Element: Sendable>: AsyncSequence, Sendable {
  private let client: Client
  private let path: String
  private let decode: @Sendable (JSONFields) throws(RoostError) -> Element

  /// - Parameters:
  ///   - path: Of the list.
  ///   - query: What is not nil of it.
  ///   - decode: One of its items.
  init(
    _ client: Client, _ path: String, _ query: [(name: String, value: String?)],
    decode: @escaping @Sendable (JSONFields) throws(RoostError) -> Element
  ) {
    self.client = client
    self.path =
      path + "?"
      + query.compactMap { name, value in value.map { "\(name)=\(percentEncoded($0))" } }
      .joined(separator: "&")
    self.decode = decode
  }

  public func makeAsyncIterator() -> Iterator { Iterator(client: client, path: path, decode: decode) }

  public struct Iterator: AsyncIteratorProtocol {
    private let client: Client
    private let path: String
    private let decode: @Sendable (JSONFields) throws(RoostError) -> Element
    private var page: ArraySlice<Element> = []
    private var cursor: String?
    private var isLast = false

    fileprivate init(
      client: Client, path: String, decode: @escaping @Sendable (JSONFields) throws(RoostError) -> Element
    ) {
      self.client = client
      self.path = path
      self.decode = decode
    }

    public mutating func next() async throws -> Element? {
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
      let answer = try JSONFields(try await client.transport.send(.get(path + place)))
      var items: [Element] = []
      for bytes in try answer.required("items", JSONFields.elements) { items.append(try decode(JSONFields(bytes))) }
      page = items[...]
      cursor = answer.text("next_cursor")
      isLast = cursor == nil
    }
  }
}
