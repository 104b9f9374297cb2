import Foundation
import RoostAPI

/// Which jobs or dead letters a list shows: those that fit everything that is said.
public struct JobSearch: Sendable {
  public var queue: String?
  /// Jobs of groups of this name; `_`: those that say none.
  public var group: String?
  /// In any of these states; empty: in any at all. Dead letters have no other.
  public var states: Set<JobState> = []
  /// Whose jobs; for keys that see those of several owners.
  public var owner: String?
  public var type: String?
  /// Jobs that carry this tag.
  public var tag: String?
  /// Jobs whose metadata have this key, `customer`, or this value there, `customer=42`.
  public var metadata: String?
  /// Part of the text of the last error.
  public var error: String?
  /// Submitted from then on; dead letters: died.
  public var since: Date?
  /// Submitted before then; dead letters: died.
  public var until: Date?
  /// Only of dead letters: `attempts_exhausted`, `permanent_failure`, `expired` or `crash_loop`.
  public var reason: String?
  /// Only of dead letters: the shape of their error, as ``DeadLetterGroup/shape`` says it.
  public var shape: String?

  public init(queue: String? = nil, states: Set<JobState> = []) {
    self.queue = queue
    self.states = states
  }

  /// The parameters of a list.
  ///
  /// - Parameter limit: The most of a page.
  func query(_ limit: Int) -> [(name: String, value: String?)] {
    func text(_ date: Date?) -> String? {
      date.map { Timestamp.text(milliseconds: Int64(($0.timeIntervalSince1970 * 1_000).rounded())) }
    }
    let states = states.map(\.rawValue).sorted().joined(separator: ",")
    return [
      ("limit", "\(limit)"), ("queue", queue), ("group", group), ("state", states.isEmpty ? nil : states),
      ("owner_id", owner), ("type", type), ("tag", tag), ("metadata", metadata), ("error~", error),
      ("since", text(since)), ("until", text(until)), ("reason", reason), ("shape", shape),
    ]
  }
}

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
    var search = JobSearch(queue: queue, states: state.map { [$0] } ?? [])
    search.group = group
    return jobs(matching: search, pageSize: pageSize)
  }

  /// Lists the jobs that fit, newest first, page by page as they are read. Where tag, metadata or error are asked for,
  /// the daemon reads each job for it: that takes its time, page by page.
  public func jobs(matching search: JobSearch, pageSize: Int = 100) -> JobSequence {
    JobSequence(self, "/jobs", search.query(pageSize)) { (fields) throws(RoostError) in try Job(fields) }
  }

  /// Lists dead letters, those that died last first, page by page as they are read.
  ///
  /// - Parameters:
  ///   - queue: Only jobs of this queue.
  ///   - pageSize: How many one request asks for, 1 to 200.
  public func deadLetters(queue: String? = nil, pageSize: Int = 100) -> PageSequence<DeadLetter> {
    deadLetters(matching: JobSearch(queue: queue), pageSize: pageSize)
  }

  /// Lists the dead letters that fit.
  public func deadLetters(matching search: JobSearch, pageSize: Int = 100) -> PageSequence<DeadLetter> {
    PageSequence(self, "/dlq", search.query(pageSize)) { (fields) throws(RoostError) in try DeadLetter(fields) }
  }
}

/// A list of jobs that fetches its pages as it is read. Jobs that come or go meanwhile may be missed; none is twice.
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
